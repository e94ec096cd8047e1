"""A kill waits for its moment, and says so when that does not come."""

from typing import Any

import pytest

from harness.errors import ConfigError, FaultError, ProbeError
from harness.faults import mid_batch
from harness.faults.mid_batch import KilledMidBatch
from harness.stack import State
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_stack import FakeStack, service_of


def killed(**changes: Any) -> KilledMidBatch:
    given = {
        "service": "provider",
        "group": "g",
        "topic": "t",
        "database": "d",
        "effects": "select",
        "records": 3,
        "within_s": 0.2,
    }
    return KilledMidBatch(**{**given, **changes})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What the probes read, one look after the other, the last one for ever. An exception is raised."""
    looks: dict[str, list[Any]] = {
        "rows": [
            [{"topic": "t", "partition": 0, "committed": 5}, {"topic": "u", "partition": 0, "committed": 0}]
        ],
        "effects": [[{"partition": 0, "last_offset": 7}]],
    }

    def next_of(name: str) -> Any:
        found = looks[name].pop(0) if len(looks[name]) > 1 else looks[name][0]
        if isinstance(found, Exception):
            raise found
        return found

    class Lag:
        def __init__(self, **_: Any) -> None: ...

        def rows(self, _stack: object, *, timeout_s: float) -> Any:
            del timeout_s
            return next_of("rows")

    class Table:
        def __init__(self, **_: Any) -> None: ...

        def read(self, _stack: object, *, timeout_s: float) -> Any:
            del timeout_s
            return next_of("effects")

    monkeypatch.setattr(mid_batch, "KafkaLag", Lag)
    monkeypatch.setattr(mid_batch, "SqlTable", Table)
    return looks


@pytest.mark.usefixtures("told")
def test_it_keeps_the_contract_of_every_fault(stack: FakeStack) -> None:
    keeps_the_contract(killed(), stack)


def test_it_kills_when_effects_and_commits_are_apart_and_not_before(
    stack: FakeStack, told: dict[str, list[Any]]
) -> None:
    told["effects"] = [
        [],
        ProbeError("busy"),
        [{"partition": 0, "last_offset": 6}],
        [{"partition": 0, "last_offset": 7}],
    ]
    effect = killed().inject(stack)
    assert effect.measured["records_apart"] == 3.0
    assert told["effects"] == [[{"partition": 0, "last_offset": 7}]], "it looked until the moment had come"
    assert service_of(stack, "provider").state() is State.EXITED


def test_commits_may_be_ahead_of_the_effects(stack: FakeStack, told: dict[str, list[Any]]) -> None:
    """Of a consumer that commits first, which a drill must be able to meet as well."""
    told["effects"] = [[{"partition": 0, "last_offset": 1}]]
    assert killed().inject(stack).measured["records_apart"] == 3.0


def test_a_partition_without_a_commit_counts_from_its_beginning(
    stack: FakeStack, told: dict[str, list[Any]]
) -> None:
    told["rows"] = [[{"topic": "t", "partition": 0, "committed": None}]]
    assert killed().inject(stack).measured["records_apart"] == 8.0


def test_a_moment_that_does_not_come_is_told_and_nobody_is_hurt(
    stack: FakeStack, told: dict[str, list[Any]]
) -> None:
    told["effects"] = [[{"partition": 0, "last_offset": 6}]]
    with pytest.raises(FaultError, match="too short to be met"):
        killed().inject(stack)
    assert service_of(stack, "provider").state() is State.RUNNING


@pytest.mark.parametrize("changes", [{"records": 0}, {"within_s": 0}])
def test_a_moment_that_is_always_there_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="any moment would do"):
        killed(**changes)
