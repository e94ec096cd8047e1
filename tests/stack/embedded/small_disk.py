"""A disk so small that it can be filled: a tmpfs in a mount namespace of its own, which nobody else's files are in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.clock import wait_until


@dataclass(frozen=True)
class SmallDisk:
    """A folder that lies on a disk of its own for those who run in its namespace.

    Attributes:
        holder: The process that keeps the namespace.
        path: The folder, as it is called in there.
    """

    holder: int
    path: Path

    @property
    def wrapper(self) -> tuple[str, ...]:
        """What a command must be preceded by to run in there."""
        return ("nsenter", "--mount", f"--target={self.holder}", f"--wd={Path.cwd()}")

    @property
    def seen(self) -> Path:
        """The same folder, seen from out here."""
        return Path(f"/proc/{self.holder}/root{self.path}")

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.seen / "filling").open("ab", buffering=0) as file:
            try:
                while file.write(b"x" * (1 << 16)):
                    pass
            except OSError:
                return

    def left(self) -> list[str]:
        """The processes that are still in there. Their working folders cannot be read from out here."""
        inside = Path(f"/proc/{self.holder}/ns/mnt").stat().st_ino
        found = []
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and (process / "ns" / "mnt").stat().st_ino == inside:
                    found.append(f"process {process.name} {(process / 'comm').read_text().strip()}")
            except OSError:  # it is gone
                continue
        return [one for one in found if not one.startswith(f"process {self.holder} ")]


@contextmanager
def small_disk(path: Path, *, kilobytes: int) -> Iterator[SmallDisk]:
    """Put `path` on a disk of that size. The test skips where one may not mount."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("nsenter") is None:
        pytest.skip("a small disk needs Linux, root and util-linux")
    path.mkdir(exist_ok=True)
    mounted = f"mount -t tmpfs -o size={kilobytes}k,mode=711 none '{path}' && echo mounted && exec sleep 600"
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", mounted], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        if holder.stdout is None or holder.stdout.readline() != b"mounted\n":
            pytest.skip("nothing may be mounted here")
        wait_until(
            lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n",
            within_s=5,
            what="the disk's holder",
            every_s=0.01,
        )
        yield SmallDisk(holder.pid, path)
    finally:
        holder.kill()
        holder.wait()
