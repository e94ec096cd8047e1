"""What a page says of a run: its top, its claims, the operations behind them, and what the run was made of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.recording.records import NOT_SENT, Finding, Verdict
from harness.recording.rundir import read_run, write_findings, write_run
from reports.claims import headings, shared_evidence
from reports.page import Page, page_of
from reports.summary import BAD_TOLD_MAX
from reports.trails import NAMED_MAX
from tests.histories import Drill, innocent_drill, innocent_tables

LOAD, BITE, HAZARD = "seen: 94% of the load", "seen: it bit", "seen: 3 records came twice"


def finding(verdict: Verdict = Verdict.PASS, claim: str = "c", **changes: Any) -> Finding:
    plain: dict[str, Any] = {"sentence": f"{claim} holds.", "source": "universal", "because": "3 of 5"}
    return Finding(claim=claim, verdict=verdict, **plain | {"evidence": (LOAD, BITE)} | changes)


def judged(drill: Drill, *findings: Finding, **changes: Any) -> Page:
    run_dir = drill.ended().run_dir
    if changes:
        write_run(run_dir, replace(read_run(run_dir), **changes))
    write_findings(run_dir, findings)
    return page_of(run_dir)


def answer(page: Page, question: str) -> tuple[str, ...]:
    return next(answer.sentences for answer in page.summary.answers if answer.question == question)


def test_a_pass_says_what_held_while_what_was_broken(tmp_path: Path) -> None:
    page = judged(innocent_drill(tmp_path), finding(), finding(claim="own", source="Payment"))
    assert page.standing.verdict is Verdict.PASS
    assert page.summary.sentence == "All 2 claims held while “provider killed” had its effect."
    assert answer(page, "What the guide claims") == (
        "own holds.",
        "And what must hold of every run: 1 claim, listed below.",
    )
    assert page.summary.answers[0].intro == "Under “Payment”"
    done = answer(page, "What was done")
    assert done[0] == "20 place_order were sent."
    assert done[2].startswith("provider killed, from 26.0 s to 45.0 s; seen to be healed at 45.5 s")
    assert done[2].endswith("Measured: 5 of 5 connections refused.")
    assert "Operations: 20 ok." in answer(page, "What was seen")
    assert answer(page, "How sure that is")[0] == "The claims rest on 2 conditions: 2 were seen to be met."
    assert answer(page, "How sure that is")[-1].startswith("The recording is whole")


def test_a_fail_says_which_claim_of_the_guide_is_not_true_and_why(tmp_path: Path) -> None:
    failed = finding(Verdict.FAIL, "own", source="Payment", because="7 were charged twice")
    page = judged(innocent_drill(tmp_path), finding(Verdict.FAIL, "general"), failed, finding(claim="c2"))
    assert page.summary.sentence == (
        "It is not true that “own holds”: 7 were charged twice. 1 other claim failed too."
    )
    assert answer(page, "What was seen")[0] == "FAIL: own holds: 7 were charged twice."


def test_an_inconclusive_run_says_about_what_nothing_can_be_said(tmp_path: Path) -> None:
    unsure = finding(Verdict.INCONCLUSIVE, "own", because="no load ran", evidence=("MISSING: the load", LOAD))
    page = judged(innocent_drill(tmp_path), finding(), unsure)
    assert page.summary.sentence.startswith(
        "Nothing can be said about 1 claim, such as “own holds”: no load ran."
    )
    assert answer(page, "How sure that is")[0] == (
        "The claims rest on 3 conditions: 2 were seen to be met, 1 missing."
    )


def test_a_run_without_a_fault_says_what_it_is_for(tmp_path: Path) -> None:
    page = judged(Drill(tmp_path).operation("a", 10), finding())
    assert page.summary.sentence == "All 1 claim held with no fault that had an effect."
    assert answer(page, "What was done")[-1].startswith("Nothing was broken")


def test_nothing_is_said_to_have_held_under_a_fault_that_was_gone(tmp_path: Path) -> None:
    page = judged(Drill(tmp_path).fault(lapsed="the toxic was gone"), finding())
    assert page.summary.sentence == "All 1 claim held with “provider killed” gone before the time."


def test_a_flood_is_what_was_done_where_nothing_was_broken(tmp_path: Path) -> None:
    drill = Drill(tmp_path, promised={"rate_per_s": 6, "impact_rate_per_s": 84}).operation("a", 10)
    page = judged(drill, finding())
    assert page.summary.sentence == (
        "All 1 claim held with 84 requests a second asked for in impact instead of 6."
    )


def test_of_many_claims_that_say_nothing_the_own_ones_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    unsure = [finding(Verdict.INCONCLUSIVE, f"u{number}") for number in range(9)]
    page = judged(innocent_drill(tmp_path), *unsure, finding(Verdict.INCONCLUSIVE, "own", source="Payment"))
    seen = [told for told in answer(page, "What was seen") if told.startswith("INCONCLUSIVE")]
    assert seen[0] == "INCONCLUSIVE: own holds: 3 of 5."
    assert seen[-1] == f"INCONCLUSIVE: {10 - BAD_TOLD_MAX} other claims, told below."
    assert len(seen) == BAD_TOLD_MAX + 1


def test_evidence_that_can_only_have_made_it_harder_is_counted_apart(tmp_path: Path) -> None:
    harder = "not seen, which can only have made it harder to hold: the load"
    page = judged(innocent_drill(tmp_path), finding(evidence=(LOAD, BITE, harder), precision="± 1 ms"))
    sure = answer(page, "How sure that is")
    assert sure[0].endswith("2 were seen to be met, 1 not, which can only have made claims harder to hold.")
    assert sure[1] == "Precision of c: ± 1 ms."


def test_a_planted_defect_is_named(tmp_path: Path) -> None:
    page = judged(innocent_drill(tmp_path), finding(), variants=("forgets",))
    assert answer(page, "What was done")[-1].startswith("The target ran with forgets switched on")


def test_green_findings_of_a_run_that_did_not_end_are_not_green(tmp_path: Path) -> None:
    page = judged(innocent_drill(tmp_path), finding(), ended="aborted: no link is called 'x'")
    assert page.standing.verdict is Verdict.INCONCLUSIVE
    assert "did not come to its planned end: aborted" in page.standing.warnings[-1]
    assert "but that proves nothing" in page.summary.sentence


def test_fewer_findings_than_claims_are_not_green(tmp_path: Path) -> None:
    page = judged(
        innocent_drill(tmp_path), finding(), claims=({"fields": {"id": "c"}}, {"fields": {"id": "two"}})
    )
    assert page.standing.verdict is Verdict.INCONCLUSIVE
    assert "what has no finding is two" in page.standing.warnings[0]


def test_a_run_that_was_held_again_says_so_and_is_never_green(tmp_path: Path) -> None:
    judged(innocent_drill(tmp_path / "one.again-1"), finding(), supersedes="one")
    page = judged(innocent_drill(tmp_path / "one"), finding(verdict=Verdict.INCONCLUSIVE))
    assert page.standing.superseded
    assert page.standing.verdict is Verdict.INCONCLUSIVE


def test_what_every_claim_rests_on_is_told_once() -> None:
    findings = [finding(), finding(claim="d", evidence=(LOAD, HAZARD, BITE))]
    assert shared_evidence(findings) == (LOAD, BITE)
    [heading] = headings(findings, {})
    assert [claim.evidence for claim in heading.claims] == [(), (HAZARD,)]
    assert shared_evidence(findings[:1]) == ()


def test_evidence_that_is_missing_is_told_with_each_claim_and_first() -> None:
    missing = "MISSING: the load"
    findings = [finding(Verdict.INCONCLUSIVE, name, evidence=(LOAD, HAZARD, missing)) for name in "ab"]
    [heading] = headings(findings, {})
    assert heading.claims[0].evidence == (missing,)


def test_claims_of_the_guide_come_first_and_the_worst_of_them_above() -> None:
    findings = [
        finding(),
        finding(claim="good", source="Payment"),
        finding(Verdict.FAIL, "bad", source="Payment"),
        finding(Verdict.FAIL, "general"),
    ]
    found = headings(findings, {})
    assert [heading.title for heading in found] == ["Guide: Payment", "What must hold of every run"]
    assert [claim.name for heading in found for claim in heading.claims] == ["bad", "good", "general", "c"]
    assert [claim.opened for heading in found for claim in heading.claims] == [True, True, True, False]


def test_a_claim_leads_to_its_operation_and_that_to_what_the_target_wrote_down(tmp_path: Path) -> None:
    drill = innocent_drill(tmp_path).tables(innocent_tables())
    page = judged(drill, finding(Verdict.FAIL, "c", examples=("o003", "no-such")))
    examples = page.headings[0].claims[0].examples
    assert examples == (("o003", "operation-3"), ("no-such", ""))
    shown = page.operations.shown[0]
    assert (shown.anchor, shown.key, shown.why) == ("operation-3", "o003", "proves c")
    assert (shown.due_s, shown.ended, shown.outcome) == ("29.000", "answered after 20 ms", "ok")
    told = {record.reading: record.told for record in shown.records}
    assert told["orders"].startswith("status CANCELLED, total_cents 500")
    assert "stock" not in told
    assert [record.at for record in shown.records] == ["46.000 s"] * 5 + [""] * 6
    assert shown.records[0].told == "saga_id s-o003, step_name reserve-inventory, status COMPLETED, seq 30"


def test_operations_that_were_not_ok_are_shown_and_many_are_counted(tmp_path: Path) -> None:
    drill = Drill(tmp_path)
    for number in range(200):
        drill.operation(f"o{number}", 10 + number / 10, "rejected" if number % 2 else "ok", status=503)
    named = tuple(f"o{number}" for number in range(0, 200, 2))
    page = judged(drill, finding(Verdict.FAIL, examples=named))
    shown = page.operations.shown
    assert sum(operation.why == "proves c" for operation in shown) == NAMED_MAX
    assert sum(operation.why == "not ok" for operation in shown) == 40
    assert page.operations.told.startswith(
        "200 operations were due. Shown are 100: of 100 that a claim names 60"
    )


def test_no_operation_is_said_to_be_answered_that_was_not(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("ok", 30).operation("lost", 31, "unknown")
    drill.operation("late", 32, "unknown", took_ms=9_000, error="no whole answer within 9 s", ended=True)
    drill.operation("unsent", 33, "rejected", took_ms=0, error=f"{NOT_SENT}no ports")
    page = judged(drill, finding())
    assert {shown.key: shown.ended for shown in page.operations.shown} == {
        "ok": "answered after 20 ms",
        "lost": "never answered",
        "late": "given up after 9000 ms",
        "unsent": "never sent",
    }
    assert [shown.key for shown in page.operations.shown if shown.why == "among the slowest"] == ["ok"]
    assert page.operations.told.startswith(
        "4 operations were due, of which the drill itself could not send 1."
    )
    seen = answer(page, "What was seen")
    assert "99 of 100 answers came within 20 ms in impact." in seen
    assert "Without an answer, and in none of these times: 3 of 4 due in impact." in seen


def test_the_page_names_no_place_on_the_machine_and_no_secret(tmp_path: Path) -> None:
    settings = {
        "PATH": "/somewhere/bin",
        "PYTHONPATH": "/somewhere/else",
        "LEDGER_PATH": "/var/data/ledger.sqlite",
        "DATABASE_URL": "postgresql://shop:hush@127.0.0.1:5432/orders",
        "API_TOKEN": "hush",
        "SHOP_VARIANTS": "",
        "WAIT_S": 2.5,
    }
    page = judged(innocent_drill(tmp_path), finding(), configuration={"orders": settings, "brokers": 3})
    told = {part.name: {fact.name: fact.told for fact in part.settings} for part in page.configuration}
    assert told == {
        "run": {"brokers": "3"},
        "orders": {
            "LEDGER_PATH": "…/ledger.sqlite",
            "DATABASE_URL": "postgresql://shop:…@127.0.0.1:5432/orders",
            "API_TOKEN": "(not shown)",
            "SHOP_VARIANTS": '""',
            "WAIT_S": "2.5",
        },
    }


def test_a_run_is_told_with_its_replay_line_and_its_date(tmp_path: Path) -> None:
    page = judged(innocent_drill(tmp_path), finding(), versions={"Apache Kafka": "4.4.0"})
    assert page.replay == "drill run saga-payment-outage --seed 7"
    assert page.started == "2026-09-21 14:13:20 UTC"
    assert page.versions[0].told == "4.4.0"
    odd = judged(innocent_drill(tmp_path / "odd"), finding(), anchor_wall_ns=2**62)
    assert odd.started.startswith("2116") or "no date" in odd.started


def test_a_run_that_was_not_judged_is_shown_and_not_green(tmp_path: Path) -> None:
    page = page_of(innocent_drill(tmp_path).ended().run_dir)
    assert page.standing.verdict is Verdict.INCONCLUSIVE
    assert page.summary.sentence == "Nothing was concluded: this run has not been judged."
