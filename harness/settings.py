"""What can be set from outside: by a flag, else by an environment variable `DRILLBOOK_…`, else the default.

Frozen once read. What makes a drill another drill (seed, profile, variants) is written into its recording.
"""

import importlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from harness.errors import ConfigError
from harness.stack.target import Target

BROKERS = (1, 3)


class Runtime(StrEnum):
    """How a stack is stood up."""

    EMBEDDED = "embedded"


class Settings(BaseSettings):
    """Everything a drill run can be told.

    Attributes:
        target: What is drilled, `module:function`; the function gets these settings and returns a `Target`.
        runtime: How the stack is stood up.
        profile: Which table of durations: `ci` compresses waits, `guide` uses the guide's own.
        seed: Of all randomness; None draws one.
        runs: Folder that recordings are written to.
        brokers: Kafka data brokers: 3, or 1 for small machines (scenarios that need three then say so). Two would
            need both to be up, and so survive less than one.
        variants: Planted defects to switch on in the target; in DRILLBOOK_VARIANTS with commas between them.
        retry_inconclusive: How often an INCONCLUSIVE drill is run again. A FAIL never is.
    """

    model_config = SettingsConfigDict(env_prefix="DRILLBOOK_", frozen=True, extra="forbid")

    target: str = "scenarios.shop:target"
    runtime: Runtime = Runtime.EMBEDDED
    profile: str = "ci"
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    runs: Path = Path("runs")
    brokers: int = 3
    variants: Annotated[tuple[str, ...], NoDecode] = ()
    retry_inconclusive: int = Field(default=1, ge=0, le=1)

    @field_validator("variants", mode="before")
    @classmethod
    def _separated_by_commas(cls, variants: object) -> object:
        if not isinstance(variants, str):
            return variants
        return tuple(name.strip() for name in variants.split(",") if name.strip())

    @field_validator("seed", mode="before")
    @classmethod
    def _digits(cls, seed: object) -> object:
        if isinstance(seed, str) and not seed.isdecimal():
            raise ValueError("must be a whole number, 0 or more")
        return seed

    @field_validator("brokers")
    @classmethod
    def _brokers_make_a_majority(cls, brokers: int) -> int:
        if brokers not in BROKERS:
            raise ValueError(f"must be {' or '.join(map(str, BROKERS))}")
        return brokers

    @classmethod
    def read(cls, **given: Any) -> "Settings":
        """Settings from flags (None means not given) and the environment.

        Raises:
            ConfigError: One of them makes no sense.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            problems = "; ".join(
                _complaint(".".join(map(str, item["loc"])), item["msg"], item["input"])
                for item in error.errors()
            )
            raise ConfigError(
                f"{problems}. Correct the flag, or the DRILLBOOK_… variable that it came from."
            ) from error

    def make_target(self) -> Target:
        """Import and describe what is drilled.

        Raises:
            ConfigError: There is no such function, or it returned something else than a `Target`.
        """
        module, _, name = self.target.partition(":")
        here = str(Path.cwd())
        if here not in sys.path:  # a console script's sys.path does not have the working folder
            sys.path.insert(0, here)
        try:
            target = getattr(importlib.import_module(module), name)(self)
        except ConfigError:
            raise
        except Exception as error:  # whatever a module of somebody else's does when it is imported or called
            raise ConfigError(
                f"the target {self.target!r} cannot be described: {type(error).__name__}: {error}. It must be "
                f"module:function, importable from {here}; set DRILLBOOK_TARGET, or run `drill` in the folder that has "
                "your scenarios."
            ) from error
        if not isinstance(target, Target):
            raise ConfigError(f"{self.target!r} must return a harness.stack.target.Target, got {target!r}")
        return target


def _complaint(name: str, message: str, given: object) -> str:
    """What pydantic found, said as elsewhere: what was wanted, what came."""
    wanted = message.removeprefix("Value error, ").replace("Input should be", "must be")
    wanted = wanted.partition(", unable to parse")[0]
    return f"{name} {wanted}, got {str(given)!r}"
