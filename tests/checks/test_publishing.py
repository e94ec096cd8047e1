"""The log, what was written down to be told, and what changed: guilty, innocent, and nothing to judge by."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay
from harness.checks.publishing import (
    EveryChangeIsTold,
    Log,
    OnlyFromOutbox,
    Outbox,
    PublishedIsKept,
    UnacknowledgedAtLoss,
)
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.checks.test_brokers import KILLED, MEASURED, NEW, OLD, RECORD
from tests.histories import Drill

LOG = Log(reading="records", topic="events")
OUTBOX = Outbox(reading="outbox")
KEPT = PublishedIsKept(outbox=OUTBOX, log=LOG)
ONLY = OnlyFromOutbox(outbox=OUTBOX, log=LOG)
TOLD = EveryChangeIsTold(changed="orders", log=LOG)
WAITING = UnacknowledgedAtLoss(operation="place_order", log=LOG, leaders="leaders", fault=KILLED)


def record(key: str = "o1", version: int = 1, **changes: Any) -> dict[str, Any]:
    place = {"topic": "events", "partition": 0, "offset": 7, "epoch": 4, "timestamp_ms": 1}
    return {**place, "key": key, "event-id": f"{key}-{version}", "version": str(version)} | changes


def written(key: str = "o1", version: int = 1, *, published: bool = True) -> dict[str, Any]:
    return {"event_id": f"{key}-{version}", "order_id": key, "topic": "events", "published": published}


def history(run_dir: Path, **readings: list[dict[str, Any]]) -> History:
    return Drill(run_dir).tables(readings).ended()


def test_what_was_published_is_kept_and_what_was_not_need_not_be(tmp_path: Path) -> None:
    outbox = [written(), written(version=2, published=False)]
    kept = history(tmp_path / "kept", outbox=outbox, records=[record(), record()])
    assert KEPT.check(kept).verdict is Verdict.PASS
    lost = KEPT.check(history(tmp_path / "lost", outbox=outbox, records=[record(version=2)]))
    assert (lost.verdict, lost.examples) == (Verdict.FAIL, ("o1-1",))


def test_an_event_under_another_key_is_not_the_one_that_was_published(tmp_path: Path) -> None:
    swapped = [{**record(key="o2"), "event-id": "o1-1"}]
    assert KEPT.check(history(tmp_path, outbox=[written()], records=swapped)).verdict is Verdict.FAIL


def test_an_event_in_another_topic_is_not_where_it_was_published(tmp_path: Path) -> None:
    elsewhere = history(tmp_path, outbox=[written()], records=[record(topic="other")])
    for check in (KEPT, ONLY):
        conclusion = check.check(elsewhere)
        assert (conclusion.verdict, conclusion.examples) == (Verdict.FAIL, ("o1-1",))


def test_an_empty_log_has_lost_everything(tmp_path: Path) -> None:
    assert KEPT.check(history(tmp_path, outbox=[written()], records=[])).verdict is Verdict.FAIL


def test_where_nothing_was_published_nothing_is_proven(tmp_path: Path) -> None:
    for number, outbox in enumerate([[], [written(published=False)]]):
        with pytest.raises(CannotSay, match="nothing in 'outbox' was published"):
            KEPT.check(history(tmp_path / str(number), outbox=outbox, records=[record()]))


def test_an_event_that_nobody_wrote_down_convicts(tmp_path: Path) -> None:
    innocent = ONLY.check(history(tmp_path / "a", outbox=[written()], records=[record(), record()]))
    assert innocent.verdict is Verdict.PASS
    assert "1 are repeated" in innocent.because
    stray = ONLY.check(history(tmp_path / "b", outbox=[written()], records=[record(), record(version=2)]))
    assert (stray.verdict, stray.examples) == (Verdict.FAIL, ("o1-2",))
    with pytest.raises(CannotSay, match="no records"):
        ONLY.check(history(tmp_path / "c", outbox=[written()], records=[]))


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        ([record(), record(version=2)], Verdict.PASS),
        ([record(version=2), record(), record()], Verdict.PASS),  # repeated and swapped, but told
        ([record(version=2)], Verdict.FAIL),
        ([record(), record(version=3)], Verdict.FAIL),  # told of what never was, and not of what was
        ([record(), record(version=2, topic="other")], Verdict.FAIL),
        ([record(), {**record(), "version": "two"}], Verdict.FAIL),
        ([record(key="o2"), record(version=2)], Verdict.FAIL),
        ([], Verdict.FAIL),
    ],
)
def test_every_change_is_told_or_its_key_is_named(
    records: list[dict[str, Any]], verdict: Verdict, tmp_path: Path
) -> None:
    orders = [{"order_id": "o1", "version": 2}]
    conclusion = TOLD.check(history(tmp_path, orders=orders, records=records))
    assert (conclusion.verdict, conclusion.examples) == (verdict, ("o1",) if verdict is Verdict.FAIL else ())


def test_where_nothing_changed_there_was_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="nothing to tell"):
        TOLD.check(history(tmp_path, orders=[], records=[record()]))


def at_loss(run_dir: Path, *records: dict[str, Any], done_s: float = 26.5) -> History:
    """The leader is lost at 25.2 s at the latest; at 28 s it was still the only one, at 29 s another leads."""
    drill = Drill(run_dir).fault(KILLED, measured=MEASURED, record=RECORD)
    drill.reading("leaders", [OLD], 28, final=False).reading("leaders", [NEW], 29, final=False)
    return drill.operation("o1", done_s - 0.02).reading("records", list(records)).ended()


@pytest.mark.parametrize(
    ("records", "there"),
    [
        ([record(epoch=5)], True),  # written in the next one's time
        ([], False),  # it may have been on its way to any partition
        ([record(version=2)], False),
        ([record(epoch=4)], False),  # the lost one had it
        ([record(epoch=5, partition=1)], False),  # another's partition
        ([record(epoch=5, topic="other"), record()], False),
    ],
)
def test_an_event_was_on_its_way_if_its_order_was_accepted_before_another_led(
    records: list[dict[str, Any]], there: bool, tmp_path: Path
) -> None:
    assert WAITING.seen(at_loss(tmp_path, *records)).ok is there


@pytest.mark.parametrize("done_s", [25.1, 28.1])
def test_an_order_accepted_before_the_loss_or_when_another_may_have_led_proves_nothing(
    done_s: float, tmp_path: Path
) -> None:
    assert not WAITING.seen(at_loss(tmp_path, record(epoch=5), done_s=done_s)).ok


def test_as_many_as_were_wanted(tmp_path: Path) -> None:
    seen = replace(WAITING, at_least=2).seen(at_loss(tmp_path, record(epoch=5)))
    assert not seen.ok
    assert "the event of 1 was written in another leader's time (wanted 2) and of 0 never" in seen.sentence
    with pytest.raises(ConfigError, match="would be enough"):
        replace(WAITING, at_least=0)
