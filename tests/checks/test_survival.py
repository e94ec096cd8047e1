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


def test_where_nobody_looked_nobody_is_known_to_have_lived(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="it never looked"):
        ALIVE.check(Drill(tmp_path).ended())
