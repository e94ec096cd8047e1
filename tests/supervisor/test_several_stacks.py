"""One stack that cannot be ended keeps no other from being ended."""

from pathlib import Path

import pytest

from harness.errors import StackError
from harness.stack.embedded.detached import down, running
from harness.supervisor import state
from harness.supervisor.client import launch


def test_one_that_would_not_end_is_told_and_the_others_are_ended(base: Path) -> None:
    launch(run_id="20260102-000000-000b", base=base, logs=None, lease_s=60)[0].close()
    with state.held_folder(base, "20260101-000000-000a"):  # held, and nobody answers
        with pytest.raises(
            StackError,
            match=r"no supervisor answers for run 20260101-000000-000a.*Ended: 20260102-000000-000b\.",
        ):
            down(everything=True)
        assert [folder.run_id for folder in running()] == ["20260101-000000-000a"]
    assert list(down(everything=True)) == ["20260101-000000-000a"]


def test_all_are_ended_and_named(base: Path) -> None:
    for run_id in ("20260101-000000-0001", "20260102-000000-0002"):
        launch(run_id=run_id, base=base, logs=None, lease_s=60)[0].close()
    assert list(down(everything=True)) == ["20260101-000000-0001", "20260102-000000-0002"]
    assert list(down(everything=True)) == []
