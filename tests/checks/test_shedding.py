"""Who is refused first where not all can be served, and what is a refusal for want of room."""

from pathlib import Path

import pytest

from harness.checks import CannotSay
from harness.checks.overload import RefusedAtOnce, ShedFirst
from harness.recording.records import Verdict
from tests.histories import Drill

PLACE = "place_order"


@pytest.mark.parametrize(
    ("reads", "orders", "verdict"),
    [(2, 20, Verdict.PASS), (10, 10, Verdict.FAIL), (12, 14, Verdict.FAIL), (20, 2, Verdict.FAIL)],
)
def test_reads_are_refused_first_if_surely_fewer_of_them_are_served(
    reads: int, orders: int, verdict: Verdict, tmp_path: Path
) -> None:
    drill = Drill(tmp_path)
    for number in range(100):
        for key, served, name in (("r", reads, "read"), ("o", orders, PLACE)):
            outcome, status = ("ok", 200) if number < served else ("rejected", 503)
            drill.operation(f"{key}{number}", 26 + number / 10, outcome, status=status, name=name)
    assert ShedFirst(first="read", kept=PLACE).check(drill.ended()).verdict is verdict


def test_of_few_requests_nobody_knows_which_were_refused_first(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("r", 26, "rejected", status=503, name="read").operation("o", 26)
    with pytest.raises(CannotSay, match="only 1 of 1 read were served or refused in impact, wanted 100"):
        ShedFirst(first="read", kept=PLACE).check(drill.ended())


def flooded(tmp_path: Path, *, reads_status: int, orders_served: int = 20) -> Drill:
    """A hundred of each, and no read is served."""
    drill = Drill(tmp_path)
    for number in range(100):
        outcome, status = ("ok", 202) if number < orders_served else ("rejected", 503)
        drill.operation(f"o{number}", 26 + number / 10, outcome, status=status)
        drill.operation(f"r{number}", 26 + number / 10, "rejected", status=reads_status, name="read")
    return drill


def test_who_is_told_that_there_is_nothing_was_not_refused_for_want_of_room(tmp_path: Path) -> None:
    shed, refused = ShedFirst(first="read", kept=PLACE), RefusedAtOnce(operation="", within_ms=100)
    innocent = flooded(tmp_path / "503", reads_status=503).ended()
    assert [check.check(innocent).verdict for check in (shed, refused)] == [Verdict.PASS, Verdict.PASS]
    guilty = flooded(tmp_path / "404", reads_status=404).ended()
    assert refused.check(guilty).verdict is Verdict.FAIL
    with pytest.raises(CannotSay, match="only 0 of 100 read were served or refused"):
        shed.check(guilty)


def test_where_everybody_is_served_nobody_is_refused_first(tmp_path: Path) -> None:
    drill = Drill(tmp_path)
    for number in range(100):
        drill.operation(f"r{number}", 26 + number / 10, name="read").operation(f"o{number}", 26 + number / 10)
    with pytest.raises(CannotSay, match="nobody had to be refused first"):
        ShedFirst(first="read", kept=PLACE).check(drill.ended())
