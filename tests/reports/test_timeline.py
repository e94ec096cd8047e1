"""What is drawn is what was recorded: each figure of a recording has its place on the axis, and in the table."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.recording.history import History
from harness.recording.records import NOT_SENT, Phase, PhaseStarted, Stream
from reports.answers import Answered, answered_in
from reports.axis import STEPS_MAX, Axis, axis_of
from reports.drawing import CANVAS, POINTS_MAX, Drawing, drawn, thinned
from reports.lanes import Lane, Line, Shape, Stretch, in_steps, number, states_in_steps
from reports.timeline import Timeline, timeline_of
from tests.histories import Drill, at, innocent_drill

AXIS = Axis(zero_ns=0, seconds=10, step_s=1)


def drawing(timeline: Timeline, title: str) -> Drawing:
    found = [drawing for drawing in timeline.drawings if drawing.lane.title.startswith(title)]
    assert len(found) == 1, [drawing.lane.title for drawing in timeline.drawings]
    return found[0]


def column(timeline: Timeline, name: str) -> list[str]:
    place = timeline.table.columns.index(name)
    return [row[place] for row in timeline.table.rows]


def test_the_axis_runs_from_the_first_phase_to_the_last(tmp_path: Path) -> None:
    axis = axis_of(innocent_drill(tmp_path).ended())
    assert (axis.seconds, axis.step_s, axis.steps) == (85, 1, 85)
    assert [axis.percent(at_s) for at_s in (-5, 0, 42.5, 85, 1e9)] == [0, 0, 50, 100, 100]
    assert list(axis.ticks()) == [0, 20, 40, 60, 80]


def test_a_long_run_has_longer_steps_and_no_more_of_them(tmp_path: Path) -> None:
    hours = {"warm-up": 0.0, "converge": 3000.0, "end": 7200.0}
    axis = axis_of(Drill(tmp_path, phases=hours, promised={"load_s": 3000, "converge_s": 4200}).ended())
    assert axis.seconds == 7200
    assert axis.steps <= STEPS_MAX
    assert len(list(axis.ticks())) <= 9


def test_what_is_cut_off_is_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    drill = Drill(tmp_path, phases={"warm-up": 0, "steady": 5}).operation("a", 6).operation("b", 12)
    drill.reading("lag", 3, 14, final=False)
    drill.recorder.close()
    axis = axis_of(History.load(tmp_path))
    assert axis.seconds == pytest.approx(14)


def test_a_clock_that_jumps_does_not_stretch_the_axis(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 30).operation("b", 4e8)
    drill.recorder.note(Stream.PHASES, PhaseStarted(phase="converge", at_ns=at(5e8)))
    drill.reading("lag", 3, 6e8, final=False)
    history = drill.ended()
    timeline = timeline_of(history)
    assert timeline.axis.jumped
    assert timeline.axis.seconds < 1000
    assert len(timeline.table.rows) <= STEPS_MAX


def test_each_operation_is_drawn_once_by_its_outcome(tmp_path: Path) -> None:
    drill = innocent_drill(tmp_path)
    drill.operation("r", 50.5, "rejected", status=429).operation("u", 51.5, "unknown")
    timeline = timeline_of(drill.ended())
    bars = drawing(timeline, "Operations")
    assert {path.name: path.points for path in bars.paths} == {"ok": 20, "rejected": 1, "unknown": 1}
    assert sum(int(told or 0) for told in column(timeline, "ok")) == 20
    assert column(timeline, "rejected")[50] == "1"
    assert column(timeline, "unknown")[51] == "1"
    assert "20 in all" in bars.label


def test_latency_counts_from_when_it_was_due_and_has_gaps_without_answers(tmp_path: Path) -> None:
    drill = Drill(tmp_path)
    drill.operation("a", 10, took_ms=20, late_ms=80).operation("b", 12, "unknown").operation(
        "c", 14, took_ms=1000
    )
    timeline = timeline_of(drill.ended())
    told = column(timeline, "latency median, ms")
    assert (told[10], told[12], told[14]) == ("100", "", "1000")
    [median, *_] = drawing(timeline, "Latency").paths
    assert (median.points, median.d.count("M")) == (2, 2)
    scale = [tick.told for tick in drawing(timeline, "Latency").ticks]
    assert scale == ["100", "1000"]


def test_what_has_no_answer_has_no_latency_and_a_lane_of_its_own(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 10, took_ms=20).operation("lost", 10.5, "unknown")
    drill.operation("gave up", 10.2, "unknown", took_ms=9_000, error="no whole answer within 9 s", ended=True)
    drill.operation("refused", 10.3, "rejected", took_ms=4_000, error="ConnectionRefusedError")
    drill.operation("unsent", 10.4, "rejected", took_ms=7_000, error=f"{NOT_SENT}5 requests are under way")
    drill.operation("failed", 10.6, "unknown", took_ms=300, status=503, ended=True)
    timeline = timeline_of(drill.ended())
    assert column(timeline, "latency 99th percentile, ms")[10] == "300"
    assert drawing(timeline, "Latency").lane.note.startswith("of 2 answers")
    assert "4 operations had no answer" in drawing(timeline, "Latency").lane.note
    assert column(timeline, "no answer: gave up or found no connection")[10] == "3"
    assert column(timeline, "no answer: could not be sent by the drill itself")[10] == "1"


def test_where_everything_was_answered_there_is_no_lane_of_what_was_not(tmp_path: Path) -> None:
    timeline = timeline_of(Drill(tmp_path).operation("a", 10).ended())
    assert not [drawing for drawing in timeline.drawings if drawing.lane.title.startswith("No answer")]
    assert "0 operations had no answer" in drawing(timeline, "Latency").lane.note


def test_a_percentile_is_the_higher_of_two_answers_and_nothing_between(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 10, took_ms=10).operation("b", 10, took_ms=1_000)
    history = drill.ended()
    assert column(timeline_of(history), "latency median, ms")[10] == "1000"
    assert answered_in(history, Phase.STEADY, 0.5) == Answered(ms=1000, answers=2, without=0)
    assert answered_in(history, Phase.IMPACT, 0.5) is None


def test_phases_and_faults_are_in_the_table_beside_the_figures(tmp_path: Path) -> None:
    timeline = timeline_of(innocent_drill(tmp_path).ended())
    assert [box.name for box in timeline.phases] == ["warm-up", "steady", "impact", "heal", "converge"]
    told = column(timeline, "faults")
    assert (told[25], told[26], told[44], told[46]) == ("", "provider killed", "provider killed", "")
    assert column(timeline, "phase")[44:46] == ["impact", "heal"]


def test_a_recording_of_nothing_is_drawn_as_nothing(tmp_path: Path) -> None:
    drill = Drill(tmp_path, phases={})
    drill.recorder.close()
    timeline = timeline_of(History.load(tmp_path))
    assert timeline.drawings == ()
    assert timeline.axis.steps == 1


def test_a_figure_that_cannot_be_drawn_is_none() -> None:
    assert [number(value) for value in (True, "1", None, float("nan"), 10**400)] == [None] * 5
    assert number(3) == 3.0


def test_a_step_tells_its_lowest_and_highest_value_and_every_state_that_it_saw() -> None:
    assert in_steps(AXIS, [(0.1, 1.0), (0.9, 5.0), (2.0, None), (99.0, 7.0)])[:3] == ("1 to 5", "", "")
    states = [
        Stretch(name="CLOSED", kind="closed", start_s=0, end_s=1.5),
        Stretch(name="OPEN", kind="open", start_s=1.5, end_s=3),
    ]
    assert states_in_steps(AXIS, states)[:4] == ("CLOSED", "CLOSED → OPEN", "OPEN", "")


def test_a_long_series_keeps_its_peaks_its_dips_and_its_gaps() -> None:
    points: list[tuple[float, float | None]] = [(float(n), 3.0) for n in range(10_000)]
    points[1234], points[5678], points[7777] = (1234.0, 99.0), (5678.0, None), (7777.0, 0.0)
    kept = list(thinned(points))
    assert len(kept) <= POINTS_MAX + 2
    assert {(1234.0, 99.0), (5678.0, None), (7777.0, 0.0)} <= set(kept)
    assert kept == sorted(kept, key=lambda point: point[0])


def test_a_short_series_is_drawn_whole() -> None:
    points: list[tuple[float, float | None]] = [(float(n), float(n % 7)) for n in range(POINTS_MAX)]
    assert list(thinned(points)) == points


# A few odd values anywhere in a long series: drawn one by one, its hundreds of values would take longer than thinning.
PLACED = st.dictionaries(st.integers(0, 3 * POINTS_MAX - 1), st.none() | st.floats(-1e6, 1e6), max_size=20)


@settings(deadline=None)
@given(length=st.integers(POINTS_MAX, 3 * POINTS_MAX), placed=PLACED)
def test_thinning_loses_neither_extreme_whatever_the_series(
    length: int, placed: dict[int, float | None]
) -> None:
    values = [placed.get(number, 3.0) for number in range(length)]
    kept = [value for _, value in thinned([(float(number), value) for number, value in enumerate(values)])]
    known = [value for value in values if value is not None]
    assert len(kept) <= POINTS_MAX
    assert (None in kept) == (None in values)
    assert {min(known), max(known)} <= set(kept)


def test_stacked_bars_lie_on_each_other_and_within_the_drawing() -> None:
    lines = tuple(
        Line(name=name, kind=name, points=((0.5, value), (1.5, 0.0)), steps=())
        for name, value in (("ok", 3.0), ("rejected", 1.0))
    )
    ok, rejected = drawn(Lane(title="t", shape=Shape.BARS, lines=lines), AXIS).paths
    assert ok.d.startswith("M0.0 100V")
    top_of_ok = ok.d.split("V")[1].split("h")[0]
    assert rejected.d.startswith(f"M0.0 {top_of_ok}V12h")


def test_a_single_reading_is_seen() -> None:
    line = Line(name="a", kind="read", points=((5.0, 2.0),), steps=())
    [path] = drawn(Lane(title="t", shape=Shape.READINGS, lines=(line,)), AXIS).paths
    assert path.d == f"M{CANVAS / 2:.1f} 12h0.5"
