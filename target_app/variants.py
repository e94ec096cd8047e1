"""Mistakes that real teams make, each behind one switch that is off by default.

A check that has never been seen to fail proves nothing. Every variant is one visible branch at the place
where the mistake would have been made; `SHOP_VARIANTS` names the ones a service shall make.
"""

from enum import StrEnum


class Variant(StrEnum):
    """The planted defects. The value is what `SHOP_VARIANTS` takes."""

    PAYMENT_KEY_PER_ATTEMPT = "payment-key-per-attempt"
    FALLBACK_QUEUE_IN_MEMORY = "fallback-queue-in-memory"
    COMPENSATION_STOPS_HALF_WAY = "compensation-stops-half-way"
    UNHEARD_PAYMENT_IS_KEPT = "unheard-payment-is-kept"
    COMMIT_BEFORE_EFFECT = "commit-before-effect"
    CONFIRMATION_PER_DELIVERY = "confirmation-per-delivery"
    LAG_OF_ONE_PARTITION = "lag-of-one-partition"
    BREAKER_COUNTS_DECLINES = "breaker-counts-declines"
    BREAKER_OPENS_ABOVE_ITS_THRESHOLD = "breaker-opens-above-its-threshold"
    PUBLISH_WITHOUT_WAITING = "publish-without-waiting"
    PUBLISH_OUTSIDE_TRANSACTION = "publish-outside-transaction"
    RATE_LIMIT_PER_INSTANCE = "rate-limit-per-instance"
    RATE_LIMIT_REFILLS_GREEDILY = "rate-limit-refills-greedily"
    RETRY_AFTER_ROUNDED_DOWN = "retry-after-rounded-down"
    UNBOUNDED_REQUEST_QUEUE = "unbounded-request-queue"
    REFUSED_AFTER_THE_WORK = "refused-after-the-work"
    READS_ARE_NOT_SHED = "reads-are-not-shed"
    CONFIRM_REFUSAL_KEEPS_PAYMENT = "confirm-refusal-keeps-payment"
    COMPENSATION_IN_WRONG_ORDER = "compensation-in-wrong-order"
    CRASH_RESUMES_WITH_A_NEW_PAYMENT_KEY = "crash-resumes-with-a-new-payment-key"
    REFUND_BY_ORDER = "refund-by-order"
    RELEASE_PUTS_BACK_ONE = "release-puts-back-one"
    COMMIT_ON_FAILURE = "commit-on-failure"
    ERROR_TAKEN_FOR_REFUSAL = "error-taken-for-refusal"
    EXPIRED_LEASES_ARE_LEFT = "expired-leases-are-left"
    LAG_OUTLIERS_ARE_DROPPED = "lag-outliers-are-dropped"


WHAT_GOES_WRONG: dict[Variant, str] = {
    Variant.PAYMENT_KEY_PER_ATTEMPT: (
        "payments makes up a fresh provider key for every attempt, so a retry after a lost answer "
        "charges again, and the refund reaches the last charge only"
    ),
    Variant.FALLBACK_QUEUE_IN_MEMORY: (
        "orders keeps its fallback queue in a list of the process with room for ten, and drops the oldest "
        "entry when it is full: the payment is never tried again, and the saga's limit cancels a good order"
    ),
    Variant.COMPENSATION_STOPS_HALF_WAY: (
        "orders undoes only the step that failed and then calls the saga COMPENSATED: "
        "after a declined card the stock stays reserved"
    ),
    Variant.UNHEARD_PAYMENT_IS_KEPT: (
        "orders undoes at the saga's limit only the steps it knows to have succeeded: a charge whose answer never came "
        "is not asked back, and the customer has paid for a cancelled order"
    ),
    Variant.COMMIT_BEFORE_EFFECT: (
        "the order consumer commits the offsets of a batch as soon as it has read it: what it had not processed when "
        "it died is never read again, and its lag looks small while customers wait"
    ),
    Variant.CONFIRMATION_PER_DELIVERY: (
        "the order consumer confirms an order to its customer on every delivery of the event, without asking whether "
        "it is new: after a crash or a rebalance customers are told twice"
    ),
    Variant.LAG_OF_ONE_PARTITION: (
        "the order consumer tells its lag without saying of which partition, so that the last one overwrites the "
        "others: it looks like a third of what it is, and the alarm stays silent"
    ),
    Variant.BREAKER_COUNTS_DECLINES: (
        "orders counts a declined card as a failure of the payment service: a few customers without money open the "
        "breaker for all others"
    ),
    Variant.BREAKER_OPENS_ABOVE_ITS_THRESHOLD: (
        "the breaker of orders opens above its failure-rate threshold and not at it: of ten calls six must fail where "
        "five are documented"
    ),
    Variant.PUBLISH_WITHOUT_WAITING: (
        "orders takes an event for published once the leader alone has it (acks=1) and does not wait for a replica: "
        "what a leader acknowledges that others have given up is gone when it comes back"
    ),
    Variant.PUBLISH_OUTSIDE_TRANSACTION: (
        "orders commits a new order without its event and then tells Kafka by itself, for a second: "
        "while no broker takes it, the order is there and nobody will ever be told"
    ),
    Variant.RATE_LIMIT_PER_INSTANCE: (
        "each gateway keeps buckets of its own: a client may do as often what it may once as there are gateways"
    ),
    Variant.RATE_LIMIT_REFILLS_GREEDILY: (
        "the gateways give tokens back one by one as time passes and not all at the end of an interval: a client that "
        "asks on and on gets nearly twice its limit in its first minute"
    ),
    Variant.RETRY_AFTER_ROUNDED_DOWN: (
        "the gateways cut the fraction off the seconds of Retry-After: a client that does as it is told comes back too "
        "early and is refused again"
    ),
    Variant.UNBOUNDED_REQUEST_QUEUE: (
        "orders lets any number of requests wait for their turn: a flood is not refused, everybody waits longer than "
        "they can, and orders goes on working for clients who left long after the flood is over"
    ),
    Variant.REFUSED_AFTER_THE_WORK: (
        "orders looks once more whether its queue is full when it has done the work: the client reads that nothing was "
        "done, and the order was placed"
    ),
    Variant.READS_ARE_NOT_SHED: (
        "orders lets reads fill its queue like orders: in a flood customers who only look take the place of those who "
        "buy"
    ),
    Variant.CONFIRM_REFUSAL_KEEPS_PAYMENT: (
        "orders releases the stock of an order whose last step is refused and forgets that it was paid before: "
        "the customer has paid for a cancelled order"
    ),
    Variant.COMPENSATION_IN_WRONG_ORDER: (
        "orders undoes the steps of an order whose last step is refused from the first to the last: the stock is "
        "on sale again while the money is still taken"
    ),
    Variant.CRASH_RESUMES_WITH_A_NEW_PAYMENT_KEY: (
        "orders resumes a saga that a crash left behind under a payment key of its own, as if nothing had been tried: "
        "a payment that was made before the crash is made again"
    ),
    Variant.REFUND_BY_ORDER: (
        "payments gives back what it believes an order has paid, and not the payment it is asked for: a charge whose "
        "answer it never heard is not found, and the customer has paid for a cancelled order"
    ),
    Variant.RELEASE_PUTS_BACK_ONE: (
        "inventory puts back one unit of each article of a released order, however many were set aside: the others "
        "are nobody's, and nobody can buy them"
    ),
    Variant.COMMIT_ON_FAILURE: (
        "the order consumer commits the offsets of a batch also if it could not be processed, so that it goes on: "
        "while its database is away every event is read and lost"
    ),
    Variant.ERROR_TAKEN_FOR_REFUSAL: (
        "orders gives an order up at the first error or time-out of a step, as if it had been refused: "
        "every hiccup of a dependency costs orders that a second try would have saved"
    ),
    Variant.EXPIRED_LEASES_ARE_LEFT: (
        "orders takes up no saga whose lease has run out: what a crash interrupted lies there until the saga's limit, "
        "and is then cancelled"
    ),
    Variant.LAG_OUTLIERS_ARE_DROPPED: (
        "the order consumer takes a lag of more than 300 for a mistake of measurement and tells none: an alarm on it "
        "has no data just when it is needed"
    ),
}


def parse(names: str) -> frozenset[Variant]:
    """The variants in a comma-separated list; blanks are skipped.

    Raises:
        ValueError: A name is unknown. A drill that asked for a defect and silently ran without it would
            report that the defect cannot be caught.
    """
    known = {variant.value: variant for variant in Variant}
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(f"unknown variant {', '.join(map(repr, unknown))}; there are: {', '.join(known)}")
    return frozenset(known[name] for name in asked)
