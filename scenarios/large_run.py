"""A recording of a million operations, made without holding a drill: for measuring how long judging one takes.

It is innocent and realistic: a provider that falls silent and later dies, orders that wait and are confirmed, orders
that pass their limit and are refunded, each with its rows in every table that a drill reads at its end. Of two shapes,
because they are slow in two ways: in a flood most operations are refused and the operations are what is large, without
one every operation is an order and the tables are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.checks import Claim, Kind, to_record
from harness.checks.evidence import HealthyBefore
from harness.checks.hazards import SomeRows, Then, UnheardCharges
from harness.checks.limits import CancelledPastLimit
from harness.checks.liveness import PendingSettlesAfterHeal
from harness.checks.saga import UndoneInReverse
from harness.clock import NS_PER_S
from harness.drill import LOSSES
from harness.phases import Phases
from harness.recording.recorder import Recorder
from harness.recording.records import (
    FaultNoted,
    FaultStage,
    Phase,
    PhaseStarted,
    Reading,
    RunInfo,
    Stall,
    Stream,
)
from harness.recording.rundir import stream_path
from scenarios.claims import (
    LEDGER,
    NOT_DECLINED,
    ORDERS,
    PLACE_ORDER,
    SAGA_LOG,
    SAGA_UNCERTAIN,
    at_rest,
    bounded,
    had_its_time,
    universal,
)

ZERO_NS = 71_000_000_000_000
WALL_ZERO_MS = 1_790_000_000_000
SILENT, KILLED = "answers lost on payments->provider", "provider killed"
PHASES = Phases(warm_up_s=10, steady_s=290, impact_s=300, heal_s=300, converge_s=100, quiet_s=20)
# Seconds into the recording. The rest of what happens follows from these.
STEADY, IMPACT, HEAL, CONVERGE, END = 10, 300, 600, 900, 1000
SILENT_FROM, SILENT_TO, KILLED_FROM, KILLED_TO = 301, 401, 585, 599
LIMIT_S, SLACK_S, SETTLE_S = 60, 5, 15
FINAL_AT = 999.5
LINES_AT_ONCE = 20_000


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the clients of a large run did.

    Attributes:
        orders: How many orders were placed, evenly over the time under load.
        refused: How many more were refused while the faults were there: a flood.
    """

    orders: int
    refused: int

    @property
    def operations(self) -> int:
        """How many there are in all."""
        return self.orders + self.refused

    @property
    def rate_per_s(self) -> float:
        """Of orders."""
        return self.orders / CONVERGE

    def placed_s(self, number: int) -> float:
        """When an order was placed."""
        return (number + 0.5) / self.rate_per_s


@dataclass(frozen=True, kw_only=True)
class Order:
    """What became of one order, in seconds into the recording."""

    number: int
    placed_s: float
    charged_s: float
    ended_s: float
    cancelled: bool

    @property
    def key(self) -> str:
        """Its own."""
        return f"order-{self.number:07}"

    @property
    def saga(self) -> str:
        """Of its saga; as long as a real one."""
        return f"{self.number * 2654435761 % (1 << 32):08x}-8a5d-4144-ae8c-{self.number:012x}"

    @property
    def cents(self) -> int:
        """Its total."""
        return 500 + self.number % 19_500

    @property
    def sku(self) -> str:
        """Of the one thing or two that it consists of."""
        return f"sku-{self.number % 10}"


def fate(shape: Shape, number: int) -> Order:
    """What becomes of an order: charged in silence it waits or is given up, with the provider dead it waits."""
    placed = shape.placed_s(number)
    charged, ended, cancelled = placed + 0.1, placed + 0.15, False
    if SILENT_FROM <= placed < SILENT_TO:
        cancelled = placed < SILENT_TO - LIMIT_S - SLACK_S
        ended = placed + LIMIT_S + 1 if cancelled else SILENT_TO + 0.2
    elif KILLED_FROM - 0.1 <= placed < KILLED_TO + 0.5:
        charged, ended = HEAL + 0.1, HEAL + 0.2
    return Order(number=number, placed_s=placed, charged_s=charged, ended_s=ended, cancelled=cancelled)


def write_large_run(run_dir: Path, shape: Shape) -> None:
    """Write a whole run directory, as a drill would have left it."""
    rate = shape.rate_per_s
    with Recorder(run_dir) as recorder:
        recorder.start(_run_info(rate, _claims(rate)))
        for phase, at_s in (
            (Phase.WARM_UP, 0),
            (Phase.STEADY, STEADY),
            (Phase.IMPACT, IMPACT),
            (Phase.HEAL, HEAL),
            (Phase.CONVERGE, CONVERGE),
            ("end", END),
        ):
            recorder.note(Stream.PHASES, PhaseStarted(phase=str(phase), at_ns=_at(at_s)))
        _note_fault(recorder, 0, SILENT, SILENT_FROM, SILENT_TO)
        _note_fault(recorder, 1, KILLED, KILLED_FROM, KILLED_TO)
        for second in range(END + 1):
            wall_ns = round(_wall_ms(second)) * 1_000_000
            beat = Stall(at_ns=_at(second), every_ms=10, late_ms=0, wall_ns=wall_ns)
            recorder.note(Stream.MACHINE, beat)
            recorder.note(Stream.DISK, Stall(at_ns=_at(second), every_ms=100, late_ms=0))
            if second < FINAL_AT:
                _note_polled(recorder, second, rate)
        _append(stream_path(run_dir, Stream.OPERATIONS), _operations(shape))
        _append_tables(stream_path(run_dir, Stream.READINGS), shape)
        recorder.finish("completed")


def _claims(rate_per_s: float) -> tuple[Claim, ...]:
    """Those of every drill and of both outages."""
    healthy = HealthyBefore(operation=PLACE_ORDER)
    waiting = SomeRows(reading="pending_orders", what="pending orders", at_least=20, moment=Phase.IMPACT)
    unheard = UnheardCharges(ledger=LEDGER, fault=SILENT, patience_s=1, then=Then.GIVEN_BACK, at_least=5)
    settles = PendingSettlesAfterHeal(
        operation=PLACE_ORDER,
        log=SAGA_LOG,
        last_step="confirm-order",
        within_s=SETTLE_S,
        limit_s=LIMIT_S,
        fault=KILLED,
        expect_not=NOT_DECLINED,
    )
    past_limit = CancelledPastLimit(
        operation=PLACE_ORDER,
        orders=ORDERS,
        ledger=LEDGER,
        limit_s=LIMIT_S,
        slack_s=SLACK_S,
        fault=SILENT,
        expect_not=NOT_DECLINED,
    )
    in_reverse = UndoneInReverse(log=SAGA_LOG, sagas_min=5, uncertain=SAGA_UNCERTAIN)
    outages = (
        ("pending-orders-are-settled", settles, (healthy, *bounded(PHASES, rate_per_s)), Kind.RATE),
        ("past-the-limit", past_limit, (waiting, unheard, had_its_time(PHASES)), Kind.LIVENESS),
        ("compensation-runs-in-reverse", in_reverse, (waiting, at_rest(PHASES)), Kind.LIVENESS),
    )
    return (
        *universal(PHASES, rate_per_s, double_charge_risk=(unheard,)),
        *(
            Claim(
                id=name, sentence=f"{name}.", source="outages", check=check, counts_only_if=needs, kind=kind
            )
            for name, check, needs, kind in outages
        ),
    )


def _run_info(rate_per_s: float, claims: tuple[Claim, ...]) -> RunInfo:
    return RunInfo(
        run_id="large",
        scenario="large-run",
        title="A recording that was made for measuring, of a drill that was never held",
        seed=0,
        profile="bench",
        runtime="none",
        target="none",
        variants=(),
        anchor_wall_ns=WALL_ZERO_MS * 1_000_000,
        anchor_ns=ZERO_NS,
        replay="python -m scenarios.large_run",
        promised={
            "phases": {phase.value: at_s for phase, at_s in PHASES.timetable()},
            "rate_per_s": rate_per_s,
            "load_s": PHASES.load_s,
            "converge_s": PHASES.converge_s,
            "faults": [
                {"title": SILENT, "at_s": SILENT_FROM - IMPACT, "seconds": SILENT_TO - SILENT_FROM},
                {"title": KILLED, "at_s": KILLED_FROM - IMPACT, "seconds": KILLED_TO - KILLED_FROM},
            ],
        },
        claims=tuple(to_record(claim) for claim in claims),
    )


def _at(seconds: float) -> int:
    return ZERO_NS + round(seconds * NS_PER_S)


def _wall_ms(seconds: float) -> int:
    return WALL_ZERO_MS + round(seconds * 1e3)


def _note_fault(recorder: Recorder, number: int, title: str, from_s: float, to_s: float) -> None:
    for stage, at_s in (
        (FaultStage.REQUESTED, from_s - 0.5),
        (FaultStage.ACTIVE, from_s),
        (FaultStage.HEALING, to_s),
        (FaultStage.HEALED, to_s + 0.5),
    ):
        seen = stage in (FaultStage.ACTIVE, FaultStage.HEALED)
        noted = FaultNoted(
            number=number,
            stage=stage,
            at_ns=_at(at_s),
            title=title,
            fault={},
            sentence="5 of 5 questions told so" if seen else "",
            seen=seen,
            measured={},
        )
        recorder.note(Stream.FAULTS, noted)


def _note_polled(recorder: Recorder, second: int, rate_per_s: float) -> None:
    """What probes see each second, and the work that is on its way then."""
    waiting = 30 if SILENT_FROM <= second < SILENT_TO or KILLED_FROM <= second < KILLED_TO else 1
    pending = [{"order_id": f"order-{second * rate_per_s:07.0f}"}] * waiting
    cpu = {"all_s": 2.0 * second, "busy_s": 1.0 * second, "ours_s": 0.9 * second}
    for probe, value in (("pending_orders", pending), ("open_work", pending), ("machine_cpu", cpu)):
        reading = Reading(
            probe=probe, at_ns=_at(second), took_ns=10_000_000, value=value, final=False, error=""
        )
        recorder.note(Stream.READINGS, reading)


def _append(path: Path, lines: Iterator[str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)


def _operations(shape: Shape) -> Iterator[str]:
    """Intents and outcomes in the order they were sent; the refused ones evenly over the impact."""
    refused_at = [IMPACT + (HEAL - IMPACT) * (place + 0.5) / shape.refused for place in range(shape.refused)]
    orders = [(shape.placed_s(number), number, True) for number in range(shape.orders)]
    sent = sorted([*orders, *((at_s, place, False) for place, at_s in enumerate(refused_at))])
    for identity, (at_s, number, accepted) in enumerate(sent):
        key = f"order-{number:07}" if accepted else f"refused-{number:07}"
        cents, sku = 500 + number % 19_500, number % 10
        detail = f'{{"amount_cents":{cents},"customer":"customer-{number % 50}","contents":"sku-{sku}:2"}}'
        intended_ns = _at(at_s)
        outcome, status, took_ns = ("ok", 202, 30_000_000) if accepted else ("rejected", 429, 3_000_000)
        yield (
            f'{{"id":{identity},"name":"{PLACE_ORDER}","key":"{key}","intended_ns":{intended_ns},'
            f'"sent_ns":{intended_ns + 900_000},"detail":{detail},"e":"intent"}}\n'
            f'{{"id":{identity},"done_ns":{intended_ns + 900_000 + took_ns},"outcome":"{outcome}",'
            f'"status":{status},"error":"","result":{{}},"e":"done"}}\n'
        )


def _append_tables(path: Path, shape: Shape) -> None:
    tables: dict[str, Callable[[Order], Iterator[str]]] = {
        "orders": _order_row,
        "saga_log": _saga_rows,
        "payments": _payment_row,
        "reservations": _reservation_row,
        "applied_events": _event_rows,
        "order_view": _view_row,
        "ledger": _ledger_rows,
    }
    with path.open("a", encoding="utf-8") as file:
        for name in ("open_work", "unread_events"):
            file.write(_final(name) + "[]" + "}\n")
        for name, rows in tables.items():
            file.write(_final(name) + "[")
            separator = ""
            for number in range(shape.orders):
                for row in rows(fate(shape, number)):
                    file.write(separator + row)
                    separator = ","
            file.write("]}\n")
        file.write(_final("stock") + _stock(shape) + "}\n")
        file.write(_final(LOSSES) + "[]}\n")


def _final(probe: str) -> str:
    return f'{{"probe":"{probe}","at_ns":{_at(FINAL_AT)},"took_ns":1000,"final":true,"error":"","value":'


def _status(order: Order) -> str:
    return "CANCELLED" if order.cancelled else "CONFIRMED"


def _order_row(order: Order) -> Iterator[str]:
    yield (
        f'{{"order_id":"{order.key}","customer_id":"customer-{order.number % 50}","status":"{_status(order)}",'
        f'"total_cents":{order.cents},"items":[{{"sku":"{order.sku}","quantity":2}}],"version":2,'
        f'"contents":"{order.sku}:2"}}'
    )


def _saga_rows(order: Order) -> Iterator[str]:
    reserve, pay, confirm = "reserve-inventory", "process-payment", "confirm-order"
    steps = [(reserve, "STARTED"), (reserve, "COMPLETED"), (pay, "STARTED")]
    if order.cancelled:
        steps += [(pay, "QUEUED"), (pay, "COMPENSATED"), (reserve, "COMPENSATED")]
    else:
        steps += [(pay, "COMPLETED"), (confirm, "STARTED"), (confirm, "COMPLETED")]
    for place, (step, status) in enumerate(steps):
        at_ms = _wall_ms(order.placed_s + 0.05 if place < 3 else order.ended_s)
        yield (
            f'{{"seq":{order.number * 6 + place + 1},"saga_id":"{order.saga}","order_id":"{order.key}",'
            f'"step_name":"{step}","status":"{status}","executed_at":{at_ms}}}'
        )


def _payment_row(order: Order) -> Iterator[str]:
    status = "REFUNDED" if order.cancelled else "COMPLETED"
    yield (
        f'{{"order_id":"{order.key}","payment_id":"{order.saga}","status":"{status}","amount_cents":{order.cents},'
        f'"idempotency_key":"{order.saga}:process-payment"}}'
    )


def _reservation_row(order: Order) -> Iterator[str]:
    status = "RELEASED" if order.cancelled else "CONFIRMED"
    yield f'{{"order_id":"{order.key}","sku":"{order.sku}","quantity":2,"status":"{status}"}}'


def _event_rows(order: Order) -> Iterator[str]:
    for version, kind in (
        (1, "OrderCreated"),
        (2, "OrderCancelled" if order.cancelled else "OrderConfirmed"),
    ):
        yield (
            f'{{"seq":{order.number * 2 + version},"order_id":"{order.key}","version":{version},'
            f'"event_type":"{kind}","event_id":"{order.saga}-{version}"}}'
        )


def _view_row(order: Order) -> Iterator[str]:
    status = _status(order)
    yield f'{{"order_id":"{order.key}","status":"{status}","version":2,"total_cents":{order.cents}}}'


def _ledger_rows(order: Order) -> Iterator[str]:
    moves = [("charge", order.charged_s)] + [("refund", order.ended_s)] * order.cancelled
    for place, (kind, at_s) in enumerate(moves):
        yield (
            f'{{"seq":{order.number * 2 + place},"key":"{order.saga}:process-payment","order_id":"{order.key}",'
            f'"kind":"{kind}","amount_cents":{order.cents},"at_ms":{_wall_ms(at_s)},"charge_key":null,"requests":1}}'
        )


def _stock(shape: Shape) -> str:
    sold = dict.fromkeys((f"sku-{number}" for number in range(10)), 0)
    for number in range(shape.orders):
        order = fate(shape, number)
        sold[order.sku] += 0 if order.cancelled else 2
    rows = [
        {"sku": sku, "initial": 10_000_000, "available": 10_000_000 - gone, "reserved": 0, "sold": gone}
        for sku, gone in sold.items()
    ]
    return msgspec.json.encode(rows).decode()
