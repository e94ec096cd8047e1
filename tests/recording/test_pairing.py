"""A finding stands for the claim whose id it has, and for no other."""

from typing import Any

from harness.recording.pairing import unpaired
from harness.recording.records import Finding, Verdict
from tests.histories import run_info


def finding(claim: str) -> Finding:
    return Finding(claim=claim, sentence="s", source="universal", verdict=Verdict.PASS, because="b")


def told(claims: list[dict[str, Any]], *found: str) -> str:
    return " ".join(unpaired(run_info(claims=tuple(claims)), [finding(name) for name in found]))


def claimed(*names: str) -> list[dict[str, Any]]:
    return [{"type": "harness.checks:Claim", "fields": {"id": name}} for name in names]


def test_each_claim_with_its_finding_is_well_in_any_order() -> None:
    assert told(claimed("a", "b"), "b", "a") == ""
    assert told([]) == told(claimed("a")) == ""


def test_a_finding_that_is_there_twice_stands_for_no_other_claim() -> None:
    found = told(claimed("a", "b"), "a", "a")
    assert "1 of 2 claims, by id: what has no finding is b." in found
    assert "what has more than one finding is a." in found


def test_a_finding_of_another_claim_is_told() -> None:
    found = told(claimed("a", "b"), "a", "c")
    assert "what has no finding is b." in found
    assert "what has a finding and is no claim of this run is c." in found


def test_a_claim_that_cannot_be_read_is_called_by_its_place_as_in_judging() -> None:
    odd: list[dict[str, Any]] = [{"fields": 7}, {}]
    assert told(odd, "claim-1", "claim-2") == ""
    assert "claimed more than once is a" in told(claimed("a", "a"), "a")
    assert "more than one finding is c" in told([], "c", "c")
