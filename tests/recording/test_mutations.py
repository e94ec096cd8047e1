"""A recording that was damaged anywhere is never judged greener for it, and never breaks the judge.

The damage is chosen by a seed, so that a failure comes again. Where the digest would give every change away it is taken
out, as in a recording of an older version: then the lines themselves must tell.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from harness.chance import Chance
from harness.errors import ExitCode, RecordingError
from harness.judging_again import judge_again
from harness.recording.records import Stream, Verdict
from harness.recording.rundir import read_run, stream_path, write_run
from scenarios.claims import universal
from scenarios.large_run import PHASES
from tests.histories import Drill, innocent_tables

RECORDED = (Stream.OPERATIONS, Stream.PHASES, Stream.FAULTS, Stream.READINGS)
WATCHED = {"nothing-acknowledged-is-lost", "no-order-is-charged-twice", "events-take-effect-in-order"}
# None of these is a line of any stream.
NO_LINES = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "an object of nothing": b"{}",
    "text": b'"x"',
    "no number": b"NaN",
    "without end": b"Infinity",
    "not UTF-8": b'{"at_ns":1,"name":"\xff"}',
    "half a character": b'{"at_ns":1,"name":"\\ud800"',
    "control characters": b"\x00\x1b[2J\x07",
    "nested deeply": b'{"value":' + b"[" * 5_000,
    "a megabyte": b'"' + b"x" * 1_000_000 + b'"',
    "a huge number": b'{"at_ns":1' + b"0" * 400 + b"}",
}


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that is PASS, of claims that look at each of its streams."""
    run_dir = tmp_path_factory.mktemp("recorded") / "run"
    claims = [claim for claim in universal(PHASES, 1.0) if claim.id in WATCHED]
    drill = Drill(run_dir, *claims, promised={"faults": [{"title": "provider killed", "seconds": 19}]})
    for number in range(65):
        drill.operation(f"o{number:03}", number, amount_cents=500, customer="c", contents="mug:2")
    drill.fault().heartbeat().disk()
    tables = innocent_tables(orders=65)
    for order in tables["orders"]:
        order["customer_id"] = "c"
    drill.tables(tables).ended()
    assert judge_again(run_dir).verdict is Verdict.PASS
    return run_dir


@pytest.fixture
def copied(green: Path, tmp_path: Path) -> Path:
    return copytree(green, tmp_path / "run")


def without_digests(run_dir: Path) -> None:
    write_run(run_dir, replace(read_run(run_dir), digests={}))


@pytest.mark.parametrize("stream", RECORDED)
def test_a_stream_that_ends_early_anywhere_is_never_green(copied: Path, stream: Stream) -> None:
    content = stream_path(copied, stream).read_bytes()
    newline = content.index(b"\n")
    chosen = Chance(4).stream("cuts").sample(range(len(content)), 4)
    for cut in sorted({0, 1, newline, newline + 1, len(content) - 1, *chosen}):
        stream_path(copied, stream).write_bytes(content[:cut])
        assert judge_again(copied).verdict is Verdict.INCONCLUSIVE, cut


@pytest.mark.parametrize("rubbish", NO_LINES.values(), ids=NO_LINES.keys())
@pytest.mark.parametrize("stream", RECORDED)
def test_what_is_no_line_is_seen_without_a_digest(copied: Path, stream: Stream, rubbish: bytes) -> None:
    lines = stream_path(copied, stream).read_bytes().splitlines(keepends=True)
    lines[Chance(len(rubbish)).stream("line").randrange(len(lines))] = rubbish + b"\n"
    stream_path(copied, stream).write_bytes(b"".join(lines))
    without_digests(copied)
    assert judge_again(copied).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("stream", RECORDED)
def test_a_changed_byte_is_never_green(copied: Path, stream: Stream) -> None:
    content = stream_path(copied, stream).read_bytes()
    chance = Chance(7).stream("bytes")
    for place in chance.sample(range(len(content)), 6):
        other = bytes([(content[place] + chance.randrange(1, 256)) % 256])
        stream_path(copied, stream).write_bytes(content[:place] + other + content[place + 1 :])
        assert judge_again(copied).verdict is not Verdict.PASS, (place, other)


@pytest.mark.parametrize("value", [b"null", b"{}", b"[null]", b"[1]", b"[[]]", b'"x"', b"1e999", b"[{}]"])
def test_a_reading_that_is_no_table_is_never_green(copied: Path, value: bytes) -> None:
    path = stream_path(copied, Stream.READINGS)
    lines = path.read_bytes().splitlines(keepends=True)
    [orders] = [place for place, line in enumerate(lines) if b'"probe":"orders"' in line]
    before, _, rest = lines[orders].partition(b'"value":')
    lines[orders] = before + b'"value":' + value + rest[rest.rindex(b',"final"') :]
    path.write_bytes(b"".join(lines))
    without_digests(copied)
    assert judge_again(copied).verdict is Verdict.INCONCLUSIVE


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
@pytest.mark.parametrize("name", ["run.json", *(f"{stream}.jsonl" for stream in RECORDED)])
def test_what_is_no_file_is_refused_at_once(copied: Path, name: str, make: Callable[[Path], None]) -> None:
    (copied / name).unlink()
    make(copied / name)
    with pytest.raises(RecordingError) as refused:
        judge_again(copied)
    assert name in str(refused.value)
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_link_to_a_file_is_as_good_as_the_file(copied: Path, green: Path) -> None:
    for stream in RECORDED:
        stream_path(copied, stream).unlink()
        stream_path(copied, stream).symlink_to(stream_path(green, stream))
    assert judge_again(copied).verdict is Verdict.PASS
