"""Kill the harness at random moments, from its first breath to its last, and see whether anything is left.

`python -m tests.stack.embedded.sigkill --times 20 --seed 1` prints a table; a test does the same a few times. What may
be left is the recording, and that must be readable. Everything else (processes, listening ports, System V and POSIX
shared memory, folders) must be gone within five seconds. Toxics go with Toxiproxy, which is one of the processes.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_S, SYSTEM_CLOCK, wait_until
from harness.errors import DeadlineError
from harness.recording.history import History
from harness.supervisor import processes, state
from harness.supervisor.ports import busy
from tests.stack.embedded.drilling import DRILL, ROOT, ports_of, shared_memory, short_folder

WITHIN_S = 5.0
MEMORY = Path("/dev/shm")  # noqa: S108 - where drills keep data, unless told otherwise
# What a whole short drill takes on two cores, from the command to its end; moments are drawn from all of it.
LENGTH_S = 16.0

HEADING = """\
# Killing the harness

Written by `make bench`: a drill with four faults, killed by SIGKILL at {times} moments (seed {seed}), alone or with its
process group. Nothing of it (process, listening port, shared memory, folder) may be left after five seconds, except the
recording, and that must be readable.

| killed at | what | processes | stage | nothing left after |
|---|---|---|---|---|
"""


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What was seen after one kill.

    Attributes:
        at_s: When it was killed, after it was started.
        how: "process" or "group": with everything it shares a process group with.
        stage: How far it had come, by its recording and its state folder.
        processes: How many of ours were running at that moment.
        gone_after_s: When nothing was left; -1 if something still was after five seconds.
        left: What.
    """

    at_s: float
    how: str
    stage: str
    processes: int
    gone_after_s: float
    left: tuple[str, ...]


def stage_of(base: Path, runs: Path) -> str:
    """How far the drill has come."""
    faults = next(runs.glob("*/short/faults.jsonl"), None)
    if faults is not None:
        lines = [json.loads(line) for line in faults.read_text().splitlines() if line.endswith("}")]
        active = {line["number"] for line in lines if line["stage"] == "active"}
        healed = {line["number"] for line in lines if line["stage"] == "healed"}
        return f"{len(active - healed)} faults active, {len(healed)} healed"
    if any(runs.glob("*/short/run.json")):
        return "recording, no fault yet"
    if any(folder.plan.exists() for folder in state.folders(base)):
        return "starting servers"
    return "before any server"


def kill_at(at_s: float, *, group: bool, folder: Path) -> Aftermath:
    """Start a drill, kill its harness after `at_s`, and watch what becomes of the rest.

    Args:
        at_s: Seconds after its start. A drill that has ended by then is killed as a zombie, which changes nothing.
        group: Kill its whole process group, as a closing terminal or a CI runner may.
        folder: For state and recordings of this drill alone; its path must be short.
    """
    base, runs = folder / "state" / "drillbook", folder / "runs"
    before = shared_memory()
    environment = os.environ | {
        state.STATE_VARIABLE: str(base.parent),
        state.DATA_VARIABLE: str(MEMORY if MEMORY.is_dir() else folder),
        "DRILLBOOK_TARGET": "tests.stack.embedded.targets:running",
        "DRILLBOOK_RUNS": str(runs),
        "DRILLBOOK_BROKERS": "1",
        "DRILLBOOK_RETRY_INCONCLUSIVE": "0",
    }
    drill = subprocess.Popen(
        [DRILL, "run", "--scenarios", "tests/stack/embedded/short"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    SYSTEM_CLOCK.sleep(at_s)
    base.mkdir(mode=0o711, parents=True, exist_ok=True)
    stage, ports, running = stage_of(base, runs), ports_of(base), len(processes.belonging_to(base))
    (os.killpg if group else os.kill)(drill.pid, signal.SIGKILL)
    killed_ns = SYSTEM_CLOCK.now_ns()
    drill.wait()

    def left() -> tuple[str, ...]:
        return (
            *(
                f"process {process.pid} {process.name()}"
                for process in processes.alive(processes.belonging_to(base))
            ),
            *(f"folder {found.path.name}" for found in state.folders(base)),
            *(f"port {port}" for port in busy(ports)),
            *sorted(shared_memory() - before),
        )

    try:
        wait_until(lambda: not left(), within_s=WITHIN_S, what="everything to be gone", every_s=0.05)
        gone_after_s = (SYSTEM_CLOCK.now_ns() - killed_ns) / NS_PER_S
    except DeadlineError:
        gone_after_s = -1.0
    for run in runs.glob("*/short"):
        if (run / "run.json").exists():
            History.load(run)  # raises if what was recorded cannot be read
    return Aftermath(
        at_s=at_s,
        how="group" if group else "process",
        stage=stage,
        processes=running,
        gone_after_s=gone_after_s,
        left=left() if gone_after_s < 0 else (),
    )


def kill_many(times: int, seed: int) -> list[Aftermath]:
    """Kill at `times` moments, one drawn from each equal part of a drill's length; every fourth with its group."""
    chance = random.Random(seed)  # noqa: S311 - replayable on purpose
    found = []
    for number in range(times):
        at_s = (number + chance.random()) / times * LENGTH_S
        with short_folder("drillkill-") as folder:
            found.append(kill_at(at_s, group=number % 4 == 3, folder=folder))
    return found


def main() -> None:
    """Print the table; exit 1 if anything was ever left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    found = kill_many(chosen.times, chosen.seed)
    sys.stdout.write(HEADING.format(times=chosen.times, seed=chosen.seed))
    for one in found:
        outcome = f"{one.gone_after_s:.2f} s" if one.gone_after_s >= 0 else f"LEFT: {', '.join(one.left)}"
        sys.stdout.write(f"| {one.at_s:.1f} s | {one.how} | {one.processes} | {one.stage} | {outcome} |\n")
    raise SystemExit(any(one.gone_after_s < 0 for one in found))


if __name__ == "__main__":
    main()
