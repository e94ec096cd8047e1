"""What must hold in every drill of the shop, whatever is broken on purpose.

The universal claims of the catalogue: nothing acknowledged is lost, nobody is charged twice, money and goods are
conserved, every order ends one way or the other, and orders do get confirmed, because a shop that compensates
everything is not safe, it is useless.
"""

from harness.checks import Claim, Evidence, Kind
from harness.checks.events import AppliedInOrder, EveryEventApplied
from harness.checks.evidence import Converged, FinalReading, HealthyBefore
from harness.checks.liveness import EveryOrderSettles, OrdersAreConfirmed, SagaLog
from harness.checks.money import ChargedAtMostOnce, LedgersAgree, MoneyConserved
from harness.checks.safety import NothingAcknowledgedIsLost
from harness.checks.saga import UnwoundInReverse
from harness.checks.steady import SteadyAgain
from harness.checks.stock import ReservationsMatchOrders, StockConserved
from harness.checks.tables import Ledger, Orders, Reservations
from harness.checks.timing import KeptUp, LoadReached, MachineCalm, MachineUncrowded
from harness.phases import Phases
from harness.recording.records import Phase
from scenarios.shop import DECLINED

UNIVERSAL = "universal"
PLACE_ORDER = "place_order"
ORDERS = Orders(reading="orders")
LEDGER = Ledger(reading="ledger")
RESERVATIONS = Reservations(reading="reservations")
SAGA_LOG = SagaLog(reading="saga_log")
NOT_DECLINED = {"expect": DECLINED}
# Words of the saga log after which a step may have had its effect.
SAGA_UNCERTAIN = ("STARTED", "QUEUED")

# This much load is far more than what is on its way at any moment in a shop that keeps up: an order takes some 0.1 s.
BACKLOG_S = 2.0

# The longest stall of the machine that a claim about times or rates can bear: half of the shortest time-out.
STALL_MS_MAX = 500.0


def offered(phases: Phases, rate_per_s: float, *, one_sided: bool) -> tuple[Evidence, ...]:
    """What a claim about times and rates counts only with: the load was there and the machine let everybody run.

    Args:
        phases: Of the drill.
        rate_per_s: The load it plans.
        one_sided: Whether a crowded machine can only make the claim harder to keep, so that it excuses a failure and
            does not void a success.
    """
    under_load = tuple(phase for phase, _ in phases.timetable() if phase is not Phase.WARM_UP)
    reached = tuple(
        LoadReached(phase=phase, rate_per_s=rate_per_s, operation=PLACE_ORDER) for phase in under_load
    )
    kept_up = KeptUp(reading="pending_orders", rows_max=round(BACKLOG_S * rate_per_s))
    calm = MachineCalm(phases=under_load, max_stall_ms=STALL_MS_MAX)
    return (*reached, kept_up, calm, MachineUncrowded(phases=under_load, excuses_only=one_sided))


def universal(
    phases: Phases, rate_per_s: float, *, double_charge_risk: tuple[Evidence, ...] = ()
) -> tuple[Claim, ...]:
    """The claims of every scenario.

    Args:
        phases: Of the drill.
        rate_per_s: The load it plans.
        double_charge_risk: What must have been seen, besides, before "no order is charged twice" says anything.
    """
    healthy = HealthyBefore(operation=PLACE_ORDER)
    settled = Converged(reading="orders", open_where={"status": "PENDING"}, patience_s=phases.quiet_s)
    return (
        Claim(
            id="nothing-acknowledged-is-lost",
            sentence="Every order that was acknowledged to a client exists.",
            source=UNIVERSAL,
            check=NothingAcknowledgedIsLost(operation=PLACE_ORDER, reading="orders", column="order_id"),
            counts_only_if=(healthy, FinalReading(probes=("orders",))),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="no-order-is-charged-twice",
            sentence="No order is charged twice, by the provider's own ledger.",
            source=UNIVERSAL,
            check=ChargedAtMostOnce(ledger=LEDGER),
            counts_only_if=(healthy, FinalReading(probes=("ledger",)), *double_charge_risk),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="money-is-conserved",
            sentence="The provider kept the total of each confirmed order and nothing of any other.",
            source=UNIVERSAL,
            check=MoneyConserved(orders=ORDERS, ledger=LEDGER),
            counts_only_if=(healthy, settled, FinalReading(probes=("orders", "ledger"))),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="books-agree",
            sentence="The shop believes to have been paid exactly what the provider kept.",
            source=UNIVERSAL,
            check=LedgersAgree(payments="payments", ledger=LEDGER),
            counts_only_if=(healthy, settled, FinalReading(probes=("payments", "ledger"))),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="stock-is-conserved",
            sentence="Every piece is on the shelf, reserved or sold.",
            source=UNIVERSAL,
            check=StockConserved(stock="stock", reservations=RESERVATIONS),
            counts_only_if=(healthy, settled, FinalReading(probes=("stock", "reservations"))),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="reservations-match-orders",
            sentence="A confirmed order holds exactly its items, a cancelled one holds nothing.",
            source=UNIVERSAL,
            check=ReservationsMatchOrders(orders=ORDERS, reservations=RESERVATIONS),
            counts_only_if=(healthy, settled, FinalReading(probes=("orders", "reservations"))),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="events-take-effect-in-order",
            sentence="The events of each order take effect in their order, each once.",
            source=UNIVERSAL,
            check=AppliedInOrder(reading="applied_events"),
            counts_only_if=(healthy, FinalReading(probes=("applied_events",))),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="every-event-takes-effect",
            sentence="The last event of each order took effect.",
            source=UNIVERSAL,
            check=EveryEventApplied(orders="orders", applied="applied_events"),
            counts_only_if=(healthy, settled, FinalReading(probes=("orders", "applied_events"))),
            kind=Kind.LIVENESS,
        ),
        Claim(
            id="compensation-runs-in-reverse",
            sentence="A compensated order was unwound in reverse, exactly the steps that had been done.",
            source="Saga Pattern Failures",
            check=UnwoundInReverse(log=SAGA_LOG, orders=ORDERS, uncertain=SAGA_UNCERTAIN),
            counts_only_if=(healthy, settled, FinalReading(probes=("saga_log", "orders"))),
            kind=Kind.SAFETY,
        ),
        Claim(
            id="every-order-settles",
            sentence="Every order ends confirmed or fully compensated; none is stuck.",
            source=UNIVERSAL,
            check=EveryOrderSettles(orders=ORDERS, reservations=RESERVATIONS, ledger=LEDGER),
            counts_only_if=(healthy, settled, FinalReading(probes=("orders", "reservations", "ledger"))),
            kind=Kind.LIVENESS,
        ),
        Claim(
            id="orders-are-confirmed",
            sentence="While nothing is broken, orders with a good card are confirmed.",
            source=UNIVERSAL,
            check=OrdersAreConfirmed(
                operation=PLACE_ORDER,
                orders=ORDERS,
                phases=(Phase.STEADY, Phase.HEAL),
                share_min=0.99,
                margin_s=BACKLOG_S,
                expect_not=NOT_DECLINED,
            ),
            counts_only_if=(healthy, *offered(phases, rate_per_s, one_sided=True)),
            kind=Kind.RATE,
        ),
        Claim(
            id="steady-again",
            sentence="At the end the shop answers as it did before.",
            source=UNIVERSAL,
            # What two busy cores do to a p95 by themselves; a shop that stays unwell is slower by far more.
            check=SteadyAgain(operation=PLACE_ORDER, p95_slack_ms=50.0),
            counts_only_if=(healthy, *offered(phases, rate_per_s, one_sided=False)),
            kind=Kind.RATE,
        ),
    )
