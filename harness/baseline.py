"""The file of what was proven, kept in the repository where a review sees it change.

It is edited by people and merged by machines, and whatever is taken out of it a gate no longer asks. So what can be
seen to be a mistake, such as a scenario that is there twice after a merge, is refused and not guessed at.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import ConfigError, RecordingError
from harness.recording.folders import refuse_recorded
from harness.recording.rundir import refuse_no_file, write_atomically

BASELINE = Path("drill-baseline.json")
BASELINE_VERSION = 1
_ADVICE = "`drill baseline save` makes one of the newest session; --no-baseline goes without."


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a session proved.

    Attributes:
        profile: The table of durations that it was proven with.
        revision: Of the repository, or "".
        saved: When, as ISO 8601.
        claims: The ids of the claims that were PASS, by scenario.
        target: What it was proven of; "" in older ones.
    """

    profile: str
    revision: str
    saved: str
    claims: Mapping[str, tuple[str, ...]]
    target: str = ""
    baseline_version: int = BASELINE_VERSION


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        ConfigError: There is none, or it cannot be read.
    """
    try:
        refuse_no_file(path)
        document: Any = json.loads(path.read_bytes(), object_pairs_hook=_each_once)
    except RecordingError as error:
        raise ConfigError(
            f"the baseline {path} is no file, and what else is there may never end. {_ADVICE}"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the baseline {path} cannot be read ({error.strerror}). Without it nobody would notice a claim that is "
            f"gone. {_ADVICE}"
        ) from error
    except _TwiceError as error:
        raise ConfigError(
            f"the baseline {path} has {str(error)!r} twice, and only one of them would be asked. It may have been "
            f"merged wrongly: put the two together. {_ADVICE}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the baseline {path} is no JSON: {error}. {_ADVICE}") from error
    version = document.get("baseline_version") if isinstance(document, dict) else None
    if version != BASELINE_VERSION:
        raise ConfigError(
            f"the baseline {path} has baseline_version {version!r}, this drillbook reads {BASELINE_VERSION}. {_ADVICE}"
        )
    try:
        baseline = msgspec.convert(document, Baseline)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the baseline {path} is damaged: {error}. {_ADVICE}") from error
    empty = [name for name, claims in baseline.claims.items() if not claims]
    if empty or not baseline.claims:
        raise ConfigError(
            f"the baseline {path} holds no claim{' of ' if empty else ''}{', '.join(empty)}: nothing would be "
            f"compared. {_ADVICE}"
        )
    return baseline


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, in a form that a review can read line by line.

    Raises:
        ConfigError: Something that was recorded is there, or what is there is no file.
        RecordingError: It cannot be written.
    """
    refuse_recorded(path)
    if path.exists() and not path.is_file():
        raise ConfigError(f"the baseline cannot be written to {path}: it is there and is no file.")
    write_atomically(path, msgspec.json.format(msgspec.json.encode(asdict(baseline)), indent=2) + b"\n")


class _TwiceError(Exception):
    """Something is said twice, and JSON would keep the last of it without a word."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(name)
        found[name] = value
    return found
