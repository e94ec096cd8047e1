"""The page as a file: whatever a target or a damaged recording holds, it is shown, and nothing of it is obeyed."""

import re
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import RecordingError
from harness.recording.records import Finding, Stream, Verdict
from harness.recording.rundir import stream_path, write_findings
from reports import html
from tests.histories import Drill, innocent_drill, innocent_tables
from tests.reports.parsed import Page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\x00\x1b[31m\u202e\n& &amp;"
QUIET_ATTRIBUTES = re.compile(r"on\w+|src|style|srcdoc|action|formaction|background|poster|data|xlink:href")


def finding(
    verdict: Verdict = Verdict.PASS,
    text: str = "c",
    *,
    evidence: tuple[str, ...] = (),
    examples: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        claim=text,
        sentence=text,
        source=text,
        verdict=verdict,
        because=text,
        evidence=evidence,
        examples=examples,
    )


def judged(drill: Drill, *findings: Finding) -> Path:
    run_dir = drill.ended().run_dir
    write_findings(run_dir, findings or [finding()])
    return run_dir


def written(run_dir: Path) -> str:
    out = run_dir.parent / "page.html"
    html.write([run_dir], out, sessions=[])
    return out.read_text(encoding="utf-8")


def test_a_page_is_whole_and_every_link_in_it_leads_somewhere(tmp_path: Path) -> None:
    drill = innocent_drill(tmp_path / "r").tables(innocent_tables())
    page = Page(written(judged(drill, finding(Verdict.FAIL, examples=("o003",)))))
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in page.all("a")]
    assert "#operation-3" in links
    assert all(link.startswith("#") and link[1:] in ids for link in links)


def test_headings_go_down_one_level_at_a_time(tmp_path: Path) -> None:
    page = Page(written(judged(innocent_drill(tmp_path / "r"))))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_the_page_may_run_its_own_script_and_ask_nobody(tmp_path: Path) -> None:
    text = written(judged(innocent_drill(tmp_path / "r")))
    page = Page(text)
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv")]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        [inside] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert html._digest(inside) in policy
        assert sha256(inside.encode()).digest()
    assert not {
        name for _, attributes in page.elements for name in attributes if QUIET_ATTRIBUTES.fullmatch(name)
    }
    assert page.all("link") == page.all("img") == page.all("iframe") == []


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """A page of a run in which everything that a target or an operator can write is hostile."""
    drill = Drill(tmp_path / "r").fault(HOSTILE).heartbeat()
    drill.operation(HOSTILE, 10, name=HOSTILE, error=HOSTILE, result={HOSTILE: HOSTILE}, note=HOSTILE)
    drill.operation("o1", 11, "rejected", note="x" * 1_000_000)
    drill.reading(HOSTILE, [{HOSTILE: HOSTILE, "key": HOSTILE}])
    for second in range(5):
        drill.reading(HOSTILE, {HOSTILE: second}, 20 + second, final=False)
    change = {"circuitBreakerName": HOSTILE, "stateTransition": f"{HOSTILE}_TO_{HOSTILE}"}
    change["creationTime"] = "2026-09-21T14:13:40Z"
    drill.reading("events", [change])
    bad = finding(Verdict.FAIL, HOSTILE, evidence=(HOSTILE, f"MISSING: {HOSTILE}"), examples=(HOSTILE, "o1"))
    return written(judged(drill, bad, finding(text="y" * 1_000_000)))


def test_hostile_text_is_shown_and_becomes_no_markup(hostile: str) -> None:
    page = Page(hostile)
    assert page.open == []
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert "<script>alert(1)</script>" in page.text
    assert r"\x00\x1b[31m\u202e\n& &amp;" in page.text


def test_hostile_text_holds_no_character_that_a_terminal_or_browser_obeys(hostile: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", hostile)


def test_what_is_too_long_is_cut_and_its_length_told(hostile: str) -> None:
    assert len(hostile) < 200_000
    assert "(1,000,0" in hostile


def test_half_a_character_is_refused_in_a_finding_and_shown_or_missed_in_an_operation(tmp_path: Path) -> None:
    run_dir = judged(innocent_drill(tmp_path / "r"))
    operations = stream_path(run_dir, Stream.OPERATIONS)
    operations.write_bytes(operations.read_bytes().replace(b'"o003"', b'"a\\ud800b"'))
    assert "<title>INCONCLUSIVE" in written(run_dir)
    findings = stream_path(run_dir, Stream.FINDINGS)
    findings.write_bytes(findings.read_bytes().replace(b'"c"', b'"a\\ud800b"', 1))
    with pytest.raises(RecordingError, match="is damaged"):
        written(run_dir)


def test_a_page_is_of_one_run(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="a page is of one run, got 2"):
        html.write([tmp_path, tmp_path], tmp_path / "page.html", sessions=[])


def test_a_page_of_two_minutes_with_much_to_show_is_small(tmp_path: Path) -> None:
    phases = {"warm-up": 0, "steady": 10, "impact": 40, "heal": 70, "converge": 110, "end": 120}
    drill = Drill(tmp_path / "r", phases=phases).fault().heartbeat(until_s=120)
    for number in range(12_000):
        drill.operation(f"o{number:05}", number / 110, "ok" if number % 7 else "rejected")
    for half in range(240):
        for probe in ("lag", "open_work", "pending", "queue", "connections"):
            drill.reading(probe, half % 17, half / 2, final=False)
    findings = [
        finding(Verdict.FAIL, f"claim {number}", examples=tuple(f"o{key:05}" for key in range(20)))
        for number in range(30)
    ]
    assert len(written(judged(drill, *findings)).encode()) <= 400 * 1024


def _torn(run_dir: Path) -> None:
    for stream in (Stream.OPERATIONS, Stream.READINGS, Stream.PHASES, Stream.FAULTS):
        path = stream_path(run_dir, stream)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 6 // 10])


def _without(stream: Stream) -> Callable[[Path], None]:
    return lambda run_dir: stream_path(run_dir, stream).unlink()


def _rubbish(run_dir: Path) -> None:
    for stream in (Stream.OPERATIONS, Stream.READINGS, Stream.PHASES, Stream.FAULTS, Stream.MACHINE):
        with stream_path(run_dir, stream).open("ab") as file:
            file.write(b'{"probe": "lag", "at_ns": "soon"}\n\xff\xfe\n[]\n{}\nnull\n\n' + b"[" * 5000 + b"\n")


@pytest.mark.parametrize(
    "damage",
    [_torn, _rubbish, *map(_without, (Stream.OPERATIONS, Stream.PHASES, Stream.READINGS, Stream.FAULTS))],
)
def test_a_damaged_recording_makes_a_page_that_says_so_and_is_not_green(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    drill = innocent_drill(tmp_path / "r").tables(innocent_tables()).reading("lag", 3, 20, final=False)
    run_dir = judged(drill)
    assert "<title>PASS" in written(run_dir)
    damage(run_dir)
    text = written(run_dir)
    assert "<title>INCONCLUSIVE" in text
    assert "What stands against this recording" in text
    assert Page(text).open == []


@pytest.mark.parametrize("version", ["0", "2", '"1"', "null"])
def test_a_recording_of_another_format_is_refused_with_the_version_that_it_has(
    version: str, tmp_path: Path
) -> None:
    run_dir = judged(innocent_drill(tmp_path / "r"))
    path = run_dir / "run.json"
    path.write_text(path.read_text().replace('"format_version": 1', f'"format_version": {version}'))
    with pytest.raises(RecordingError, match="this drillbook reads 1"):
        written(run_dir)
