"""The lock decides what runs here, so it is whole: all pinned, with hashes, from wherever the user says."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.tidy.layers import normalized
from tests.tidy.sources import ROOT

_PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?P<marker> ; .+)?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(lock: str) -> list[list[str]]:
    """Each requirement as its words: the pin, then its hashes."""
    joined = lock.replace("\\\n", "\n").splitlines()
    found: list[list[str]] = []
    for line in (line.strip() for line in joined if line.strip()):
        if line.startswith("--hash") and found:
            found[-1].append(line)
        else:
            found.append([line])
    return found


@pytest.fixture(scope="module")
def lock() -> list[list[str]]:
    return entries((ROOT / "requirements.lock").read_text(encoding="utf-8"))


def test_the_lock_holds_pins_with_hashes_and_nothing_else(lock: list[list[str]]) -> None:
    odd = [
        entry
        for entry in lock
        if not _PIN.fullmatch(entry[0])
        or len(entry) < 2
        or not all(_HASH.fullmatch(word) for word in entry[1:])
    ]
    assert not odd, f"requirements.lock holds more than pins with hashes: {odd}. Run `make lock`."


@pytest.mark.parametrize(
    "line", ["--index-url https://example.org/simple", "httpx>=0.28", "httpx @ file:///x"]
)
def test_an_address_or_an_open_version_in_a_lock_is_seen(line: str) -> None:
    assert not all(
        _PIN.fullmatch(entry[0])
        for entry in entries(f"idna==3.20 \\\n    --hash=sha256:{'0' * 64}\n{line}\n")
    )


def test_everything_that_pyproject_asks_for_is_locked_in_a_version_it_accepts(lock: list[list[str]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *(item for group in project["dependency-groups"].values() for item in group),
    ]
    locked = {match["name"]: match["version"] for entry in lock if (match := _PIN.fullmatch(entry[0]))}
    stale = [
        f"{text} (locked: {locked.get(normalized(text), 'nothing')})"
        for text in asked
        if not Requirement(text).specifier.contains(locked.get(normalized(text), ""), prereleases=True)
    ]
    assert not stale, f"pyproject.toml and requirements.lock have parted: {stale}. Run `make lock`."
