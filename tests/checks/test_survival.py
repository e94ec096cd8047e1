from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay
from harness.checks.survival import NoServiceEndedByItself
from harness.recording.records import Verdict
from tests.histories import Drill

ALIVE = NoServiceEndedByItself(reading="ended by itself")
GATEWAY = {"service": "gateway-2", "exit_code": -11, "of_target": True}
KAFKA = {"service": "kafka-1", "exit_code": 1, "of_target": False}


@pytest.mark.parametrize(
    ("ended", "verdict", "named"),
    [
        ([], Verdict.PASS, ()),
        ([KAFKA], Verdict.PASS, ()),
        ([GATEWAY], Verdict.FAIL, ("gateway-2",)),
    ],
)
def test_a_service_that_died_by_itself_is_named_even_if_no_customer_missed_it(
    ended: list[dict[str, Any]], verdict: Verdict, named: tuple[str, ...], tmp_path: Path
) -> None:
    conclusion = ALIVE.check(Drill(tmp_path).reading("ended by itself", ended).ended())
    assert (conclusion.verdict, conclusion.examples) == (verdict, named)


def test_a_service_that_died_beside_a_server_may_have_died_of_it(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="gateway-2 died, and so did kafka-1"):
        ALIVE.check(Drill(tmp_path).reading("ended by itself", [KAFKA, GATEWAY]).ended())


@pytest.mark.parametrize("number", [-9, -15])
def test_a_service_that_somebody_else_killed_did_not_end_by_itself(number: int, tmp_path: Path) -> None:
    """As a system does that runs out of memory."""
    killed = {**GATEWAY, "service": "orders", "exit_code": number}
    with pytest.raises(CannotSay, match="orders was killed by somebody"):
        ALIVE.check(Drill(tmp_path / "killed").reading("ended by itself", [killed]).ended())
    both = ALIVE.check(Drill(tmp_path / "both").reading("ended by itself", [killed, GATEWAY]).ended())
    assert (both.verdict, both.examples) == (Verdict.FAIL, ("gateway-2",))
    assert "orders was killed by somebody else" in both.because


def test_where_nobody_looked_nobody_is_known_to_have_lived(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="it never looked"):
        ALIVE.check(Drill(tmp_path).ended())
