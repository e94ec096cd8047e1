"""What is concluded of a target that was asked for more than it can do, and of how it came to itself again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Check, Claim, Kind, Missing
from harness.checks.books import Orders
from harness.checks.counters import RefusalsCounted
from harness.checks.judging import judge
from harness.checks.load import LoadReached
from harness.checks.overload import AcceptedInTime, Goodput, QueueWasFull, RefusedAtOnce
from harness.checks.recovery import RecoversWithin
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import NOT_SENT, Phase, Verdict
from tests.histories import ORDERS, Drill

CAPACITY_PER_S = 2.0
PLACE = "place_order"
CHECKS: dict[str, Check] = {
    "refused": RefusedAtOnce(operation=PLACE, within_ms=100),
    "served": AcceptedInTime(operation=PLACE, within_ms=1_000),
    "goodput": Goodput(
        operation=PLACE,
        orders=ORDERS,
        capacity_per_s=CAPACITY_PER_S,
        share_min=0.8,
        expect_not={"expect": "declined"},
    ),
    "recovers": RecoversWithin(operation=PLACE, within_s=5, as_before_ms=300),
    "counted": RefusalsCounted(reading="rejected", operation=PLACE, status=503),
}


@dataclass
class Request:
    """One request, and what became of it."""

    key: str
    at_s: float
    outcome: str
    took_ms: float
    state: str = "CONFIRMED"
    expect: str = "confirmed"
    error: str = ""


@dataclass
class Flood:
    """Twenty seconds of twenty a second where two are possible, and then one a second.

    Attributes:
        impact: Of each ten one is accepted, after 800 ms; one of these is declined as expected.
        heal: Two are still refused; then each is answered as before.
    """

    impact: list[Request]
    heal: list[Request]
    counted: int

    @classmethod
    def innocent(cls) -> "Flood":
        impact = [
            Request(f"i{number}", 25 + number / 20, "ok", 800)
            if number % 10 == 0
            else Request(f"i{number}", 25 + number / 20, "rejected", 20)
            for number in range(400)
        ]
        impact[100].expect, impact[100].state = "declined", "CANCELLED"
        heal = [
            Request(f"h{number}", 45 + number / 5, *(("rejected", 20) if number < 2 else ("ok", 200)))
            for number in range(100)
        ]
        return cls(impact, heal, counted=362)

    @property
    def accepted(self) -> list[Request]:
        return [request for request in self.impact if request.outcome == "ok"]

    @property
    def refused(self) -> list[Request]:
        return [request for request in self.impact if request.outcome == "rejected"]

    def history(self, tmp_path: Path) -> History:
        drill = Drill(tmp_path)
        rows: list[dict[str, Any]] = []
        for request in (*self.impact, *self.heal):
            drill.operation(
                request.key,
                request.at_s,
                request.outcome,
                took_ms=request.took_ms,
                status=202 if request.outcome == "ok" else 503,
                error=request.error,
                expect=request.expect,
            )
            if request.outcome == "ok":
                rows.append({"order_id": request.key, "status": request.state})
        drill.reading("orders", rows).reading("rejected", {"COUNT": float(self.counted)})
        return drill.ended()


def all_refused_slowly(flood: Flood) -> None:
    for request in flood.refused:
        request.took_ms = 1_000


def some_never_answered(flood: Flood) -> None:
    for request in flood.refused[:8]:
        request.outcome = "unknown"


def all_served_late(flood: Flood) -> None:
    for request in flood.accepted:
        request.took_ms = 1_500


def fewer_served(flood: Flood) -> None:
    for request in flood.accepted[:12]:
        request.outcome, request.took_ms = "rejected", 20
    flood.counted += 12


def accepted_in_vain(flood: Flood) -> None:
    for request in flood.accepted[:12]:
        request.state = "CANCELLED"


def accepted_and_left_open(flood: Flood) -> None:
    for request in flood.accepted[:12]:
        request.state = "PENDING"


def overwhelmed_for_good(flood: Flood) -> None:
    for request in flood.heal[::4]:
        request.took_ms = 3_000


def relapses(flood: Flood) -> None:
    """Well for a second and a half, and then as ill as before."""
    for number, request in enumerate(flood.heal):
        request.took_ms = 200 if 2 <= number < 10 else 5_000


def late_to_recover(flood: Flood) -> None:
    for request in flood.heal[:30]:
        request.outcome = "rejected"
    flood.counted += 28


def silent_for_good(flood: Flood) -> None:
    for request in flood.heal:
        request.outcome = "unknown"


def counts_too_few(flood: Flood) -> None:
    flood.counted -= 1


def counts_too_many(flood: Flood) -> None:
    flood.counted += 1


def refuse_all(flood: Flood) -> None:
    for request in flood.accepted:
        request.outcome = "rejected"


def accept_all(flood: Flood) -> None:
    for request in flood.refused:
        request.outcome = "ok"


CRIMES: list[tuple[Callable[[Flood], None], str]] = [
    (all_refused_slowly, "refused"),
    (some_never_answered, "refused"),
    (all_served_late, "served"),
    (fewer_served, "goodput"),
    (accepted_in_vain, "goodput"),
    (accepted_and_left_open, "goodput"),
    (overwhelmed_for_good, "recovers"),
    (late_to_recover, "recovers"),
    (relapses, "recovers"),
    (silent_for_good, "recovers"),
    (counts_too_few, "counted"),
    (counts_too_many, "counted"),
]


@pytest.mark.parametrize("name", CHECKS)
def test_a_target_that_does_what_it_can_is_innocent(name: str, tmp_path: Path) -> None:
    assert CHECKS[name].check(Flood.innocent().history(tmp_path)).verdict is Verdict.PASS


@pytest.mark.parametrize(("crime", "name"), CRIMES, ids=lambda part: getattr(part, "__name__", part))
def test_each_crime_is_seen_by_the_check_meant_for_it(
    crime: Callable[[Flood], None], name: str, tmp_path: Path
) -> None:
    flood = Flood.innocent()
    crime(flood)
    assert CHECKS[name].check(flood.history(tmp_path)).verdict is Verdict.FAIL


def test_figures_are_told_with_how_precise_they_are(tmp_path: Path) -> None:
    history = Flood.innocent().history(tmp_path)
    told = {name: check.check(history) for name, check in CHECKS.items()}
    assert told["refused"].because == (
        "360 of 400 requests were refused, p99 20 ms (may be 100 ms); 0 were neither served nor refused"
    )
    assert told["served"].because == "40 requests were accepted, p99 800 ms (may be 1000 ms)"
    assert told["goodput"].because.startswith(
        "39 orders in 20.0 s are 98% of the 2/s that it can (wanted 80%)"
    )
    assert told["goodput"].precision == "± 1 order, 2.5%"
    assert told["recovers"].because.startswith(
        "0.5 s after the flood (may be 5 s) every request was answered"
    )
    assert told["recovers"].precision == "± 0.20 s, from one request to the next"


def test_one_unlucky_request_of_a_hundred_is_borne(tmp_path: Path) -> None:
    flood = Flood.innocent()
    for request in flood.refused[:3]:
        request.took_ms = 900
    assert CHECKS["refused"].check(flood.history(tmp_path)).verdict is Verdict.PASS


def test_an_order_that_was_accepted_and_came_to_nothing_can_be_looked_up(tmp_path: Path) -> None:
    flood = Flood.innocent()
    accepted_in_vain(flood)
    conclusion = CHECKS["goodput"].check(flood.history(tmp_path))
    in_vain = sorted(request.key for request in flood.accepted[:12] if request.expect == "confirmed")
    assert conclusion.examples == tuple(in_vain)
    assert "; 11 more were accepted and not confirmed" in conclusion.because


def test_a_hiccup_long_after_the_recovery_is_no_later_recovery(tmp_path: Path) -> None:
    flood = Flood.innocent()
    flood.heal[80].took_ms = 2_000
    assert "0.5 s after the flood" in CHECKS["recovers"].check(flood.history(tmp_path)).because


def test_what_the_generator_could_not_send_is_not_the_targets_refusal(tmp_path: Path) -> None:
    flood = Flood.innocent()
    for request in flood.refused:
        request.error = f"{NOT_SENT}too many open files"
    history = flood.history(tmp_path)
    with pytest.raises(CannotSay, match="nobody had to be refused"):
        CHECKS["refused"].check(history)
    with pytest.raises(CannotSay, match="there is nothing to count"):
        RefusalsCounted(reading="rejected", operation=PLACE, status=429).check(history)


def test_counts_may_differ_by_what_clients_never_heard_of(tmp_path: Path) -> None:
    flood = Flood.innocent()
    some_never_answered(flood)
    assert CHECKS["counted"].check(flood.history(tmp_path)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        (lambda flood: flood.impact.clear(), "refused", "no place_order was sent in impact"),
        (lambda flood: flood.impact.clear(), "recovers", "nothing to recover from"),
        (lambda flood: flood.heal.clear(), "recovers", "no place_order was sent in heal"),
        (refuse_all, "served", "nobody knows"),
        (accept_all, "goodput", "if it can do more"),
        (accept_all, "refused", "nobody had to be"),
    ],
)
def test_without_subjects_nothing_can_be_said(
    change: Callable[[Flood], object], name: str, why: str, tmp_path: Path
) -> None:
    flood = Flood.innocent()
    change(flood)
    with pytest.raises(CannotSay, match=why):
        CHECKS[name].check(flood.history(tmp_path))


def test_a_recovery_that_would_not_have_been_seen_is_none(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="would not have been seen"):
        RecoversWithin(operation=PLACE, within_s=30, as_before_ms=300).check(
            Flood.innocent().history(tmp_path)
        )


@pytest.mark.parametrize(
    ("rooms", "ok"), [((0, 0, 1), True), ((-3, 0, 5), True), ((0, 1, 2), False), ((9,), False)]
)
def test_a_queue_was_full_if_its_own_gauge_said_so_most_of_the_time(
    rooms: tuple[int, ...], ok: bool, tmp_path: Path
) -> None:
    drill = Drill(tmp_path).reading("room", {"VALUE": 0.0}, 10, final=False)
    for second, room in enumerate(rooms):
        drill.reading("room", {"VALUE": float(room)}, 30 + second, final=False)
    assert QueueWasFull(reading="room").seen(drill.ended()).ok is ok


@pytest.mark.parametrize("value", [None, {"COUNT": 0.0}, []])
def test_a_gauge_that_says_nothing_is_no_full_queue(value: object, tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="no reading, or one without a VALUE"):
        QueueWasFull(reading="room").seen(Drill(tmp_path).reading("room", value, 30, final=False).ended())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RefusedAtOnce(operation=PLACE, within_ms=0),
        lambda: AcceptedInTime(operation=PLACE, within_ms=-1),
        lambda: Goodput(operation=PLACE, orders=Orders(reading="orders"), capacity_per_s=0, share_min=0.8),
        lambda: Goodput(operation=PLACE, orders=Orders(reading="orders"), capacity_per_s=1, share_min=1.1),
        lambda: QueueWasFull(reading="room", share_min=0),
        lambda: RecoversWithin(operation=PLACE, within_s=0, as_before_ms=1),
    ],
)
def test_a_bound_that_is_none_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        wrong()


@pytest.mark.parametrize("weight", [Missing.VOIDS, Missing.BOTH])
def test_nobody_is_convicted_of_what_only_a_flood_brings_about_without_one(
    tmp_path: Path, weight: Missing
) -> None:
    """One a second of which all are served are half of what can be done, since no more was asked."""
    drill = Drill(tmp_path, promised={"rate_per_s": 1.0, "impact_rate_per_s": 20.0})
    keys = [f"o{number}" for number in range(80)]
    for number, key in enumerate(keys):
        drill.operation(key, 5 + number)
    drill.reading("orders", [{"order_id": key, "status": "CONFIRMED"} for key in keys])
    for second in range(25, 45):
        drill.reading("room", {"VALUE": 6.0}, second, final=False)
    asked = LoadReached(phase=Phase.IMPACT, rate_per_s=20, if_missing=weight)
    full = QueueWasFull(reading="room", if_missing=weight)
    history = drill.ended()
    for evidence in (asked, full):
        claim = Claim(
            id="goodput",
            sentence="Goodput holds.",
            source="guide",
            check=CHECKS["goodput"],
            counts_only_if=(evidence,),
            kind=Kind.RATE,
        )
        verdict = judge(history, [claim])[0].verdict
        assert verdict is (Verdict.FAIL if weight is Missing.VOIDS else Verdict.INCONCLUSIVE)


def test_all_operations_may_be_counted_together(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("r", 26, "rejected", name="read", status=503)
    drill.operation("o", 26, "rejected", status=503).reading("rejected", {"COUNT": 2.0})
    counted = RefusalsCounted(reading="rejected", operation="", status=503)
    assert counted.check(drill.ended()).verdict is Verdict.PASS


def test_a_status_of_a_proxy_that_knows_nothing_is_no_refusal_of_the_target(tmp_path: Path) -> None:
    drill = (
        Drill(tmp_path).operation("refused", 26, "rejected", status=503).reading("rejected", {"COUNT": 1.0})
    )
    drill.operation("by the proxy", 27, "unknown", status=503, ended=True)
    counted = RefusalsCounted(reading="rejected", operation="", status=503)
    assert counted.check(drill.ended()).verdict is Verdict.PASS
