"""What must hold in every drill of the shop, whatever is broken on purpose.

The universal claims of the catalogue: nothing acknowledged is lost, nobody is charged twice, money and goods are
conserved, every order ends one way or the other, and orders do get confirmed, because a shop that compensates
everything is not safe, it is useless.
"""

from harness.checks import Check, Claim, Evidence, Kind, Missing
from harness.checks.books import Ledger, Orders, Reservations, SagaLog
from harness.checks.events import AppliedInOrder, EveryEventApplied, ViewAgrees
from harness.checks.evidence import HealthyBefore
from harness.checks.liveness import EveryOrderSettles, OrdersAreConfirmed
from harness.checks.load import GeneratorOnTime, KeptUp, LoadReached
from harness.checks.machine import DiskCalm, MachineCalm, MachineUncrowded
from harness.checks.money import ChargedAtMostOnce, LedgersAgree, MoneyConserved
from harness.checks.rest import AllWorkEnds, AtRest, HadItsTime
from harness.checks.safety import NothingAcknowledgedIsLost, NothingRejectedHappened, NothingUnaskedHappened
from harness.checks.saga import UndoneExactly
from harness.checks.steady import SteadyAgain
from harness.checks.stock import ReservationsMatchOrders, StockConserved
from harness.checks.survival import NoServiceEndedByItself
from harness.drill import LOSSES
from harness.phases import Phases
from harness.recording.records import Phase
from scenarios.shop import DECLINED, SOLD_OUT

UNIVERSAL = "universal"
PLACE_ORDER = "place_order"
ORDERS = Orders(reading="orders")
LEDGER = Ledger(reading="ledger")
RESERVATIONS = Reservations(reading="reservations")
SAGA_LOG = SagaLog(reading="saga_log")
NOT_DECLINED = {"expect": DECLINED, "stock": SOLD_OUT}
LAST_EVENT = {"CONFIRMED": "OrderConfirmed", "CANCELLED": "OrderCancelled"}
# What the shop still has to do, as it is read before the final readings.
OPEN_WORK = ("open_work", "unread_events")
# Words of the saga log after which a step may have had its effect.
SAGA_UNCERTAIN = ("STARTED", "QUEUED")

# This much load is far more than what is on its way at any moment in a shop that keeps up: an order takes some 0.1 s.
BACKLOG_S = 2.0

# What is compared with steady: the last part of heal, by when a target is well again.
AT_THE_END = 0.5

# The longest stall of the machine that a claim about times or rates can bear: half of the shortest time-out.
STALL_MS_MAX = 500.0
# A p95 is moved by what one answer of twenty waits for; a little less, for those that queue behind it.
DISK_STALLED_MAX = 0.04


def bounded(phases: Phases, rate_per_s: float) -> tuple[Evidence, ...]:
    """What a claim with a bound on one side counts only with, such as "within 10 s" or "99 % of orders".

    A crowded machine, a late generator or a shop that was overrun before it was hurt can only make such a claim harder
    to keep, and less load than planned only easier.
    """
    under_load = _under_load(phases)
    return (
        *(_reached(phase, rate_per_s, Missing.VOIDS) for phase in under_load),
        _kept_up(rate_per_s, Missing.EXCUSES),
        *_undisturbed(under_load, Missing.EXCUSES),
    )


def compared(phases: Phases, rate_per_s: float) -> tuple[Evidence, ...]:
    """What a comparison of the end with steady counts only with.

    What made steady slow makes the comparison easy, and what made the time after it slow makes it hard.
    """
    later = tuple(phase for phase in _under_load(phases) if phase is not Phase.STEADY)
    return (
        _reached(Phase.STEADY, rate_per_s, Missing.BOTH),
        *(_reached(phase, rate_per_s, Missing.VOIDS) for phase in later),
        _kept_up(rate_per_s, Missing.BOTH),
        *_undisturbed((Phase.STEADY,), Missing.VOIDS),
        *_undisturbed(later, Missing.EXCUSES),
        # Only the end is compared: a disturbance of it is not to be lost in the whole.
        *_undisturbed((Phase.HEAL,), Missing.EXCUSES, last_share=AT_THE_END),
    )


def at_rest(phases: Phases) -> AtRest:
    """What books that are compared with each other count only with."""
    return AtRest(open_work=OPEN_WORK, quiet_s=phases.quiet_s)


def had_its_time(phases: Phases) -> HadItsTime:
    """What a claim that something happens in the end counts only with. Each profile converges longer than any limit."""
    return HadItsTime(open_work=OPEN_WORK, quiet_s=phases.quiet_s, patience_s=phases.converge_s)


def _under_load(phases: Phases) -> tuple[Phase, ...]:
    return tuple(phase for phase, _ in phases.timetable() if phase is not Phase.WARM_UP)


def _reached(phase: Phase, rate_per_s: float, if_missing: Missing) -> Evidence:
    return LoadReached(phase=phase, rate_per_s=rate_per_s, operation=PLACE_ORDER, if_missing=if_missing)


def _kept_up(rate_per_s: float, if_missing: Missing) -> Evidence:
    return KeptUp(reading="pending_orders", rows_max=round(BACKLOG_S * rate_per_s), if_missing=if_missing)


def _undisturbed(
    phases: tuple[Phase, ...], if_missing: Missing, *, last_share: float = 1.0
) -> tuple[Evidence, ...]:
    share, weight = last_share, if_missing
    return (
        GeneratorOnTime(phases=phases, operation=PLACE_ORDER, last_share=share, if_missing=weight),
        MachineCalm(phases=phases, max_stall_ms=STALL_MS_MAX, last_share=share, if_missing=weight),
        MachineUncrowded(phases=phases, last_share=share, if_missing=weight),
        DiskCalm(phases=phases, stalled_share_max=DISK_STALLED_MAX, last_share=share, if_missing=weight),
    )


def universal(
    phases: Phases,
    rate_per_s: float,
    *,
    calm: tuple[Phase, ...] = (Phase.STEADY, Phase.HEAL),
    double_charge_risk: tuple[Evidence, ...] = (),
) -> tuple[Claim, ...]:
    """The claims of every scenario. That its faults bit and were healed goes without saying for each of them.

    Args:
        phases: Of the drill.
        rate_per_s: The load it plans.
        calm: The phases in which nothing is broken.
        double_charge_risk: What must have been seen, besides, before "no order is charged twice" says anything.
    """
    # What is false of books at rest is false however the shop felt before; what came late may be for its illness.
    well = HealthyBefore(operation=PLACE_ORDER, if_missing=Missing.VOIDS)
    healthy = HealthyBefore(operation=PLACE_ORDER)

    def never(name: str, sentence: str, check: Check, *evidence: Evidence) -> Claim:
        """What is wrong at any moment."""
        return _claim(name, sentence, check, (well, *evidence), Kind.SAFETY)

    def at_last(name: str, sentence: str, check: Check) -> Claim:
        """What must agree when nothing moves any more, and may differ while something does."""
        return _claim(name, sentence, check, (well, at_rest(phases)), Kind.LIVENESS)

    def in_time(name: str, sentence: str, check: Check) -> Claim:
        """What must have come to its end, unless it was kept from it."""
        return _claim(name, sentence, check, (healthy, had_its_time(phases)), Kind.LIVENESS)

    def while_well(name: str, sentence: str, check: Check, evidence: tuple[Evidence, ...]) -> Claim:
        """A time or a rate."""
        return _claim(name, sentence, check, (healthy, *evidence), Kind.RATE)

    return (
        never(
            "nothing-acknowledged-is-lost",
            "Every order that was acknowledged to a client exists, as it was placed.",
            NothingAcknowledgedIsLost(
                operation=PLACE_ORDER,
                reading="orders",
                column="order_id",
                kept={"amount_cents": "total_cents"},
                kept_words={"customer": "customer_id", "contents": "contents"},
            ),
        ),
        never(
            "nothing-unasked-happened",
            "No order exists that no client has placed.",
            NothingUnaskedHappened(operation=PLACE_ORDER, reading="orders", column="order_id"),
        ),
        never(
            "nothing-rejected-happened",
            "No order exists of which a client was told that it certainly does not.",
            NothingRejectedHappened(operation=PLACE_ORDER, reading="orders", column="order_id", if_any=True),
        ),
        never(
            "no-order-is-charged-twice",
            "No order is charged twice, by the provider's own ledger.",
            ChargedAtMostOnce(ledger=LEDGER),
            *double_charge_risk,
        ),
        at_last(
            "money-is-conserved",
            "The provider kept the total of each confirmed order and nothing of any other.",
            MoneyConserved(orders=ORDERS, ledger=LEDGER),
        ),
        at_last(
            "books-agree",
            "The shop believes to have been paid exactly what the provider kept.",
            LedgersAgree(payments="payments", ledger=LEDGER),
        ),
        at_last(
            "stock-is-conserved",
            "Every piece is on the shelf, reserved or sold.",
            StockConserved(stock="stock", reservations=RESERVATIONS),
        ),
        at_last(
            "reservations-match-orders",
            "A confirmed order holds exactly its items, a cancelled one holds nothing.",
            ReservationsMatchOrders(orders=ORDERS, reservations=RESERVATIONS),
        ),
        never(
            "events-take-effect-in-order",
            "The events of each order take effect in their order, each once.",
            AppliedInOrder(reading="applied_events"),
        ),
        in_time(
            "every-event-takes-effect",
            "The last event of each order took effect, and tells how the order ended.",
            EveryEventApplied(orders="orders", applied="applied_events", last_event=LAST_EVENT),
        ),
        in_time(
            "customers-see-how-orders-ended",
            "What customers are shown of each order is what became of it.",
            ViewAgrees(orders="orders", view="order_view", numbers=("version", "total_cents")),
        ),
        at_last(
            "compensation-is-complete",
            "Of a cancelled order every step that had been done is undone, each once and nothing else.",
            UndoneExactly(log=SAGA_LOG, orders=ORDERS, uncertain=SAGA_UNCERTAIN),
        ),
        in_time(
            "all-work-ends",
            "Nothing that was begun is left on its way: no saga, no event.",
            AllWorkEnds(open_work=OPEN_WORK),
        ),
        in_time(
            "every-order-settles",
            "Every order ends confirmed or fully compensated; none is stuck.",
            EveryOrderSettles(orders=ORDERS, reservations=RESERVATIONS, ledger=LEDGER),
        ),
        never(
            "no-service-dies-by-itself",
            "Every service of the shop that no fault ends is there to the last.",
            NoServiceEndedByItself(reading=LOSSES),
        ),
        while_well(
            "orders-are-confirmed",
            "While nothing is broken, orders with a good card are confirmed.",
            OrdersAreConfirmed(
                operation=PLACE_ORDER,
                orders=ORDERS,
                phases=calm,
                share_min=0.99,
                margin_s=BACKLOG_S,
                expect_not=NOT_DECLINED,
            ),
            bounded(phases, rate_per_s),
        ),
        while_well(
            "steady-again",
            "At the end the shop answers as it did before.",
            # What two busy cores do to a p95 by themselves; a shop that stays unwell is slower by far more.
            SteadyAgain(operation=PLACE_ORDER, last_share=AT_THE_END, p95_slack_ms=50.0),
            compared(phases, rate_per_s),
        ),
    )


def _claim(name: str, sentence: str, check: Check, evidence: tuple[Evidence, ...], kind: Kind) -> Claim:
    return Claim(
        id=name, sentence=sentence, source=UNIVERSAL, check=check, counts_only_if=evidence, kind=kind
    )
