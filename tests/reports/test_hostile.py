"""Wherever a target or an operator can put text, it is shown on the page, as text and at most so long.

Each place has a test of its own, so that one in which nothing is shown any more, or in which it is shown as it came, is
named by it.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.recording.records import Finding, Verdict
from harness.recording.rundir import read_run, write_findings, write_run
from harness.recording.session_standing import SessionStanding
from harness.recording.sessions import Told
from reports import html, index
from tests.histories import Drill
from tests.reports.parsed import Page

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
BYTES_MAX = 300_000
MARK = "<script>alert("  # how the text begins: some places show little more of it
INNOCENT = {"claim": "c", "sentence": "s", "source": "universal", "because": "b", "precision": ""}

Made = Callable[[Drill, str], Any]


def hostile(place: str) -> str:
    """Text that would run, close what is around it, and turn what follows; with the name of its place."""
    return f"{MARK}'{place}')</script></p></title></script>\"' onload=x \x00\x1b[31m\u202e\n"


def operation(**changes: Any) -> Made:
    """An operation with the text in one of its fields."""

    def made(drill: Drill, text: str) -> None:
        fields: dict[str, Any] = {"key": "o1", "at_s": 30.0, "outcome": "rejected", "status": 500}
        drill.operation(**fields | {name: value(text) for name, value in changes.items()})

    return made


def itself(text: str) -> str:
    return text


def row(name: Callable[[str], str], value: Callable[[str], str]) -> Made:
    """A row of a table that an operation has left, with the text in it."""
    return lambda drill, text: drill.operation("o1", 30).reading(
        "t", [{"key": "o1", name(text): value(text)}]
    )


def event(field: str, value: Callable[[str], str]) -> Made:
    """An event of a breaker with the text in it."""
    plain = {"circuitBreakerName": "b", "creationTime": "2026-09-21T14:13:40Z", "stateTransition": "A_TO_B"}
    return lambda drill, text: drill.reading("events", [plain | {field: value(text)}])


def polled(probe: Callable[[str], str], value: Callable[[str, int], Any]) -> Made:
    def made(drill: Drill, text: str) -> None:
        for second in range(3):
            drill.reading(probe(text), value(text, second), 20 + second, final=False)

    return made


RECORDED: dict[str, Made] = {
    "key of an operation": operation(key=itself),
    "name of an operation": operation(name=itself),
    "error of an operation": operation(error=itself),
    "answer": operation(result=lambda text: {"told": text}),
    "name in an answer": operation(result=lambda text: {text: "told"}),
    "request": operation(note=itself),
    "row": row(lambda _: "status", itself),
    "name in a row": row(itself, lambda _: "status"),
    "name of a table": lambda drill, text: drill.operation("o1", 30).reading(text, [{"key": "o1"}]),
    "title of a fault": lambda drill, text: drill.fault(text),
    "effect that never came": lambda drill, text: drill.fault(bit=False, effect=text),
    "effect": lambda drill, text: drill.fault(effect=text),
    "what lapsed": lambda drill, text: drill.fault(lapsed=text),
    "name of a breaker": event("circuitBreakerName", itself),
    "state of a breaker": event("stateTransition", lambda text: f"{text}_TO_B"),
    "name of a probe": polled(itself, lambda _, second: second),
    "name of a figure": polled(lambda _: "p", lambda text, second: {text: second}),
    "name of a probe that could not look": lambda drill, text: drill.reading(
        text, None, 30, final=False, error="x"
    ),
}
DESCRIBED: dict[str, Callable[[str], dict[str, Any]]] = {
    "scenario": lambda text: {"scenario": text},
    "title": lambda text: {"title": text},
    "replay line": lambda text: {"replay": text},
    "variant": lambda text: {"variants": (text,)},
    "target": lambda text: {"target": text},
    "profile": lambda text: {"profile": text},
    "runtime": lambda text: {"runtime": text},
    "revision": lambda text: {"revision": text},
    "run id": lambda text: {"run_id": text},
    "end": lambda text: {"ended": f"aborted: {text}"},
    "version": lambda text: {"versions": {"kafka": text}},
    "name of a server": lambda text: {"versions": {text: "4"}},
    "setting": lambda text: {"configuration": {"orders": {"A": text}}},
    "name of a setting": lambda text: {"configuration": {"orders": {text: "a"}}},
    "setting deep within": lambda text: {"configuration": {"orders": {"A": [{"b": text}]}}},
    "name of a part": lambda text: {"configuration": {text: {"A": "a"}}},
    "claim without a finding": lambda text: {"claims": ({"fields": {"id": text}},)},
    "planned fault": lambda text: {"promised": {"faults": [{"title": text, "at_s": 1, "seconds": 2}]}},
}
FOUND: dict[str, Callable[[str], dict[str, Any]]] = {
    **{f"{name} of a finding": (lambda text, name=name: {name: text}) for name in INNOCENT},  # type: ignore[misc]  # the default binds it
    "evidence": lambda text: {"evidence": (f"seen: {text}",)},
    "missing evidence": lambda text: {"evidence": (f"MISSING: {text}",)},
    "example": lambda text: {"examples": (text,)},
}


def page_of(run_dir: Path, place: str, text: str) -> str:
    drill = Drill(run_dir)
    if place in RECORDED:
        RECORDED[place](drill, text)
    drill.ended()
    if place in DESCRIBED:
        write_run(run_dir, replace(read_run(run_dir), **DESCRIBED[place](text)))
    fields = INNOCENT | (FOUND[place](text) if place in FOUND else {})
    findings = [
        Finding(verdict=verdict, **fields) for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    ]
    write_findings(run_dir, findings)
    out = run_dir.parent / "page.html"
    html.write([run_dir], out, sessions=())
    return out.read_text(encoding="utf-8")


def check(text: str) -> None:
    """It is there as text, and nowhere as anything else."""
    page = Page(text)
    assert page.open == []
    assert len(page.all("script")) == len(page.all("title")) - text.count("<g><title>") == 1
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert MARK in page.text
    assert not OBEYED.search(text)


@pytest.mark.parametrize(
    "body",
    [
        f"<p>{MARK}1)</script></p>",
        "<p onload=x>&lt;script>alert(1)</p>",
        "<p>&lt;script>alert(1)\x1b</p>",
        "<p></p>",
    ],
)
def test_a_page_that_ran_it_or_did_not_show_it_would_be_found_out(body: str) -> None:
    frame = "<title>t</title><script>s</script>"
    check(f"{frame}<p>&lt;script>alert(1)</p>")
    with pytest.raises(AssertionError):
        check(f"{frame}{body}")


@pytest.mark.parametrize("place", [*RECORDED, *DESCRIBED, *FOUND])
def test_hostile_text_in_this_place_is_shown_and_never_run(place: str, tmp_path: Path) -> None:
    check(page_of(tmp_path / "r", place, hostile(place)))


@pytest.mark.parametrize("place", [*RECORDED, *DESCRIBED, *FOUND])
def test_a_megabyte_in_this_place_is_cut(place: str, tmp_path: Path) -> None:
    text = page_of(tmp_path / "r", place, hostile(place) + "<" * LONG.get(place, 1_000_000))
    assert len(text.encode()) < BYTES_MAX
    check(text)


LONG = {"name of a figure": 100_000}  # of a reading that is larger nothing is drawn
IN_AN_INDEX = (
    "folder of a session",
    "scenario",
    "variant",
    "trouble",
    "troubled scenario",
    "skipped",
    "reason",
)


@pytest.mark.parametrize("more", ["", "<" * 1_000_000], ids=["short", "long"])
@pytest.mark.parametrize("place", [*IN_AN_INDEX, "unreadable"])
def test_hostile_text_in_this_place_of_an_index_is_shown_and_never_run(
    place: str, more: str, tmp_path: Path
) -> None:
    text = hostile(place) + more
    folder = f"{MARK}{place})<\u202e" if place == "folder of a session" else "s1"
    run_dir = tmp_path / folder / "r"
    Drill(run_dir).ended()
    if place in DESCRIBED:
        write_run(run_dir, replace(read_run(run_dir), **DESCRIBED[place](text)))
    if place == "unreadable":
        (run_dir / "run.json").write_text(f'{{"format_version": "{MARK}\u202e{"<" * len(more)}"}}')
    troubles = {
        "trouble": [Told(scenario="x", told=text)],
        "troubled scenario": [Told(scenario=text, told="x")],
    }
    skipped = {"skipped": [Told(scenario=text, told="x")], "reason": [Told(scenario="x", told=text)]}
    session = SessionStanding(
        name=folder,
        verdict=Verdict.PASS,
        errors=tuple(troubles.get(place, ())),
        skipped=tuple(skipped.get(place, ())),
    )
    out = tmp_path / "index.html"
    index.write([run_dir], out, sessions=[session])
    written = out.read_text(encoding="utf-8")
    assert len(written.encode()) < BYTES_MAX
    check(written)
