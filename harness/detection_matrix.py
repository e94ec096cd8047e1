"""The table of what `drill detect` found, as a page: which defect, in which scenario, by which claim.

A reader of the documentation sees from it what the scenarios have been seen to catch, and by what else a defect shows.
"""

from collections.abc import Sequence
from pathlib import Path

from harness.detection import Detection
from harness.errors import ConfigError, ExitCode
from harness.recording.folders import refuse_recorded
from harness.recording.rundir import write_atomically

_WORDS = {ExitCode.PASS: "caught", ExitCode.FAIL: "**missed**", ExitCode.INCONCLUSIVE: "**nothing said**"}
_HEAD = """# What the scenarios catch

Written by `make detect`: each planted defect of the sample shop was switched on in each scenario that promises to catch
it, and the claim meant for it had to fail. What failed besides is a consequence of the same defect.

| defect | scenario | claim meant for it | | what it found | what failed besides |
|---|---|---|---|---|---|
"""


def refuse_partial(out: Path, defects: Sequence[str]) -> None:
    """Refuse what could not be written, or would be less than the page that is there, before a drill takes its minutes.

    Raises:
        ConfigError: Some defects are named, there is no such folder, or something recorded is there.
    """
    if defects:
        raise ConfigError(
            f"--matrix wants all defects and {', '.join(defects)} was named: the page would lose the others. Leave one "
            "of the two out; `drill detect NAME` goes without the page."
        )
    refuse_recorded(out)
    if not out.parent.is_dir():
        raise ConfigError(f"{out} cannot be written: there is no folder {out.parent}.")


def page(detections: Sequence[Detection]) -> str:
    """The page, in Markdown."""
    rows = sorted(detections, key=lambda found: (found.scenario, found.defect))
    return _HEAD + "".join(f"| {' | '.join(map(_cell, _columns(found)))} |\n" for found in rows)


def write(detections: Sequence[Detection], out: Path) -> None:
    """Write the page.

    Raises:
        RecordingError: It cannot be written.
    """
    write_atomically(out, page(detections).encode())


def _columns(found: Detection) -> tuple[str, ...]:
    besides = [claim for claim in found.failed if claim != found.claim]
    return (
        found.defect,
        found.scenario,
        found.claim,
        _WORDS.get(found.code, "**not held**"),
        found.because,
        ", ".join(besides) or "nothing",
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
