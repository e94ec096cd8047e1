"""Who may import whom: arrows point one way, so that a recording can be judged with no stack at all."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from sys import stdlib_module_names

from tests.tidy.sources import PACKAGES, ROOT, Complaint, Source

# For each package, what it may import of ours, and the reason that goes into the complaint.
LAYERS = {
    "harness": (
        ("harness",),
        "The harness knows no target and no report: it drills systems it has never seen.",
    ),
    "reports": (
        ("reports", "harness.recording", "harness.errors"),
        "Reports read finished runs only, so that a run can be reported on where no stack could start.",
    ),
    "scenarios": (
        ("scenarios", "harness"),
        "Scenarios see the shop from outside, like any team's system; reports read what they recorded.",
    ),
    "target_app": (
        ("target_app",),
        "The sample shop could be any team's code: it must run without drillbook.",
    ),
}

# Which dependency tables of pyproject.toml a package may draw on; scenarios and tests have all of them.
_TABLES = {"harness": ("wheel",), "reports": ("wheel",), "target_app": ("wheel", "shop")}


def _within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


def layers(source: Source) -> Iterator[Complaint]:
    """Imports of ours follow the layers of `LAYERS`."""
    if source.package not in LAYERS:
        return
    allowed, why = LAYERS[source.package]
    for name, line in source.imports.items():
        if name.partition(".")[0] in (*PACKAGES, "tests") and not any(
            _within(name, item) for item in allowed
        ):
            yield Complaint(
                f"{source.path}:{line}",
                f"imports {name}",
                why,
                f"Of ours it may import {', '.join(allowed)} only: hand the value in, or move the code.",
            )


@cache
def _declared() -> dict[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tables = {"wheel": project["project"]["dependencies"], "shop": project["dependency-groups"]["shop"]}
    return {name: {normalized(requirement) for requirement in table} for name, table in tables.items()}


@cache
def _providers() -> Mapping[str, list[str]]:
    return packages_distributions()


def normalized(requirement: str) -> str:
    """The name of a distribution as the lock writes it: `Typing_Extensions>=4` is `typing-extensions`."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()  # type: ignore[index] # a requirement starts with a name


def dependencies(source: Source) -> Iterator[Complaint]:
    """What is imported is declared where the package's own users get it from."""
    tables = _TABLES.get(source.package)
    if tables is None:
        return
    declared = set().union(*(_declared()[table] for table in tables))
    providers = _providers()
    for name, line in source.imports.items():
        top = name.partition(".")[0]
        if top in stdlib_module_names or top in (*PACKAGES, "tests"):
            continue
        if not declared & {normalized(provider) for provider in providers.get(top, [top])}:
            yield Complaint(
                f"{source.path}:{line}",
                f"imports {top}, which pyproject.toml does not declare for it",
                "It is here only because something else needs it, and may go with that thing's next release.",
                f"Add it to {' or '.join(tables)} dependencies in pyproject.toml and run `make lock`.",
            )
