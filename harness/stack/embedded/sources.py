"""Where a server's programs come from, as one line of `drill doctor` and of `run.json`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Source(StrEnum):
    """How a program was found."""

    OVERRIDE = "override"  # an environment variable names it
    PATH = "PATH"
    PACKAGE = "package"  # a Python package that is installed
    CACHE = "cache"  # fetched or built earlier
    TO_BE_FETCHED = "to be fetched"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How it stands with one of the things a stack needs.

    Attributes:
        name: "Java", "Apache Kafka", …
        version: Of what is there or would be fetched.
        source: Where it comes from.
        variable: The environment variable that names another one.
        path: Where it is, or None.
        problem: What is wrong with it, or "".
        remedy: The command or setting that helps, or "".
    """

    name: str
    version: str
    source: Source
    variable: str
    path: Path | None = None
    problem: str = ""
    remedy: str = ""

    @property
    def usable(self) -> bool:
        """Whether a stack could be started with it, perhaps after fetching."""
        return not self.problem
