"""Recordings made by hand: an innocent shop, to be made guilty in one point by the test that needs it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.checks import Claim, to_record
from harness.checks.books import Ledger, Orders, Reservations, SagaLog
from harness.recording.history import History
from harness.recording.recorder import Recorder
from harness.recording.records import (
    Done,
    FaultNoted,
    FaultStage,
    Intent,
    Outcome,
    PhaseStarted,
    Reading,
    RunInfo,
    Stall,
    Stream,
)

ZERO_NS = 5_000_000_000_000
ANCHOR_WALL_NS = 1_790_000_000_000_000_000
STARTS_S = {"warm-up": 0, "steady": 5, "impact": 25, "heal": 45, "converge": 65, "end": 85}
PLANNED = {
    "phases": {name: at_s for name, at_s in STARTS_S.items() if name not in {"converge", "end"}},
    "load_s": STARTS_S["converge"],
}

ORDERS = Orders(reading="orders")
LEDGER = Ledger(reading="ledger")
RESERVATIONS = Reservations(reading="reservations")
SAGA_LOG = SagaLog(reading="saga_log")


def at(seconds: float) -> int:
    """Seconds into the run on the recording's clock."""
    return ZERO_NS + round(seconds * 1e9)


def wall_ms(seconds: float) -> float:
    """The same moment on the target's wall clock."""
    return ANCHOR_WALL_NS / 1e6 + seconds * 1e3


def run_info(**changes: Any) -> RunInfo:
    fields: dict[str, Any] = {
        "run_id": "r1",
        "scenario": "saga-payment-outage",
        "title": "The provider is down, then back",
        "seed": 7,
        "profile": "ci",
        "runtime": "embedded",
        "target": "shop",
        "variants": (),
        "anchor_wall_ns": ANCHOR_WALL_NS,
        "anchor_ns": ZERO_NS,
        "replay": "drill run saga-payment-outage --seed 7",
        "promised": PLANNED,
        "claims": (),
    }
    return RunInfo(**{**fields, **changes})


class Drill:
    """A recording in the making; every method but `ended` returns the drill itself."""

    def __init__(
        self,
        run_dir: Path,
        *claims: Claim,
        phases: Mapping[str, float] = STARTS_S,
        promised: Mapping[str, Any] | None = None,
    ) -> None:
        self.recorder = Recorder(run_dir)
        recorded = tuple(to_record(claim) for claim in claims)
        self.recorder.start(run_info(claims=recorded, promised=PLANNED | dict(promised or {})))
        self._operations = 0
        self._faults = 0
        for phase, start_s in phases.items():
            self.recorder.note(Stream.PHASES, PhaseStarted(phase=phase, at_ns=at(start_s)))

    def operation(
        self,
        key: str,
        at_s: float,
        outcome: str = "ok",
        *,
        took_ms: float = 20,
        late_ms: float = 0,
        name: str = "place_order",
        error: str = "",
        status: int = 202,
        result: Mapping[str, str] | None = None,
        ended: bool = False,
        **detail: str | int,
    ) -> "Drill":
        """One request. An unknown one has no end on disk, unless it is `ended`: given up, or answered unclearly."""
        number, self._operations = self._operations, self._operations + 1
        sent_ns = at(at_s + late_ms / 1e3)
        intent = Intent(id=number, name=name, key=key, intended_ns=at(at_s), sent_ns=sent_ns, detail=detail)
        self.recorder.note(Stream.OPERATIONS, intent)
        if outcome != "unknown" or ended:
            done = Done(
                id=number,
                done_ns=sent_ns + round(took_ms * 1e6),
                outcome=Outcome(outcome),
                status=0 if error else status,
                error=error,
                result=result or {},
            )
            self.recorder.note(Stream.OPERATIONS, done)
        return self

    def reading(
        self, probe: str, value: Any, at_s: float = 84, *, final: bool = True, error: str = ""
    ) -> "Drill":
        line = Reading(probe=probe, at_ns=at(at_s), took_ns=1_000, value=value, final=final, error=error)
        self.recorder.note(Stream.READINGS, line)
        return self

    def tables(self, tables: Mapping[str, Any]) -> "Drill":
        for name, rows in tables.items():
            self.reading(name, rows)
        return self

    def fault(
        self,
        title: str = "provider killed",
        *,
        bit: bool = True,
        healed: bool = True,
        verified: bool = True,
        lapsed: str = "",
        effect: str = "",
        measured: Mapping[str, float] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> "Drill":
        number, self._faults = self._faults, self._faults + 1

        def note(stage: FaultStage, at_s: float, sentence: str = "", *, seen: bool = False) -> None:
            line = FaultNoted(
                number=number,
                stage=stage,
                at_ns=at(at_s),
                title=title,
                fault=record or {},
                sentence=sentence,
                seen=seen,
                measured=(measured or {}) if stage is FaultStage.ACTIVE else {},
            )
            self.recorder.note(Stream.FAULTS, line)

        note(FaultStage.REQUESTED, 25)
        if not bit:
            note(FaultStage.FAILED, 26, effect or "it still answers")
            return self
        note(FaultStage.ACTIVE, 26, effect or "5 of 5 connections refused", seen=True)
        note(FaultStage.HEALING, 45)
        if lapsed:
            note(FaultStage.LAPSED, 45.2, lapsed)
        if healed:
            sentence = "5 of 5 connections answered" if verified else "1 of 5 connections answered"
            note(FaultStage.HEALED, 45.5, sentence, seen=verified)
        return self

    def heartbeat(
        self, *, until_s: float = 85, stall_at_s: float = -1, late_ms: float = 0, set_by_s: float = 0
    ) -> "Drill":
        """One line a second; from 40 s on the wall clock is set by this much."""
        for second in range(round(until_s) + 1):
            late = late_ms if second == stall_at_s else 0
            wall_ns = round(wall_ms(second + (set_by_s if second >= 40 else 0))) * 1_000_000
            beat = Stall(at_ns=at(second), every_ms=10, late_ms=late, wall_ns=wall_ns)
            self.recorder.note(Stream.MACHINE, beat)
        return self

    def disk(self, *, until_s: float = 85, stalled_from_s: float = 0, late_ms: float = 0) -> "Drill":
        """One line a second; the one that ends at `stalled_from_s` and `late_ms` is a stall."""
        for second in range(round(until_s) + 1):
            self.recorder.note(Stream.DISK, Stall(at_ns=at(second), every_ms=100, late_ms=0))
            if late_ms and second == int(stalled_from_s):
                stalled = Stall(at_ns=at(stalled_from_s + late_ms / 1e3), every_ms=100, late_ms=late_ms)
                self.recorder.note(Stream.DISK, stalled)
        return self

    def ended(self, how: str = "completed") -> History:
        self.recorder.finish(how)
        self.recorder.close()
        return History.load(self.recorder.run_dir)


def innocent_tables(orders: int = 20, declined: int = 4) -> dict[str, list[dict[str, Any]]]:
    """Everything a well-behaved shop holds after `orders` orders, the first `declined` of them unwound."""
    shop: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in (
            "orders",
            "saga_log",
            "payments",
            "ledger",
            "stock",
            "reservations",
            "applied_events",
            "order_view",
        )
    }
    for number in range(orders):
        key, bad = f"o{number:03}", number < declined
        order = {"order_id": key, "status": "CANCELLED" if bad else "CONFIRMED", "total_cents": 500}
        order["version"] = 2
        shop["order_view"].append(dict(order))
        shop["orders"].append({**order, "items": [{"sku": "mug", "quantity": 2}], "contents": "mug:2"})
        if not bad:
            ledger = {"order_id": key, "key": f"pay-{key}", "kind": "charge", "amount_cents": 500, "at_ms": 1}
            shop["ledger"].append({**ledger, "requests": 1})
        status = "FAILED" if bad else "COMPLETED"
        shop["payments"].append({"order_id": key, "status": status, "amount_cents": 500})
        status = "RELEASED" if bad else "CONFIRMED"
        shop["reservations"].append({"order_id": key, "sku": "mug", "quantity": 2, "status": status})
        for version in (1, 2):
            kind = "OrderCreated" if version == 1 else "OrderCancelled" if bad else "OrderConfirmed"
            event = {"seq": number * 2 + version, "order_id": key, "version": version, "event_type": kind}
            shop["applied_events"].append({**event, "event_id": f"{key}-{version}"})
        steps = [("reserve-inventory", "COMPLETED"), ("check-fraud", "COMPLETED")]
        if bad:
            steps += [("process-payment", "FAILED")]
            steps += [("check-fraud", "COMPENSATED"), ("reserve-inventory", "COMPENSATED")]
        else:
            steps += [("process-payment", "COMPLETED"), ("confirm-order", "COMPLETED")]
        for place, (step, status) in enumerate(steps):
            row = {"saga_id": f"s-{key}", "order_id": key, "step_name": step, "status": status}
            shop["saga_log"].append({**row, "seq": number * 10 + place, "executed_at": wall_ms(46)})
    sold = 2 * (orders - declined)
    stock = {"sku": "mug", "initial": 100, "available": 100 - sold, "reserved": 0, "sold": sold}
    shop["stock"].append(stock)
    return shop


def innocent_drill(
    run_dir: Path,
    *claims: Claim,
    stall_ms: float = 0,
    promised: Mapping[str, Any] | None = None,
    steady: int = 0,
) -> Drill:
    """A whole innocent run, all but its tables and its end: 20 orders, one each second from 26 s on.

    In steady there were as many answers as wanted, to orders that no table has.
    """
    drill = Drill(run_dir, *claims, promised=promised)
    for number in range(steady):
        drill.operation(f"early-{number}", 6 + number, expect="confirmed", cents=500, contents="mug:2")
    for number in range(20):
        expect = "declined" if number < 4 else "confirmed"
        drill.operation(f"o{number:03}", 26 + number, expect=expect, cents=500, contents="mug:2")
    return drill.fault().heartbeat(stall_at_s=30, late_ms=stall_ms)
