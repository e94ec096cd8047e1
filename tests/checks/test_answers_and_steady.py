from dataclasses import replace
from pathlib import Path

import pytest

from harness.checks import CannotSay
from harness.checks.safety import NothingRejectedHappened
from harness.checks.steady import SteadyAgain, least_drop, share_of
from harness.errors import ConfigError
from harness.recording.records import NOT_SENT, Verdict
from tests.histories import Drill

REJECTED = NothingRejectedHappened(operation="place_order", reading="orders", column="order_id")
STEADY = SteadyAgain(operation="place_order")


def test_a_rejected_operation_that_happened_is_a_lie(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 10, "rejected").operation("b", 11, "rejected")
    conclusion = REJECTED.check(drill.reading("orders", [{"order_id": "b"}]).ended())
    assert conclusion.verdict is Verdict.FAIL
    assert conclusion.examples == ("b",)


def test_a_rejected_operation_that_did_not_happen_is_none(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 10, "rejected").operation("b", 11)
    assert REJECTED.check(drill.reading("orders", [{"order_id": "b"}]).ended()).verdict is Verdict.PASS


def test_a_key_that_was_sent_again_may_be_there(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 10, "rejected").operation("a", 11, "unknown")
    with pytest.raises(CannotSay, match="rejected"):
        REJECTED.check(drill.reading("orders", [{"order_id": "a"}]).ended())


def test_where_nothing_was_rejected_a_claim_of_every_drill_holds_and_says_why(tmp_path: Path) -> None:
    history = Drill(tmp_path).operation("a", 10).reading("orders", [{"order_id": "a"}]).ended()
    with pytest.raises(CannotSay, match="no promise to break"):
        REJECTED.check(history)
    conclusion = replace(REJECTED, if_any=True).check(history)
    assert conclusion.verdict is Verdict.PASS
    assert conclusion.because == "none of 1 place_order was rejected: no such promise was made"


def test_if_any_still_finds_the_lie_and_needs_somebody_who_asked(tmp_path: Path) -> None:
    if_any = replace(REJECTED, if_any=True)
    guilty = Drill(tmp_path / "guilty").operation("a", 10, "rejected").reading("orders", [{"order_id": "a"}])
    assert if_any.check(guilty.ended()).verdict is Verdict.FAIL
    with pytest.raises(CannotSay):
        if_any.check(Drill(tmp_path / "nobody").reading("orders", [{"order_id": "a"}]).ended())
    with pytest.raises(CannotSay, match="no final reading"):
        if_any.check(Drill(tmp_path / "unread").operation("a", 10, "rejected").ended())


def _two_phases(drill: Drill, *, after_ms: float = 20, after: str = "ok", late_ms: float = 0) -> Drill:
    for tenth in range(100):
        drill.operation(f"s{tenth}", 5 + tenth / 10)
        drill.operation(f"h{tenth}", 55 + tenth / 10, after, took_ms=after_ms, late_ms=late_ms)
    return drill


def test_a_target_as_well_as_before_is_steady_again(tmp_path: Path) -> None:
    conclusion = STEADY.check(_two_phases(Drill(tmp_path)).ended())
    assert conclusion.verdict is Verdict.PASS
    assert "95 % intervals" in conclusion.precision


def test_a_target_that_stays_slow_is_not_steady_again(tmp_path: Path) -> None:
    assert STEADY.check(_two_phases(Drill(tmp_path), after_ms=61).ended()).verdict is Verdict.FAIL


def test_a_hiccup_that_moves_the_p95_is_no_proof_of_a_slower_target(tmp_path: Path) -> None:
    """Six of a hundred answers, as a stall of half a second at ten a second makes them: neither green nor red."""
    drill = Drill(tmp_path)
    for tenth in range(100):
        drill.operation(f"s{tenth}", 5 + tenth / 10)
        drill.operation(f"h{tenth}", 55 + tenth / 10, took_ms=500 - 80 * tenth if tenth < 6 else 20)
    with pytest.raises(CannotSay, match="within what chance may do"):
        STEADY.check(drill.ended())


@pytest.mark.parametrize(
    ("lost", "judged"), [(0, "PASS"), (1, "PASS"), (2, "none"), (5, "none"), (12, "FAIL")]
)
def test_a_lost_answer_is_no_proof_that_the_target_loses_answers(
    lost: int, judged: str, tmp_path: Path
) -> None:
    """One of a hundred may be lost; of a few more chance decides, and a dozen are no chance."""
    drill = Drill(tmp_path)
    for tenth in range(100):
        drill.operation(f"s{tenth}", 5 + tenth / 10)
        drill.operation(f"h{tenth}", 55 + tenth / 10, "unknown" if tenth < lost else "ok")
    history = drill.ended()
    if judged == "none":
        with pytest.raises(CannotSay, match="within what chance may do"):
            STEADY.check(history)
    else:
        assert STEADY.check(history).verdict is Verdict(judged)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Wilson's own formula, worked by hand for 9 of 10; the ends of 0 and of 1 are 0 and 1.
    [(9, 10, 0.5958, 0.9821), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_a_share_comes_with_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    share = share_of(part, whole)
    assert [share.low, share.high] == pytest.approx([low, high], abs=1e-4)


def test_the_least_drop_is_newcombes() -> None:
    """56 of 70 against 48 of 80, the example of his paper: the difference is 0.2, its interval [0.0524, 0.3339]."""
    assert least_drop(share_of(56, 70), share_of(48, 80)) == pytest.approx(0.0524, abs=1e-4)


def test_latency_counts_from_the_intended_time(tmp_path: Path) -> None:
    assert STEADY.check(_two_phases(Drill(tmp_path), late_ms=500).ended()).verdict is Verdict.FAIL


@pytest.mark.parametrize("outcome", ["unknown", "rejected"])
def test_a_target_that_stops_answering_is_not_steady_again(outcome: str, tmp_path: Path) -> None:
    assert STEADY.check(_two_phases(Drill(tmp_path), after=outcome).ended()).verdict is Verdict.FAIL


def test_what_the_generator_could_not_send_is_not_held_against_the_target(tmp_path: Path) -> None:
    drill = _two_phases(Drill(tmp_path))
    for number in range(20):
        drill.operation(f"n{number}", 56 + number / 10, "rejected", error=f"{NOT_SENT}too many open files")
    assert STEADY.check(drill.ended()).verdict is Verdict.PASS


def test_a_target_that_was_never_well_has_no_steady_state_to_return_to(tmp_path: Path) -> None:
    drill = Drill(tmp_path)
    for tenth in range(100):
        drill.operation(f"s{tenth}", 5 + tenth / 10, "rejected")
        drill.operation(f"h{tenth}", 55 + tenth / 10, "rejected")
    with pytest.raises(CannotSay, match="nothing to come back to"):
        STEADY.check(drill.ended())


def test_too_few_operations_say_nothing_about_a_percentile(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="fewer than"):
        STEADY.check(Drill(tmp_path).operation("a", 10).operation("b", 60).ended())


def test_a_comparison_that_always_holds_is_refused() -> None:
    with pytest.raises(ConfigError, match="never hold"):
        SteadyAgain(operation="place_order", last_share=0)
