from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.load.arrivals import burst
from harness.load.operations import to_record
from harness.load.plan import LoadPlan, read
from tests.load.calls import Call

PLAN = LoadPlan(
    operation=to_record(Call(paths=("ok", "slow"))),
    shape=burst(1, 10, before_s=1, peak_s=0.5, after_s=1),
    base_url="http://127.0.0.1:23000",
    seed=7,
    timeout_s=2.5,
    record="/somewhere/operations.jsonl",
    control_port=23001,
    python_path=("/here", "/there"),
)


def test_a_plan_is_the_same_when_read_back(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(PLAN.to_json())
    again = read(file)
    assert replace(again, operation=PLAN.operation) == PLAN
    assert again.operation["type"] == PLAN.operation["type"]


@pytest.mark.parametrize("text", ["", "{}", "[]", PLAN.to_json()[:-10]])
def test_a_file_that_is_no_plan_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"plan\.json is no load plan"):
        read(file)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"timeout_s": 0}, "timeout_s"),
        ({"in_flight_max": 0}, "in_flight_max"),
        ({"base_url": "127.0.0.1:80"}, "base_url"),
        ({"base_url": "http://127.0.0.1:80/"}, "base_url"),
        ({"record": "/somewhere/else.jsonl"}, "record"),
    ],
)
def test_a_plan_that_could_not_be_kept_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        replace(PLAN, **wrong)
