"""Orders that were left pending, and those that had only just been sent when the fault was healed."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.checks import CannotSay
from harness.checks.liveness import PendingSettlesAfterHeal
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.histories import SAGA_LOG, Drill, wall_ms

# The fault is healed at 45.5 s, and orders that were sent since 41.5 s have time left.
SETTLES = PendingSettlesAfterHeal(
    operation="place_order",
    log=SAGA_LOG,
    last_step="confirm-order",
    within_s=10,
    limit_s=14,
    fault="provider killed",
    margin_s=2,
    at_least=2,
)


def history(run_dir: Path, **sent_and_confirmed_s: tuple[float, float | None]) -> History:
    drill = Drill(run_dir).fault().heartbeat()
    rows = []
    for seq, (order, (sent_s, confirmed_s)) in enumerate(sent_and_confirmed_s.items()):
        drill.operation(order, sent_s)
        status = "RETRYING" if confirmed_s is None else "COMPLETED"
        step = {"saga_id": f"s-{order}", "order_id": order, "step_name": "confirm-order", "status": status}
        rows.append({**step, "seq": seq, "executed_at": wall_ms(confirmed_s or sent_s)})
    return drill.reading("saga_log", rows).ended()


def test_orders_that_were_left_pending_and_are_confirmed_prove_it(tmp_path: Path) -> None:
    left = history(tmp_path, a=(42, 48.0), b=(43, 49.0), young=(45, 46.0))
    conclusion = SETTLES.check(left)
    assert conclusion.verdict is Verdict.PASS
    assert "3 orders were open when the fault was healed; the slowest took 3.500 s" in conclusion.because


def test_an_order_that_was_just_on_its_way_shows_nothing_of_one_that_was_left_pending(tmp_path: Path) -> None:
    """The fault hurt nobody: each order was confirmed in half a second, and two were sent just before the healing."""
    unhurt = history(tmp_path, a=(42, 42.5), b=(43, 43.5), c=(45.2, 45.7), d=(45.4, 45.9))
    with pytest.raises(CannotSay, match=r"of 2 orders .* 0 had been sent 2 s before or earlier, wanted 2"):
        SETTLES.check(unhurt)


@pytest.mark.parametrize("sent_s", [43, 45])
def test_one_that_is_late_convicts_however_few_there_were(tmp_path: Path, sent_s: float) -> None:
    conclusion = SETTLES.check(history(tmp_path, late=(sent_s, None)))
    assert (conclusion.verdict, conclusion.examples) == (Verdict.FAIL, ("late",))


@pytest.mark.parametrize(("margin_s", "at_least"), [(-1, 1), (4, 1), (2, 0)])
def test_what_no_order_could_count_for_is_refused(margin_s: float, at_least: int) -> None:
    with pytest.raises(ConfigError, match="no order could count, or none would be enough"):
        replace(SETTLES, margin_s=margin_s, at_least=at_least)
