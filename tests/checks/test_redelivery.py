"""Records that were delivered twice: seen from outside while the consumer is dead, and told to nobody twice."""

from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Conclusion
from harness.checks.books import Orders
from harness.checks.redelivery import OffsetsDeliveredTwice, ToldOnce
from harness.errors import ConfigError
from harness.recording.records import Verdict
from tests.histories import Drill

FAULT = "order-consumer killed"
APPLIED = [{"partition": partition, "kafka_offset": offset} for partition in (0, 1) for offset in range(10)]


def seen(
    tmp_path: Path,
    *,
    committed: tuple[int | None, int | None] = (6, 10),
    reached: tuple[int, int] = (8, 9),
    at_s: float = 35,
    at_least: int = 3,
    **fault: Any,
) -> Any:
    partitions = [
        {"topic": "order-events", "partition": number, "committed": offset}
        for number, offset in enumerate(committed)
    ]
    partitions.append({"topic": "another", "partition": 0, "committed": 0})
    drill = Drill(tmp_path).fault(FAULT, **fault)
    drill.reading("lag", {"group": "g", "partitions": partitions}, at_s, final=False)
    effects = [{"partition": number, "last_offset": offset} for number, offset in enumerate(reached)]
    drill.reading("effects", effects, at_s, final=False)
    evidence = OffsetsDeliveredTwice(
        lag="lag", effects="effects", applied="applied", topic="order-events", fault=FAULT, at_least=at_least
    )
    return evidence.seen(drill.reading("applied", APPLIED).ended())


def test_effects_beyond_the_committed_offsets_are_delivered_again(tmp_path: Path) -> None:
    found = seen(tmp_path)
    assert found.ok
    assert "3 records" in found.sentence
    assert not seen(tmp_path / "more", at_least=4).ok


def test_a_partition_without_a_commit_is_read_from_its_beginning(tmp_path: Path) -> None:
    assert "11 records" in seen(tmp_path, committed=(None, 8), reached=(8, 9)).sentence


def test_effects_up_to_the_committed_offset_are_not_delivered_again(tmp_path: Path) -> None:
    assert not seen(tmp_path, committed=(9, 10)).ok


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"at_s": 20}, "was not read while the consumer was dead"),
        ({"at_s": 60}, "was not read while the consumer was dead"),
        ({"bit": False}, "was seen to begin"),
        ({"lapsed": "somebody started it"}, "nobody knows since when: somebody started it"),
    ],
)
def test_what_was_not_seen_while_it_was_dead_says_nothing(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(CannotSay, match=why):
        seen(tmp_path, **changes)


def test_a_reading_of_another_shape_says_nothing(tmp_path: Path) -> None:
    drill = Drill(tmp_path).fault(FAULT).reading("lag", [1], 35, final=False).reading("applied", APPLIED)
    evidence = OffsetsDeliveredTwice(
        lag="lag", effects="effects", applied="applied", topic="order-events", fault=FAULT
    )
    with pytest.raises(CannotSay, match="no rows with topic"):
        evidence.seen(drill.ended())


def test_evidence_that_always_holds_is_refused() -> None:
    with pytest.raises(ConfigError, match="would be enough"):
        OffsetsDeliveredTwice(lag="a", effects="b", applied="c", topic="d", fault="e", at_least=0)


ORDERS = [
    {"order_id": "a", "status": "CONFIRMED"},
    {"order_id": "b", "status": "CONFIRMED"},
    {"order_id": "c", "status": "CANCELLED"},
]


def told(tmp_path: Path, *orders: str, rows: list[dict[str, str]] | None = None) -> Conclusion:
    messages = [{"order_id": order} for order in orders]
    history = (
        Drill(tmp_path).reading("orders", ORDERS if rows is None else rows).reading("told", messages).ended()
    )
    return ToldOnce(orders=Orders(reading="orders"), told="told").check(history)


def test_who_was_told_once_of_each_confirmed_order_is_content(tmp_path: Path) -> None:
    assert told(tmp_path, "b", "a").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("orders", "guilty"),
    [
        (("a", "b", "a"), ("a",)),
        (("a",), ("b",)),
        (("a", "b", "c"), ("c",)),
        (("a", "b", "ghost"), ("ghost",)),
    ],
)
def test_twice_never_and_falsely_are_each_a_crime(
    tmp_path: Path, orders: tuple[str, ...], guilty: tuple[str, ...]
) -> None:
    found = told(tmp_path, *orders)
    assert (found.verdict, found.examples) == (Verdict.FAIL, guilty)


def test_where_nothing_was_confirmed_nobody_is_judged(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="nobody had anything to be told"):
        told(tmp_path, rows=[{"order_id": "c", "status": "CANCELLED"}])
