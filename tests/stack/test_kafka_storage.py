"""Kafka's own tools, run side by side: all have ended when the first has failed."""

from pathlib import Path

import psutil
import pytest

from harness.errors import ArtifactError
from harness.stack.embedded.artifacts import Cache
from harness.stack.embedded.kafka import KafkaRuntime
from harness.stack.embedded.kafka_storage import formatted_directories

# Fails for the controller once the brokers' tools run, and hangs for those.
JAVA = """#!/bin/sh
case "$PWD" in
  *controller) while [ "$(ls {pids} | wc -l)" -lt 3 ]; do sleep 0.01; done; echo "no such release"; exit 1 ;;
  *) touch {pids}/$$; exec sleep 600 ;;
esac
"""


def test_no_tool_is_left_when_another_has_failed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    java = tmp_path / "java"
    java.write_text(JAVA.format(pids=pids))
    java.chmod(0o755)
    runtime = KafkaRuntime(java=java, jars=(Path("/any.jar"),), templates=Path())
    with pytest.raises(
        ArtifactError, match=r"kafka-controller could not be formatted \(exit code 1\)\.\n +no such"
    ):
        Cache(tmp_path / "cache").obtain(formatted_directories(runtime, "0"))
    begun = [int(path.name) for path in pids.iterdir()]
    assert len(begun) == 3
    assert not [pid for pid in begun if psutil.pid_exists(pid)]
