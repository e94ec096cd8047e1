import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.supervisor import state, sweep
from harness.supervisor.client import Lifeline, SupervisorClient, launch


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not tmp_path itself: a Unix socket's path has 104 bytes at most.
    folder = Path(f"/tmp/drilltest-{os.getpid()}-{abs(hash(tmp_path)) % 10**6}")  # noqa: S108
    monkeypatch.setenv(state.STATE_VARIABLE, str(folder))
    base = state.base_folder()
    yield base
    sweep.sweep(base)
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture
def held(base: Path, tmp_path: Path) -> Iterator[tuple[SupervisorClient, Lifeline]]:
    client, lifeline = launch(run_id="20260101-000000-0000", base=base, logs=tmp_path / "logs")
    assert lifeline is not None
    yield client, lifeline
    lifeline.cut()
