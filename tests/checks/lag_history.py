"""A consumer that is slow from 25 s to 45 s, as Kafka, its database and it itself tell; another partition stands still.

Twenty records come a second. In steady each has its effect at once. From 25 s on a hundred come and fifty are worked
on, so that at 45 s a thousand wait, and from then on three hundred are worked on in a second.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from harness.checks.lag_log import Effects, Group, LagMetric
from harness.recording.history import History
from tests.histories import Drill, wall_ms

FAULT = "group takes 10 times as long for each record"
TOPIC = "events"
GROUP = Group(reading="lag", topic=TOPIC)
METRIC = LagMetric(reading="metric", age_s_max=0.5)
EFFECTS = Effects(reading="effect_times", records="records", topic=TOPIC)
OTHER_PARTITION = 7  # records in it, long since worked on
LOOK_EVERY_S = 0.5
REAL_EVERY = 5  # every fifth record is of an event that comes for the first time


def came(at_s: float) -> int:
    """How many records were there."""
    return round(20 * min(at_s, 25) + 100 * max(0, min(at_s, 45) - 25) + 20 * max(0, at_s - 45))


def done(at_s: float) -> int:
    """How many were worked on."""
    slowed = 20 * min(at_s, 25) + 50 * max(0, min(at_s, 45) - 25)
    return min(came(at_s), round(slowed + 300 * max(0, at_s - 45)))


Count = Callable[[float], int]


def recorded(
    run_dir: Path,
    *,
    committed: Count = done,
    told: Callable[[float], float | None] = lambda at_s: came(at_s) - done(at_s),
    arrived: Count = came,
    effects: Count = done,
    until_s: float = 64.5,
    looks: bool = True,
    failed_s: Collection[float] = (),
    **fault: Any,
) -> History:
    """The recording, with what of it is to be otherwise."""
    drill = Drill(run_dir).fault(FAULT, **fault).heartbeat()
    steps = round(until_s / LOOK_EVERY_S)
    for at_s in (step * LOOK_EVERY_S for step in range(1, steps + 1)):
        if looks:
            drill.reading(
                "lag", {"partitions": _partitions(arrived(at_s), committed(at_s))}, at_s, final=False
            )
        if at_s in failed_s:
            drill.reading("metric", None, at_s, final=False, error="no answer within 2 s")
        elif (lag := told(at_s)) is not None:
            drill.reading("metric", {"VALUE": lag}, at_s, final=False)
        else:
            drill.reading("metric", None, at_s, final=False)
    last = arrived(until_s)
    drill.reading("records", [*_records(last), _record(1, 0, "other")])
    return drill.reading("effect_times", [*_effects(last, effects, until_s), _effect(1, 0, 0.1)]).ended()


def _partitions(end: int, committed: int) -> list[dict[str, Any]]:
    places = [(TOPIC, 0, end, committed), (TOPIC, 1, OTHER_PARTITION, OTHER_PARTITION), ("another", 0, 9, 0)]
    return [
        {"topic": topic, "partition": number, "committed": offset, "end": last, "lag": last - offset}
        for topic, number, last, offset in places
    ]


def _records(count: int) -> list[dict[str, Any]]:
    """The copies between events are all of the first one."""
    return [_record(0, offset, f"e{offset if offset % REAL_EVERY == 0 else 0}") for offset in range(count)]


def _record(partition: int, offset: int, event: str) -> dict[str, Any]:
    return {"topic": TOPIC, "partition": partition, "offset": offset, "event-id": event}


def _effects(count: int, effects: Count, until_s: float) -> list[dict[str, Any]]:
    """Each event had its effect in the tenth of a second in which the count of what was worked on passed it."""
    rows = []
    offset = 0
    for tenth in range(1, round(until_s * 10) + 1):
        while offset < min(count, effects(tenth / 10)):
            if offset % REAL_EVERY == 0:
                rows.append(_effect(0, offset, tenth / 10))
            offset += 1
    return rows


def _effect(partition: int, offset: int, at_s: float) -> dict[str, Any]:
    return {"partition": partition, "kafka_offset": offset, "applied_ms": wall_ms(at_s)}
