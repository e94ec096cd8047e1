"""What probes saw is drawn by its form, whatever the target is."""

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.axis import axis_of
from reports.lanes import Lane
from reports.readings import LANES_MAX, figures, figures_of, reading_lanes, stall_lanes
from tests.histories import Drill


def lanes(drill: Drill) -> list[Lane]:
    history = drill.ended()
    return list(reading_lanes(history, axis_of(history)))


def polled(tmp_path: Path, probe: str, *values: Any) -> Drill:
    drill = Drill(tmp_path)
    for second, value in enumerate(values):
        drill.reading(probe, value, 10 + second, final=False)
    return drill


def test_a_table_is_drawn_by_its_rows_and_an_object_by_its_figures() -> None:
    assert list(figures([{"order_id": "a"}, {"order_id": "b"}])) == [("rows", 2.0)]
    assert list(figures({"total": 3, "group": "g", "deep": {"a": 1}, "on": True})) == [("total", 3.0)]
    assert list(figures(4)) == [("", 4.0)]
    assert list(figures("text")) == list(figures(None)) == []


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from(["isr", "lag", "a"]), parts),
    max_leaves=12,
)


@settings(deadline=None)
@given(ANY_JSON)
def test_a_table_that_is_only_counted_counts_the_same(value: Any) -> None:
    assert list(figures_of(msgspec.json.encode(value))) == list(figures(value))


def test_a_reading_that_is_no_json_has_no_figures() -> None:
    assert list(figures_of(b"[1, 2")) == list(figures_of(b"{")) == []


def test_lag_of_partitions_is_summed_and_replicas_are_told_by_the_fewest() -> None:
    rows = [{"partition": 0, "lag": 2}, {"partition": 1, "lag": 5}]
    assert ("lag", 7.0) in list(figures(rows))
    leaders = [{"leader": 1, "isr": [1, 2, 3]}, {"leader": -1, "isr": [2]}]
    assert dict(figures(leaders)) == {"fewest in-sync replicas": 1.0, "partitions without a leader": 1.0}


def test_a_reading_that_never_changed_is_not_drawn(tmp_path: Path) -> None:
    assert lanes(polled(tmp_path / "a", "queue", 3, 3, 3)) == []
    [lane] = lanes(polled(tmp_path / "b", "request_queue", 3, 4, 3))
    assert lane.title == "request queue"
    assert lane.lines[0].points == ((10.0, 3.0), (11.0, 4.0), (12.0, 3.0))
    assert lane.lines[0].steps[10:14] == ("3", "4", "3", "")


def test_where_a_probe_could_not_look_there_is_a_gap_and_a_mark(tmp_path: Path) -> None:
    drill = polled(tmp_path, "lag", 1, 5).reading("lag", None, 12, final=False, error="no answer")
    [lane] = lanes(drill.reading("lag", 2, 13, final=False))
    assert lane.lines[0].points[2] == (12.0, None)
    assert lane.missed_s == (12.0,)


def test_final_readings_and_damaged_ones_are_not_drawn(tmp_path: Path) -> None:
    drill = polled(tmp_path, "lag", 1, "x", {"a": "b"}, [1] * 300_000).reading("lag", 7)
    assert lanes(drill) == []


def test_processor_time_is_a_share_of_the_time_between_readings(tmp_path: Path) -> None:
    counters = [{"all_s": 10.0 * n, "busy_s": 5.0 * n, "ours_s": 3.0 * n} for n in range(3)]
    [lane] = lanes(polled(tmp_path, "machine_cpu", *counters, {"all_s": 5.0, "busy_s": 0.0, "ours_s": 0.0}))
    busy, others = lane.lines
    assert [value for _, value in busy.points] == [50.0, 50.0]
    assert [value for _, value in others.points] == [20.0, 20.0]


def test_there_is_an_end_to_what_is_drawn(tmp_path: Path) -> None:
    wide = [{f"figure {n}": n + step for n in range(100)} for step in range(3)]
    assert len(lanes(polled(tmp_path, "wide", *wide))) == LANES_MAX


def test_a_machine_that_stood_still_is_drawn_and_one_that_did_not_is_not(tmp_path: Path) -> None:
    calm = Drill(tmp_path / "calm").heartbeat().ended()
    assert list(stall_lanes(calm, axis_of(calm))) == []
    stalled = Drill(tmp_path / "stalled").heartbeat(stall_at_s=30, late_ms=700).ended()
    [lane] = stall_lanes(stalled, axis_of(stalled))
    assert lane.lines[0].steps[30] == "700"
