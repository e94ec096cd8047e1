import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.checks import Check, Claim, Conclusion, Evidence, Kind, Missing, Seen, from_record, to_record
from harness.checks.evidence import FaultBit, FaultHealed, HealthyBefore
from harness.checks.hazards import SomeRows, Then, UnheardCharges
from harness.checks.judging import judge, overall
from harness.checks.load import LoadReached, UnderLoad
from harness.checks.machine import MachineCalm, MachineUncrowded
from harness.checks.rest import AtRest
from harness.checks.steady import SteadyAgain
from harness.errors import ConfigError, RecordingError
from harness.recording.history import History
from harness.recording.records import Phase, Stream, Verdict
from harness.recording.rundir import read_run, stream_path, write_run
from tests.checks.crimes import charge_again
from tests.checks.test_tables_checks import ALL, EVENTS, LOST, MONEY, SETTLED, STOCK, TWICE
from tests.histories import LEDGER, Drill, innocent_drill, innocent_tables

CALM = MachineCalm(phases=(Phase.IMPACT,), max_stall_ms=100)


@dataclass(frozen=True, kw_only=True)
class Brittle:
    """A check that breaks, as ours may one day."""

    only_for_rates: ClassVar[bool] = False

    def check(self, history: History) -> Conclusion:
        raise ZeroDivisionError("by design")


def claim(check: Check, *evidence: Evidence, kind: Kind = Kind.SAFETY, name: str = "c") -> Claim:
    return Claim(
        id=name, sentence="It holds.", source="universal", check=check, counts_only_if=evidence, kind=kind
    )


def _claims() -> tuple[Claim, ...]:
    whole = [claim(check, FaultBit(), CALM, name=type(check).__name__) for check in ALL]
    return (*whole, claim(TWICE, CALM, FaultHealed(), kind=Kind.RATE, name="rate"))


def _verdict(history: History, one: Claim) -> Verdict:
    return judge(history, [one])[0].verdict


def _guilty(tmp_path: Path) -> Drill:
    tables = innocent_tables()
    charge_again(tables)
    return Drill(tmp_path).tables(tables)


def test_an_innocent_run_with_its_evidence_is_green(tmp_path: Path) -> None:
    findings = judge(innocent_drill(tmp_path, *_claims()).tables(innocent_tables()).ended())
    assert {finding.verdict for finding in findings} == {Verdict.PASS}, findings
    assert overall(findings) is Verdict.PASS


@pytest.mark.parametrize("ended", ["completed", "aborted: the disk is full", ""])
def test_a_contradicted_safety_claim_fails_whatever_else_went_wrong(ended: str, tmp_path: Path) -> None:
    finding = judge(_guilty(tmp_path).ended(ended), [claim(TWICE, FaultBit(), CALM)])[0]
    assert finding.verdict is Verdict.FAIL
    assert finding.examples == ("o010",)


@pytest.mark.parametrize("kind", [Kind.LIVENESS, Kind.RATE])
def test_other_claims_are_not_convicted_without_their_evidence(kind: Kind, tmp_path: Path) -> None:
    finding = judge(_guilty(tmp_path).ended(), [claim(TWICE, FaultHealed(), kind=kind)])[0]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "no fault was requested" in finding.because


@pytest.mark.parametrize("kind", list(Kind))
def test_a_fault_that_did_not_bite_is_no_excuse(kind: Kind, tmp_path: Path) -> None:
    """Without it the claim was easy to keep, and it was broken all the same."""
    finding = judge(_guilty(tmp_path).ended(), [claim(TWICE, FaultBit(), kind=kind)])[0]
    assert finding.verdict is Verdict.FAIL
    assert finding.evidence[0].startswith("not seen, which can only have made it easier to hold: no fault")


def _planned(tmp_path: Path, *, bit: bool, healed: bool = True) -> History:
    drill = Drill(tmp_path, promised={"faults": [{"title": "provider killed", "seconds": 20}]})
    for number in range(20):
        drill.operation(
            f"o{number:03}",
            26 + number,
            expect="declined" if number < 4 else "ok",
            cents=500,
            contents="mug:2",
        )
    return drill.fault(bit=bit, healed=healed).heartbeat().tables(innocent_tables()).ended()


@pytest.mark.parametrize("check", ALL, ids=lambda check: type(check).__name__)
def test_in_a_drill_with_faults_no_claim_is_green_unless_they_bit_and_were_healed(
    check: Check, tmp_path: Path
) -> None:
    """No claim has to say so: one that forgot would be green for nothing."""
    assert _verdict(_planned(tmp_path / "bit", bit=True), claim(check)) is Verdict.PASS
    harmless = judge(_planned(tmp_path / "harmless", bit=False), [claim(check)])[0]
    assert harmless.verdict is Verdict.INCONCLUSIVE
    assert any(told.startswith("MISSING: provider killed did not bite") for told in harmless.evidence)
    unhealed = judge(_planned(tmp_path / "unhealed", bit=True, healed=False), [claim(check)])[0]
    assert unhealed.verdict is Verdict.INCONCLUSIVE


def test_what_goes_without_saying_is_told_once(tmp_path: Path) -> None:
    told = judge(_planned(tmp_path, bit=True), [claim(TWICE, FaultBit())])[0].evidence
    assert [line for line in told if "refused" in line] == [
        "seen: provider killed: 5 of 5 connections refused"
    ]


def test_a_drill_without_faults_needs_none(tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).tables(innocent_tables()).ended()
    assert judge(history, [claim(TWICE)])[0].evidence == ()


def test_a_machine_stall_excuses_rates_only(tmp_path: Path) -> None:
    history = innocent_drill(tmp_path, stall_ms=900).tables(innocent_tables()).ended()
    assert _verdict(history, claim(EVENTS, CALM, kind=Kind.RATE)) is Verdict.INCONCLUSIVE
    safe = judge(history, [claim(EVENTS, CALM)])[0]
    assert safe.verdict is Verdict.PASS
    assert safe.evidence[0].startswith("not needed by a safety claim")


@pytest.mark.parametrize("ended", ["", "aborted: no memory", "interrupted"])
def test_a_run_that_did_not_end_is_never_green(ended: str, tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).tables(innocent_tables()).ended(ended)
    assert _verdict(history, claim(TWICE)) is Verdict.INCONCLUSIVE


def test_a_damaged_heartbeat_does_not_touch_a_safety_claim(tmp_path: Path) -> None:
    innocent_drill(tmp_path).tables(innocent_tables()).ended()
    stream_path(tmp_path, Stream.MACHINE).unlink()
    history = History.load(tmp_path)
    assert _verdict(history, claim(EVENTS, CALM)) is Verdict.PASS
    assert _verdict(history, claim(EVENTS, CALM, kind=Kind.RATE)) is Verdict.INCONCLUSIVE


def test_missing_evidence_is_named(tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).fault("other", bit=False).tables(innocent_tables()).ended()
    finding = judge(history, [claim(TWICE, FaultBit())])[0]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "other did not bite: it still answers" in finding.because


def test_no_claims_prove_nothing(tmp_path: Path) -> None:
    assert overall(judge(Drill(tmp_path).ended())) is Verdict.INCONCLUSIVE


def test_a_check_that_breaks_is_inconclusive_and_stops_no_other(tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).tables(innocent_tables()).ended()
    broken, fine = judge(history, [claim(Brittle()), claim(TWICE, name="d")])
    assert broken.verdict is Verdict.INCONCLUSIVE
    assert "Brittle itself broke: ZeroDivisionError" in broken.because
    assert fine.verdict is Verdict.PASS


def test_two_claims_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="occur twice"):
        judge(Drill(tmp_path).ended(), [claim(TWICE), claim(MONEY)])


def test_judging_again_from_disk_finds_the_same(tmp_path: Path) -> None:
    first = judge(innocent_drill(tmp_path, *_claims()).tables(innocent_tables()).ended())
    assert judge(History.load(tmp_path)) == first
    assert judge(History.load(tmp_path), _claims()) == first


def test_claims_survive_json() -> None:
    others: tuple[Evidence, ...] = (
        HealthyBefore(operation="place_order"),
        LoadReached(phase=Phase.HEAL, rate_per_s=20),
        SomeRows(reading="x", what="rows", where={"status": ("A", "B")}, moment=Phase.IMPACT),
        AtRest(open_work=("open_work", "unread"), quiet_s=1.5),
        UnderLoad(share=0.6),
        UnheardCharges(ledger=LEDGER, fault="answers lost", patience_s=1.5, then=Then.GIVEN_BACK),
        MachineUncrowded(phases=(Phase.HEAL,), if_missing=Missing.EXCUSES),
    )
    for whole in (*_claims(), claim(SteadyAgain(operation="place_order"), *others, kind=Kind.RATE)):
        again = from_record(json.loads(json.dumps(to_record(whole))))
        assert again == whole
        assert isinstance(again.kind, Kind)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"type": "antigravity:Flight", "fields": {}},
        {"type": "harness.checks.money:NoSuch", "fields": {}},
        {"type": "harness.clock:SystemClock", "fields": {}},
        {"type": "harness.checks.money:ChargedAtMostOnce", "fields": {"colour": "red"}},
        {"type": "harness.checks.money:ChargedAtMostOnce", "fields": 3},
        {"type": 3, "fields": {}},
    ],
)
def test_claims_that_cannot_be_made_again_are_a_clear_error(record: dict[str, object]) -> None:
    with pytest.raises(RecordingError, match="no claim can be made"):
        from_record(record)


@pytest.mark.parametrize(
    ("type_name", "fields", "said"),
    [
        ("harness.checks.money:ChargedAtMostOnce", {"colour": "red"}, "it has no colour"),
        ("harness.checks.money:NoSuch", {}, "NoSuch"),
        ("harness.gone:NoSuch", {}, "harness.gone"),
        ("antigravity:Flight", {}, "antigravity"),
    ],
)
def test_a_claim_that_cannot_be_made_any_more_says_so_and_the_others_are_judged(
    type_name: str, fields: dict[str, str], said: str, tmp_path: Path
) -> None:
    innocent_drill(tmp_path, claim(TWICE, name="gone"), claim(MONEY, name="here")).tables(
        innocent_tables()
    ).ended()
    run = read_run(tmp_path)
    record = json.loads(json.dumps(run.claims[0]))
    record["fields"]["check"] = {"type": type_name, "fields": fields}
    write_run(tmp_path, replace(run, claims=(record, *run.claims[1:])))
    gone, here = judge(History.load(tmp_path))
    assert (gone.claim, gone.verdict, gone.sentence) == ("gone", Verdict.INCONCLUSIVE, "It holds.")
    assert said in gone.because
    assert here.verdict is Verdict.PASS
    assert overall((gone, here)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("record", [{}, {"type": 3, "fields": 3}, to_record(TWICE)], ids=repr)
def test_what_is_no_claim_at_all_is_never_green(record: dict[str, object], tmp_path: Path) -> None:
    innocent_drill(tmp_path, claim(MONEY)).tables(innocent_tables()).ended()
    write_run(tmp_path, replace(read_run(tmp_path), claims=(record, record)))
    findings = judge(History.load(tmp_path))
    assert [(finding.claim, finding.verdict) for finding in findings] == [
        ("claim-1", Verdict.INCONCLUSIVE),
        ("claim-2", Verdict.INCONCLUSIVE),
    ]


def test_the_streams_a_claim_looked_at_decide_which_damage_matters(tmp_path: Path) -> None:
    innocent_drill(tmp_path).tables(innocent_tables()).ended()
    stream_path(tmp_path, Stream.OPERATIONS).write_bytes(b'{"e": "int')
    history = History.load(tmp_path)
    assert _verdict(history, claim(STOCK)) is Verdict.PASS
    finding = judge(history, [claim(LOST)])[0]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "operations: the last line was torn" in finding.because


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stream=st.sampled_from(
        [Stream.OPERATIONS, Stream.PHASES, Stream.FAULTS, Stream.READINGS, Stream.MACHINE]
    ),
    lines=st.integers(1, 3),
    torn=st.booleans(),
    crime=st.sampled_from(["", "orders", "saga_log", "applied_events", "stock", "ledger"]),
)
def test_losing_the_end_of_a_stream_never_turns_anything_green(
    stream: Stream, lines: int, torn: bool, crime: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    tables = innocent_tables(8, 2)
    if crime:
        tables[crime].pop()
    before = judge(innocent_drill(run_dir, *_claims()).tables(tables).ended())
    path = stream_path(run_dir, stream)
    kept = path.read_bytes().splitlines(keepends=True)
    lost = b"".join(kept[-lines:])
    path.write_bytes(b"".join(kept[:-lines]) + (lost[: len(lost) // 2] if torn else b""))
    for was, now in zip(before, judge(History.load(run_dir)), strict=True):
        assert now.verdict is not Verdict.PASS or was.verdict is Verdict.PASS


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), guilty=st.booleans())
def test_the_order_of_a_tables_rows_does_not_matter(
    chance: object, guilty: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables = innocent_tables(8, 2)
    if guilty:
        tables["ledger"] += [dict(row) for row in tables["ledger"][:3]]
        tables["orders"][5]["status"] = "PENDING"
    claims = [replace(one, counts_only_if=()) for one in _claims()]
    first = judge(innocent_drill(tmp_path_factory.mktemp("a")).tables(tables).ended(), claims)
    for rows in tables.values():
        chance.shuffle(rows)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    again = judge(innocent_drill(tmp_path_factory.mktemp("b")).tables(tables).ended(), claims)
    assert again == first


def test_a_completed_run_without_its_line_counts_is_not_trusted(tmp_path: Path) -> None:
    innocent_drill(tmp_path).tables(innocent_tables()).ended()
    write_run(tmp_path, replace(read_run(tmp_path), lines={}))
    assert _verdict(History.load(tmp_path), claim(SETTLED)) is Verdict.INCONCLUSIVE


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Evidence that is never there."""

    if_missing: Missing
    only_for_rates: ClassVar[bool] = True

    def seen(self, history: History) -> Seen:
        del history
        return Seen(ok=False, sentence="it was not there")


@dataclass(frozen=True, kw_only=True)
class Concluded:
    """A check that was decided beforehand."""

    verdict: Verdict

    def check(self, history: History) -> Conclusion:
        del history
        return Conclusion(verdict=self.verdict, because="so it was")


@pytest.mark.parametrize(
    ("verdict", "if_missing", "judged"),
    [
        (Verdict.PASS, Missing.EXCUSES, Verdict.PASS),
        (Verdict.PASS, Missing.VOIDS, Verdict.INCONCLUSIVE),
        (Verdict.PASS, Missing.BOTH, Verdict.INCONCLUSIVE),
        (Verdict.FAIL, Missing.EXCUSES, Verdict.INCONCLUSIVE),
        (Verdict.FAIL, Missing.VOIDS, Verdict.FAIL),
        (Verdict.FAIL, Missing.BOTH, Verdict.INCONCLUSIVE),
        (Verdict.INCONCLUSIVE, Missing.EXCUSES, Verdict.INCONCLUSIVE),
        (Verdict.INCONCLUSIVE, Missing.VOIDS, Verdict.INCONCLUSIVE),
    ],
)
def test_evidence_is_missed_where_its_absence_can_have_brought_about_what_was_seen(
    verdict: Verdict, if_missing: Missing, judged: Verdict, tmp_path: Path
) -> None:
    history = innocent_drill(tmp_path / "r").tables(innocent_tables()).ended()
    one = claim(Concluded(verdict=verdict), Absent(if_missing=if_missing), kind=Kind.RATE)
    finding = judge(history, [one])[0]
    assert finding.verdict is judged
    lost = finding.verdict is Verdict.INCONCLUSIVE
    assert finding.evidence[0].startswith("MISSING: " if lost else "not seen, which can only have made it")
