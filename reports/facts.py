"""What a run was made of: how to run it again, what ran, and how it was set up.

A page is passed around. So it names no place on the machine that it was made on, and shows no value whose name says
that it is a secret.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec

from harness.recording.history import History
from harness.recording.records import RunInfo
from reports.text import plain

# What any process is given to start at all: it says where things lie, and nothing about the target.
_SURROUNDINGS = re.compile(
    r"(LD_LIBRARY_|JAVA_)?(PATH|HOME)|PYTHON\w*|LANG|LC_\w+|TZ|TERM|TMPDIR|USER|SHELL|PWD"
)
_SECRET = re.compile(r"PASS(WORD|PHRASE)?\b|PASSWORD|SECRET|TOKEN|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
_USER_INFO = re.compile(r"(\w://[^/@\s:]+):[^/@\s]+@")
_PLACE = re.compile(r"(?:[A-Za-z]:)?[/\\]\S*")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name and what it is."""

    name: str
    told: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """The settings of one part of the target."""

    name: str
    settings: tuple[Fact, ...]


def facts(history: History) -> tuple[Fact, ...]:
    """The run itself."""
    run = history.run
    told = {
        "run": run.run_id,
        "held at": started(run),
        "ended": run.ended or "cut off",
        "target": run.target,
        "planted defects": " ".join(run.variants) or "none",
        "profile": run.profile,
        "runtime": run.runtime,
        "seed": str(run.seed),
        "revision": run.revision or "unknown",
        "format of the recording": str(run.format_version),
    }
    return tuple(Fact(name=name, told=plain(value, 2000)) for name, value in told.items())


def versions(history: History) -> tuple[Fact, ...]:
    """What ran."""
    return tuple(
        Fact(name=plain(name), told=plain(text)) for name, text in sorted(history.run.versions.items())
    )


def started(run: RunInfo) -> str:
    """When it was held, by the wall clock."""
    try:
        moment = datetime.fromtimestamp(run.anchor_wall_ns // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{run.anchor_wall_ns} ns, which is no date"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def configuration(history: History) -> tuple[Part, ...]:
    """How the target was set up: each part with its settings."""
    alone: list[Fact] = []
    parts: list[Part] = []
    for name, value in history.run.configuration.items():
        if isinstance(value, Mapping):
            parts.append(Part(name=plain(name), settings=tuple(_settings(value))))
        else:
            alone += _settings({name: value})
    return (*([Part(name="run", settings=tuple(alone))] if alone else []), *parts)


def _settings(values: Mapping[str, Any]) -> Iterator[Fact]:
    for name, value in values.items():
        if _SURROUNDINGS.fullmatch(name):
            continue
        yield Fact(
            name=plain(name), told="(not shown)" if _SECRET.search(name) else plain(_value(value), 1000)
        )


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if _PLACE.fullmatch(text):
        return f"…/{PurePosixPath(text.replace(chr(92), '/')).name}"
    return _USER_INFO.sub(r"\1:…@", text) or '""'
