"""What a run was made of: how to run it again, what ran, and how it was set up.

A page is passed around: what it says of settings goes through `masked` first.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from harness.recording.history import History
from harness.recording.records import RunInfo
from reports.masking import HIDDEN, masked, names_a_secret
from reports.text import plain

# What any process is given to start at all: it says where things lie, and nothing about the target.
_SURROUNDINGS = re.compile(
    r"(LD_LIBRARY_|JAVA_)?(PATH|HOME)|PYTHON\w*|LANG|LC_\w+|TZ|TERM|TMPDIR|USER|SHELL|PWD"
)


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
    return tuple(Fact(name=name, told=plain(masked(value), 2000)) for name, value in told.items())


def versions(history: History) -> tuple[Fact, ...]:
    """What ran."""
    return tuple(
        Fact(name=plain(name), told=plain(masked(text)))
        for name, text in sorted(history.run.versions.items())
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
        if not _SURROUNDINGS.fullmatch(name):
            yield Fact(name=plain(name), told=HIDDEN if names_a_secret(name) else plain(_value(value), 1000))


def _value(value: Any) -> str:
    shown = masked(value)
    return (shown if isinstance(shown, str) else msgspec.json.encode(shown).decode()) or '""'
