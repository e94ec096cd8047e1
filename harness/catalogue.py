"""Scenarios as their marks describe them: what each is called, and which one is meant by a name.

A name is how a scenario is asked for, found among the recordings and counted, so no two scenarios may share one: the
verdict of the first would be taken for the second's.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pytest

SCENARIO_MARK = "scenario"
DETECTS_MARK = "detects"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class ScenarioInfo:
    """What the mark on a scenario says.

    Attributes:
        name: Its id in the catalogue, with the parameters' ids in brackets.
        guide: The heading of the guide it belongs to.
        why: The scenario's docstring.
        detects: Planted defects it must catch, each with the id of the claim that must catch it.
        gate: Whether `drill gate` asks it.
    """

    name: str
    guide: str
    why: str
    detects: tuple[tuple[str, str], ...]
    gate: bool = False


def scenario_info(item: pytest.Item) -> ScenarioInfo | None:
    """What a test says of itself, or None if it is not a scenario.

    Raises:
        pytest.UsageError: One of its marks does not say what it must.
    """
    mark = item.get_closest_marker(SCENARIO_MARK)
    if mark is None:
        return None
    promises = list(item.iter_markers(DETECTS_MARK))
    if len(mark.args) != 1 or any(len(found.args) != 1 or "by" not in found.kwargs for found in promises):
        raise pytest.UsageError(
            f"{item.nodeid}: wanted @pytest.mark.{SCENARIO_MARK}(name, guide=heading, gate=False) and "
            f"@pytest.mark.{DETECTS_MARK}(defect, by=claim), got {[mark, *promises]}: without them the drill cannot be "
            "named or its defects counted."
        )
    if not isinstance(mark.args[0], str) or not _NAME.fullmatch(mark.args[0]):
        raise pytest.UsageError(
            f"{item.nodeid}: a scenario's name must be letters, digits, - and _, got {mark.args[0]!r}: it is what "
            "people type, and what its recordings are called."
        )
    call = getattr(item, "callspec", None)
    name = f"{mark.args[0]}[{call.id}]" if call else str(mark.args[0])
    why = " ".join((getattr(item, "function", item).__doc__ or "").split())
    detects = tuple((found.args[0], found.kwargs["by"]) for found in promises)
    gate = bool(mark.kwargs.get("gate", False))
    return ScenarioInfo(name, str(mark.kwargs.get("guide", "")), why, detects, gate)


def catalogued(items: Iterable[pytest.Item]) -> dict[str, pytest.Item]:
    """The scenarios among some tests, by name.

    Raises:
        pytest.UsageError: Two have one name, or a mark does not say what it must.
    """
    found: dict[str, pytest.Item] = {}
    for item in items:
        info = scenario_info(item)
        if info is None:
            continue
        if info.name in found:
            raise pytest.UsageError(
                f"{item.nodeid} and {found[info.name].nodeid} are both the scenario {info.name!r}: the verdict of one "
                "would be taken for the other's. Give each a name of its own."
            )
        found[info.name] = item
    return found


def is_meant(name: str, asked: str) -> bool:
    """Whether somebody who asked for a scenario means this one: by its name, or by that of a parametrised family."""
    return asked in {name, name.partition("[")[0]}


def asked_for(
    names: Sequence[str], found: Mapping[str, pytest.Item], skipped: Sequence[str] = ()
) -> list[pytest.Item]:
    """The scenarios meant by some names, in their order.

    Args:
        names: What was asked for.
        found: What was collected.
        skipped: What is in files that skip themselves: it is there, and not among `found`.

    Raises:
        pytest.UsageError: There is none of that name.
    """
    chosen: dict[str, pytest.Item] = {}
    for asked in names:
        hits = {name: item for name, item in found.items() if is_meant(name, asked)}
        if not hits and not any(is_meant(name, asked) for name in skipped):
            raise pytest.UsageError(unknown_scenario(asked, [*found, *skipped]))
        chosen |= hits
    return list(chosen.values())


def unknown_scenario(name: str, known: Sequence[str]) -> str:
    """The message for a scenario that is not there, with the names that come nearest."""
    stems = list(dict.fromkeys(item.partition("[")[0] for item in known))
    names = list(dict.fromkeys([*stems, *known]))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    near = near or [item for item in names if name.lower() in item.lower()][:3]
    advice = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else f"There are: {', '.join(sorted(stems)) or 'none here'}."
    )
    return f"there is no scenario {name!r}. {advice} `drill list` shows all."
