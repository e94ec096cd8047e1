"""Whenever the harness is killed, nothing of ours is left."""

import pytest

from tests.stack.embedded.sigkill import kill_many

pytestmark = pytest.mark.stack


def test_nothing_is_left_when_the_harness_is_killed_at_any_moment() -> None:
    found = kill_many(times=4, seed=3)
    assert [one for one in found if one.left] == []
    assert any(one.processes > 0 for one in found), "no kill hit a running stack: nothing was proven"
