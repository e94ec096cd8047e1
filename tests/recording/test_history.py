import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import RecordingError
from harness.recording.history import History
from harness.recording.records import Done, Intent, Outcome, Phase, PhaseStarted, Reading, Stream
from harness.recording.rundir import RUN_FILE, stream_path
from tests.histories import Drill, at, innocent_drill, innocent_tables, run_info, wall_ms


def _append(run_dir: Path, stream: Stream, content: bytes) -> None:
    with stream_path(run_dir, stream).open("ab") as file:
        file.write(content)


def test_intent_and_outcome_become_one_row(tmp_path: Path) -> None:
    history = Drill(tmp_path).operation("a", 10, took_ms=30, expect="declined").ended()
    assert history.operations.to_dicts() == [
        {
            "id": 0,
            "name": "place_order",
            "key": "a",
            "intended_ns": at(10),
            "sent_ns": at(10),
            "detail": '{"expect": "declined"}',
            "done_ns": at(10.03),
            "outcome": "ok",
            "status": 202,
            "error": "",
            "result": "{}",
        }
    ]
    assert history.damage == ()


def test_an_operation_without_an_answer_is_unknown(tmp_path: Path) -> None:
    row = Drill(tmp_path).operation("a", 10, "unknown").ended().operations.row(0, named=True)
    assert (row["outcome"], row["done_ns"], row["status"]) == ("unknown", None, 0)


def test_a_torn_last_line_is_left_out_and_noted(tmp_path: Path) -> None:
    Drill(tmp_path).operation("a", 10).ended()
    _append(tmp_path, Stream.OPERATIONS, b'{"id": 1, "name": "place')
    history = History.load(tmp_path)
    assert history.operations.height == 1
    assert history.damage == ("operations: the last line was torn, 24 bytes were left out",)


def test_lost_whole_lines_are_missed(tmp_path: Path) -> None:
    Drill(tmp_path).operation("a", 10).ended()
    path = stream_path(tmp_path, Stream.OPERATIONS)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    history = History.load(tmp_path)
    assert history.operations["outcome"].to_list() == ["unknown"]
    assert history.damage == ("operations: 1 of 2 lines are missing",)


def test_lines_that_came_after_the_end_are_noticed(tmp_path: Path) -> None:
    Drill(tmp_path).operation("a", 10).ended()
    path = stream_path(tmp_path, Stream.OPERATIONS)
    path.write_bytes(path.read_bytes() * 2)
    assert History.load(tmp_path).damage_to([Stream.OPERATIONS])[0] == (
        "operations: 2 lines came after the run had ended"
    )
    stream_path(tmp_path, Stream.FAULTS).write_bytes(b"{}\n")  # this run had none
    assert History.load(tmp_path).damage_to([Stream.FAULTS])[0] == (
        "faults: 1 lines came after the run had ended"
    )


def test_a_changed_line_is_noticed_though_it_can_be_read(tmp_path: Path) -> None:
    Drill(tmp_path).operation("a", 10, "rejected").ended()
    path = stream_path(tmp_path, Stream.OPERATIONS)
    path.write_bytes(path.read_bytes().replace(b"rejected", b"ok"))
    (damage,) = History.load(tmp_path).damage
    assert "it was changed after the run had ended" in damage


def test_a_missing_stream_is_noted(tmp_path: Path) -> None:
    Drill(tmp_path).operation("a", 10).ended()
    stream_path(tmp_path, Stream.OPERATIONS).unlink()
    history = History.load(tmp_path)
    assert history.operations.is_empty()
    assert history.damage == ("operations: the file is missing",)


def test_a_stream_that_a_completed_run_never_had_is_no_damage(tmp_path: Path) -> None:
    history = Drill(tmp_path).ended()
    assert (history.faults, history.machine, history.damage) == ((), (), ())


def test_one_broken_line_costs_only_itself(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 10)
    _append(tmp_path, Stream.OPERATIONS, b'{"id": 5,\n\xff\xfe\n[1]\n{"e": "done", "id": "x"}\n\n')
    history = drill.operation("b", 11).ended()
    assert history.operations["key"].to_list() == ["a", "b"]
    assert history.operations["outcome"].to_list() == ["ok", "ok"]
    assert history.damage == ("operations: 5 lines could not be read and were left out",)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_is_refused_with_the_way_out(version: object, tmp_path: Path) -> None:
    Drill(tmp_path).ended()
    document = json.loads((tmp_path / RUN_FILE).read_text())
    (tmp_path / RUN_FILE).write_text(json.dumps({**document, "format_version": version}))
    with pytest.raises(RecordingError, match=r"format_version.*drillbook version named"):
        History.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"format_version": 1}'])
def test_a_damaged_run_file_is_a_clear_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_bytes(content)
    with pytest.raises(RecordingError, match="damaged"):
        History.load(tmp_path)


def test_a_folder_without_a_run_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is no run directory"):
        History.load(tmp_path / "nowhere")


def test_clocks_that_jump_are_noted(tmp_path: Path) -> None:
    drill = Drill(tmp_path, phases={"steady": 10, "impact": 5, "end": 20})
    drill.operation("a", 10, took_ms=-5).operation("b", 8)
    drill.reading("lag", 1, 12).reading("lag", 1, 11)
    drill.heartbeat(until_s=2).heartbeat(until_s=1)
    told = " ".join(drill.ended().damage)
    for stream in ("operations: 1 operations ended before", "operations: 1 operations were sent over 1 s"):
        assert stream in told
    for stream in ("phases: phases", "readings: 1 readings", "machine: heartbeats"):
        assert stream in told


def test_ids_that_repeat_and_outcomes_of_nothing_are_noted(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("a", 10)
    again = Intent(id=0, name="n", key="b", intended_ns=at(11), sent_ns=at(11))
    drill.recorder.note(Stream.OPERATIONS, again)
    drill.recorder.note(Stream.OPERATIONS, Done(id=9, done_ns=at(12), outcome=Outcome.OK, status=200))
    history = drill.ended()
    assert history.operations["key"].to_list() == ["a"]
    assert len(history.damage) == 2


def test_a_phase_lasts_until_the_next(tmp_path: Path) -> None:
    history = Drill(tmp_path).ended()
    steady = history.phase(Phase.STEADY)
    assert steady is not None
    assert (steady.start_ns, steady.end_ns, steady.seconds) == (at(5), at(25), 20.0)


def test_a_phase_that_was_cut_off_has_no_span(tmp_path: Path) -> None:
    history = Drill(tmp_path, phases={"warm-up": 0, "steady": 5}).ended("interrupted")
    assert history.phase(Phase.STEADY) is None
    assert "phases: the last phase has no end" in history.damage


def test_a_fault_is_one_episode(tmp_path: Path) -> None:
    (episode,) = Drill(tmp_path).fault().ended().faults
    stages = (episode.requested_ns, episode.active_ns, episode.healing_ns, episode.healed_ns)
    assert stages == (at(25), at(26), at(45), at(45.5))
    assert (episode.seen, episode.healed_seen) == (True, True)
    assert episode.effect == "5 of 5 connections refused"


def test_a_silence_was_there_while_it_was_being_waited_in(tmp_path: Path) -> None:
    silent = Drill(tmp_path / "silent").fault(measured={"waited_s": 1.5}).ended().faults[0]
    refused = Drill(tmp_path / "refused").fault().ended().faults[0]
    never = Drill(tmp_path / "never").fault(bit=False).ended().faults[0]
    assert [episode.since_ns for episode in (silent, refused, never)] == [at(24.5), at(26), None]


def test_a_fault_that_failed_tells_why(tmp_path: Path) -> None:
    (episode,) = Drill(tmp_path).fault(bit=False).ended().faults
    assert (episode.active_ns, episode.seen, episode.effect) == (None, False, "it still answers")


def test_the_final_reading_is_the_last_that_could_look(tmp_path: Path) -> None:
    drill = Drill(tmp_path).reading("lag", 5, 30, final=False).reading("lag", 3, 80).reading("lag", 4, 81)
    history = drill.reading("lag", None, 82, error="timed out").reading("other", None, error="no").ended()
    assert history.final_reading("lag") == 4
    assert history.final_reading("other") is None
    assert history.final_reading("never") is None
    assert [seen.value for seen in history.readings("lag")] == [5, 3, 4]
    assert [seen.value for seen in history.readings("lag", history.phase(Phase.IMPACT))] == [5]


def test_wall_times_come_to_the_runs_own_clock(tmp_path: Path) -> None:
    history = Drill(tmp_path).heartbeat().ended()
    assert abs(wall_ms(46) * 1e6 + history.wall_offset_ns - at(46)) < 1_000_000
    assert history.wall_drift_ns == 0


@pytest.mark.parametrize("by_s", [-12, 0.2, 4])
def test_a_wall_clock_that_was_set_is_noticed(by_s: float, tmp_path: Path) -> None:
    assert Drill(tmp_path).heartbeat(set_by_s=by_s).ended().wall_drift_ns == abs(by_s) * 1_000_000_000


def test_a_wall_clock_that_nobody_looked_at_may_have_been_set(tmp_path: Path) -> None:
    assert Drill(tmp_path).ended().wall_drift_ns is None


def test_the_streams_somebody_looks_at_are_known(tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).ended()
    with history.watched() as outer:
        assert not history.operations.is_empty()
        with history.watched() as inner:
            assert history.faults
    assert (outer, inner) == ({Stream.OPERATIONS, Stream.FAULTS}, {Stream.FAULTS})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stream=st.sampled_from([stream for stream in Stream if stream is not Stream.FINDINGS]),
    place=st.floats(0, 1),
    rubbish=st.binary(max_size=40),
)
def test_no_bytes_in_a_stream_make_loading_break(
    stream: Stream, place: float, rubbish: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    innocent_drill(run_dir).tables(innocent_tables(2, 1)).ended()
    path = stream_path(run_dir, stream)
    content = path.read_bytes() if path.exists() else b""
    cut = round(place * len(content))
    path.write_bytes(content[:cut] + rubbish + content[cut + len(rubbish) :])
    history = History.load(run_dir)
    assert history.operations.height <= 20
    assert history.final_reading("orders") is None or "orders" in history.probes


def test_other_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    Drill(tmp_path).ended()
    document = json.loads((tmp_path / RUN_FILE).read_text())
    (tmp_path / RUN_FILE).write_text(json.dumps({**document, "weather": "rain"}))
    assert replace(History.load(tmp_path).run, claims=(), lines={}, digests={}) == run_info(ended="completed")


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    drill = Drill(tmp_path)
    value = {"a": [1, 2.5, None, "ü\u0000\U0001f600"], "b": {"c": True}}
    drill.recorder.note(Stream.READINGS, Reading(probe="p", at_ns=1, took_ns=2, value=value, final=True))
    drill.recorder.note(Stream.PHASES, PhaseStarted(phase="x", at_ns=at(99)))
    assert drill.ended().final_reading("p") == value
