"""Asks to be woken every few milliseconds and writes down each time it was woken late.

Run as a script of its own, with nothing but the standard library's smallest parts: a thread of the harness
would wait for the interpreter's lock and blame the machine for it. It ends when its standard input does,
which the kernel sees to even when the harness is killed.

    heartbeat_loop.py FILE EVERY_MS LATE_MS
"""

import os
import select
import sys
import time

NS_PER_MS = 1_000_000
PROOF_EVERY_NS = 1_000_000_000


def wall_ns_at(at_ns: int) -> int:
    """The wall clock at a moment that has just been. Both clocks are read again if something came between."""
    while True:
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after_ns - before_ns < NS_PER_MS:
            return wall_ns - (before_ns - at_ns)


def main(file: str, every_ms: float, late_from_ms: float) -> None:
    """Beat until standard input ends."""
    every_ns = round(every_ms * NS_PER_MS)
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(at_ns: int, late_ms: float) -> None:
        # A Stall of harness.recording.records, by hand: importing it would cost more than all the rest.
        told = (at_ns, every_ms, round(late_ms, 3), wall_ns_at(at_ns))
        os.write(out, b'{"at_ns":%d,"every_ms":%r,"late_ms":%r,"wall_ns":%d}\n' % told)

    due_ns = time.monotonic_ns()
    proof_ns = due_ns
    while True:
        now_ns = time.monotonic_ns()
        late_ms = (now_ns - due_ns) / NS_PER_MS
        if late_ms > late_from_ms:
            write(now_ns, late_ms)
        if now_ns >= proof_ns:
            write(now_ns, 0.0)
            proof_ns = now_ns + PROOF_EVERY_NS
        # From now, not from when it was due: one stall is one line, however long it was.
        due_ns = now_ns + every_ns
        ended, _, _ = select.select([0], [], [], max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
        if ended and not os.read(0, 1):
            return


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
