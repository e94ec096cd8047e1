"""A recording that was damaged anywhere makes a page that is not green, or is refused; it never breaks the page.

The damage is chosen by a seed, so that a failure comes again.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from harness.chance import Chance
from harness.errors import RecordingError
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import write_findings
from reports.html import rendered
from reports.page import page_of
from tests.histories import innocent_drill, innocent_tables

DAMAGES = 20
TOKENS = (
    b"null", b"-1", b"9" * 20, b"1e308", b'"x"', b"[]", b"{}", b"true", b'""', b'"\\ud800"', b"0.5",
    b"9223372036854775807", b"-9223372036854775807",
)  # fmt: skip
_VALUE = re.compile(rb'(?<=:)(?:-?\d+(?:\.\d+)?|"[^"]{0,60}"|true|false|null)')


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with something of everything that a page shows, whose page is green."""
    run_dir = tmp_path_factory.mktemp("recorded") / "run"
    drill = innocent_drill(run_dir).disk().tables(innocent_tables())
    for second in range(10):
        drill.reading("lag", {"total": second, "partitions": [{"lag": second}]}, 20 + second, final=False)
        drill.reading(
            "machine_cpu", {"all_s": second, "busy_s": second / 2, "ours_s": 0}, second, final=False
        )
        drill.reading("leaders", [{"leader": 1, "isr": [1, 2][: 1 + second % 2]}], second, final=False)
    change = {"creationTime": "2026-09-21T14:13:50Z", "stateTransition": "CLOSED_TO_OPEN"}
    drill.reading("breaker_events", [change | {"circuitBreakerName": "payments"}])
    drill.ended()
    finding = Finding(
        claim="c", sentence="s", source="universal", verdict=Verdict.PASS, because="b", examples=("o003",)
    )
    write_findings(run_dir, [finding])
    assert page_of(run_dir).standing.verdict is Verdict.PASS
    return run_dir


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def overwritten(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 5, 50))):
        place = rng.randrange(len(changed))
        changed[place] = (changed[place] + rng.randrange(1, 256)) % 256
    return bytes(changed)


def with_other_values(content: bytes, rng: random.Random) -> bytes:
    found = list(_VALUE.finditer(content))
    for match in sorted(
        rng.sample(found, min(len(found), rng.choice((1, 3, 30)))), key=re.Match.start, reverse=True
    ):
        content = content[: match.start()] + rng.choice(TOKENS) + content[match.end() :]
    return content


def shuffled(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines[: rng.randrange(len(lines) + 1)])


@pytest.mark.parametrize("damage", [cut, overwritten, with_other_values, shuffled])
def test_no_damage_breaks_a_page_or_leaves_one_of_its_streams_green(
    green: Path, tmp_path: Path, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    rng = Chance(5).stream(damage.__name__)
    names = sorted(path.name for path in green.iterdir())
    for number in range(DAMAGES):
        run_dir = copytree(green, tmp_path / str(number))
        path = run_dir / rng.choice(names)
        before = path.read_bytes()
        path.write_bytes(damage(before, rng))
        try:
            page = page_of(run_dir)
        except RecordingError:
            continue
        text = rendered("page.html.j2", page=page)
        assert text.encode()
        assert len(text) < 400 * 1024
        told_elsewhere = path.name in {"run.json", "findings.jsonl"} or path.read_bytes() == before
        assert told_elsewhere or page.standing.verdict is not Verdict.PASS, (number, path.name)
