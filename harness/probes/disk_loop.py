"""Puts a few bytes on disk again and again and writes down each time that took long.

What waits for the disk (a commit, a ledger's line) is as slow as the disk is, and no processor shows it. Like
`heartbeat_loop`, it is a script of its own and ends when its standard input does.

    disk_loop.py FILE EVERY_MS LATE_MS FOLDER
"""

import os
import select
import sys
import tempfile
import time
from contextlib import suppress

NS_PER_MS = 1_000_000
PROOF_EVERY_NS = 1_000_000_000
BYTES = bytes(512)


def main(file: str, every_ms: float, late_from_ms: float, folder: str) -> None:
    """Beat until standard input ends."""
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:

        def write(at_ns: int, late_ms: float) -> None:
            # A Stall of harness.recording.records, by hand, as in heartbeat_loop.
            os.write(out, b'{"at_ns":%d,"every_ms":%r,"late_ms":%r}\n' % (at_ns, every_ms, round(late_ms, 3)))

        proof_ns = 0
        while True:
            began_ns = time.monotonic_ns()
            with suppress(OSError):  # a full disk: whoever sees no line knows that nobody could look
                commit(probe.fileno())
                now_ns = time.monotonic_ns()
                late_ms = (now_ns - began_ns) / NS_PER_MS
                if late_ms > late_from_ms:
                    write(now_ns, late_ms)
                elif now_ns >= proof_ns:
                    write(now_ns, 0.0)
                    proof_ns = now_ns + PROOF_EVERY_NS
            ended, _, _ = select.select([0], [], [], every_ms / 1e3)
            if ended and not os.read(0, 1):
                return


def commit(descriptor: int) -> None:
    """What a store does at a commit: some bytes, and the file system's word that they and their place are kept."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, BYTES, 0)
    os.fdatasync(descriptor)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
