import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from harness.console import COLUMNS_MAX, ConsoleNarrator, can_move, complain, describe, say, terminal
from harness.narration import Glance
from harness.recording.records import Verdict
from tests.fake_stack import finding

LONG = (
    "a sentence of some length that has to be wrapped somewhere, since no terminal is as wide as it is long"
)
GLANCE = Glance(
    phase="impact",
    elapsed_s=15,
    total_s=97,
    rate_per_s=10,
    ok=147,
    rejected=3,
    unknown=2,
    faults=("provider killed",),
    gauges=(("open work", 76), ("orders pending", 47)),
)


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class HandClock:
    """A clock that somebody else moves."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def wall_ns(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


def printed(width: int, verdict: Verdict = Verdict.FAIL, because: str = LONG) -> list[str]:
    out = io.StringIO()
    narrator = ConsoleNarrator(Console(file=out, width=width))
    findings = [
        finding(verdict, because=because),
        finding(Verdict.PASS, sentence="This one holds.", because="it was seen"),
    ]
    narrator.judged("one", verdict, findings, Path("runs/r 1/one"), "drill run 'one' --seed 7")
    return out.getvalue().splitlines()


def test_a_glance_names_the_fault_before_the_figures() -> None:
    assert describe(GLANCE) == (
        "impact    15 of ≤ 97 s │ FAULT provider killed │ 10/s · 147 ok · 3 rejected · 2 unknown │ open work 76 │ "
        "orders pending 47"
    )


@given(columns=st.integers(1, 200))
def test_a_glance_never_takes_more_columns_than_there_are(columns: int) -> None:
    assert cell_len(describe(GLANCE, columns)) <= columns


def test_a_narrow_terminal_still_shows_the_phase_and_the_fault() -> None:
    assert describe(GLANCE, 60) == "impact    15 of ≤ 97 s │ FAULT provider killed"


@pytest.mark.parametrize("width", [40, 80, 160])
def test_no_line_that_is_told_is_wider_than_the_terminal_or_ends_in_blanks(width: int) -> None:
    lines = printed(width)
    to_copy = [line for line in lines if "drill " in line or "runs/" in line]
    assert max(len(line) for line in lines if line not in to_copy) <= min(width, COLUMNS_MAX)
    assert all(line == line.rstrip() for line in lines)


def test_a_line_that_is_there_to_be_copied_is_never_broken() -> None:
    lines = printed(40)
    assert "  judge    drill judge 'runs/r 1/one'" in lines
    assert "  replay   drill run 'one' --seed 7" in lines


def test_what_did_not_pass_comes_last_with_all_it_rests_on() -> None:
    assert printed(80, because="3 of 5 did not")[1:-4] == [
        "FAIL  one  1 of 2 claims hold",
        "  ✓ This one holds.",
        "      it was seen",
        "      precision: ± 1 ms",
        "  ✗ It holds. [it-holds]",
        "      3 of 5 did not",
        "      precision: ± 1 ms",
        "      MISSING: the fault did not bite",
        "      seen: 5 of 5 were ok",
        "      look at: order-1",
    ]


def test_evidence_that_claims_share_is_told_once() -> None:
    """A shop that was not well before voids twenty claims, and one would look for twenty reasons."""
    out = io.StringIO()
    first = finding(Verdict.INCONCLUSIVE)
    both = [first, replace(first, claim="too", evidence=(*first.evidence, "seen: more"))]
    ConsoleNarrator(Console(file=out, width=80)).judged(
        "one", Verdict.INCONCLUSIVE, both, Path("r"), "drill run one"
    )
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert lines.count("MISSING: the fault did not bite") == 1
    assert lines[lines.index("? It holds. [too]") :][3] == "seen: more"


def test_what_passed_tells_its_reason_and_no_evidence() -> None:
    assert not [line for line in printed(80, Verdict.PASS) if "seen:" in line or "MISSING" in line]


def test_brackets_in_what_is_told_are_no_markup() -> None:
    assert "      order [bold]x[/] is lost" in printed(80, because="order [bold]x[/] is lost")


def test_a_wrapped_paragraph_hangs_under_its_first_line() -> None:
    out = io.StringIO()
    say(Console(file=out, width=40), LONG, indent=2, hanging=4)
    first, *others = out.getvalue().splitlines()
    assert first.startswith("  a sentence")
    assert others
    assert all(line.startswith("      ") and line[6] != " " for line in others)
    assert " ".join(line.strip() for line in [first, *others]) == LONG


def test_without_a_terminal_figures_come_every_few_seconds_as_lines_of_their_own() -> None:
    out, clock = io.StringIO(), HandClock()
    narrator = ConsoleNarrator(Console(file=out, width=200), clock)
    for _ in range(120):
        clock.sleep(0.1)
        narrator.glance(GLANCE)
    begun, *lines = out.getvalue().splitlines()
    assert begun == "   0.1 s  fault begins: provider killed"
    assert [line.split(" s ")[0].strip() for line in lines] == ["5.0", "10.0"]
    assert all("FAULT provider killed" in line for line in lines)


def test_a_fault_is_told_when_it_begins_and_when_it_is_over_and_once() -> None:
    out = io.StringIO()
    narrator = ConsoleNarrator(Console(file=out, width=200), HandClock())
    for faults in ((), ("a",), ("a", "b"), ("b",), ("b",), ()):
        narrator.glance(replace(GLANCE, faults=faults))
    told = [line.partition(" s  ")[2] for line in out.getvalue().splitlines()]
    assert told == ["fault begins: a", "fault begins: b", "fault is over: a", "fault is over: b"]


def test_on_a_terminal_one_line_moves_and_is_taken_away_for_the_verdict() -> None:
    out = Terminal()
    narrator = ConsoleNarrator(Console(file=out, width=60, force_terminal=True))
    narrator.glance(GLANCE)
    narrator.glance(GLANCE)
    narrator.step("heal begins")
    narrator.judged("one", Verdict.PASS, [], Path("r"), "drill run one")
    narrator.quiet()
    text = out.getvalue()
    assert "FAULT provider killed" in text
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h") < text.index("PASS")  # the cursor is back


def test_forced_colours_in_a_log_move_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    console = terminal(out)
    assert console.is_terminal
    assert not can_move(console)
    ConsoleNarrator(console).step("it begins")
    assert "\x1b[" in out.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    console = terminal(out)
    console.print("[bold red]drill:[/] no")
    assert "\x1b[31m" not in out.getvalue()
    assert "\x1b[1;31m" not in out.getvalue()


def test_where_nothing_says_how_wide_it_is_lines_are_as_long_as_one_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal(io.StringIO()).width == COLUMNS_MAX
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal(io.StringIO()).width == 72


def test_a_complaint_is_wrapped_for_a_person_and_whole_in_a_log() -> None:
    error = "there is no scenario 'x'. " + "word " * 20 + "end"
    seen, kept = Terminal(), io.StringIO()
    complain(Console(file=seen, width=40, force_terminal=True, no_color=True), error)
    complain(Console(file=kept, width=40), error)
    assert kept.getvalue() == f"drill: {error}\n"
    lines = seen.getvalue().splitlines()
    assert len(lines) > 2
    assert all(line.startswith("  ") for line in lines[1:])
    assert max(map(len, lines[1:])) <= 40


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        (
            "one two three four five",
            [" one two three", "     four five"],
        ),  # the first line has the hanging's room too
        ("short", [" short"]),
        ("", [""]),
        ("one\n  deeper", [" one", "       deeper"]),
        ("a-word-that-fits-nowhere-at-all x", [" a-word-that-fit", "     s-nowhere-a", "     t-all x"]),
    ],
)
def test_a_paragraph_is_wrapped_between_words_with_its_other_lines_hanging(
    told: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.console.COLUMNS_MIN", 10)
    out = io.StringIO()
    say(Console(file=out, width=16), told, indent=1, hanging=4)
    assert out.getvalue().splitlines() == lines


def test_a_terminal_that_was_closed_is_told_nothing_and_stops_nobody() -> None:
    reading, writing = os.pipe()
    with open(writing, "w", buffering=1) as file:  # noqa: PTH123 - a file descriptor
        console = terminal(file)
        console.print("heard")
        assert os.read(reading, 100) == b"heard\n"
        os.close(reading)
        ConsoleNarrator(console).step("interrupted: faults are healed")
        complain(console, "nobody hears this either")
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # so that closing it does not complain
