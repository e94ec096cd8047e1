"""A full disk is known by whatever met it, and told with its figures."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from harness import full_disk

FULL = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    "trouble",
    [
        OSError(errno.ENOSPC, FULL),
        OSError(errno.EDQUOT, "quota"),
        shutil.Error([("from", "to", f"[Errno 28] {FULL}: 'to'")]),
        f"PANIC:  could not write to file: {FULL}",
        f"java.io.IOException: {FULL}",
    ],
)
def test_a_disk_without_room_is_known_by_number_or_words(trouble: OSError | str) -> None:
    assert full_disk.was_met(trouble)


@pytest.mark.parametrize(
    "trouble", [OSError(errno.EACCES, "denied"), ValueError("28"), "", "no space for doubt"]
)
def test_other_trouble_is_not_taken_for_a_full_disk(trouble: Exception | str) -> None:
    assert not full_disk.was_met(trouble)


def test_the_disk_of_a_folder_that_is_not_there_yet_is_told_with_its_figures(tmp_path: Path) -> None:
    told = full_disk.told(tmp_path / "a" / "b", takes="It takes 3 MB.", instead="set THERE")
    total_mb = shutil.disk_usage(tmp_path).total >> 20
    assert told.startswith(f"the disk of {tmp_path}/a/b is too full: ")
    assert f"of {total_mb} MB are free now. It takes 3 MB. Free some, or set THERE." in told
