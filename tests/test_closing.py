"""How a session is closed: what it came to is kept, and nothing that breaks on the way hides it or makes it greener."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import closing, keeping, report_files
from harness.closing import closed
from harness.errors import ExitCode
from harness.keeping import kept
from harness.recording.records import Verdict
from harness.recording.session_standing import session_standing
from harness.recording.sessions import read_session
from harness.report_command import report
from harness.report_files import Writer, writer
from tests.scenario_folder import Place
from tests.test_reporting import held_again


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place.made(tmp_path, monkeypatch)


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a report writer break."""

    def install(broken: str, error: Exception) -> None:
        def found(name: str) -> Writer:
            def fail(*_: object, **__: object) -> None:
                raise error

            return fail if name == broken else writer(name)

        monkeypatch.setattr(report_files, "writer", found)

    return install


def test_what_a_session_came_to_is_kept_beside_its_runs(place: Place) -> None:
    place.scenario("a", "PASS")
    place.scenario("b", "INCONCLUSIVE", "PASS")
    place.broken("c", 'raise FaultError("it did not bite")')
    place.broken("d", 'pytest.skip("one broker")')
    place.scenario("e", "PASS")
    outcome = kept(place.run("-k", "not test_e"))
    info = read_session(place.stack.recordings)
    assert info.exit_code == outcome.code == ExitCode.INCONCLUSIVE
    assert info.selected == ("a", "b", "c", "d")
    assert [(run.run, run.verdict, run.superseded) for run in info.judged] == [
        ("a", Verdict.PASS, False),
        ("b", Verdict.INCONCLUSIVE, True),
        ("b.again-1", Verdict.PASS, False),
    ]
    assert (info.not_held, info.left_out) == (("c",), ("e",))
    assert [(error.scenario, error.told) for error in info.errors] == [("c", "it did not bite")]
    assert [(skip.scenario, skip.told) for skip in info.skipped] == [("d", "one broker")]
    scenarios = f"--scenarios {place.scenarios.name}"
    assert info.replay == f"drill run a b c d --profile ci {scenarios}"
    assert session_standing(place.stack.recordings, []).verdict is Verdict.INCONCLUSIVE


def test_while_a_session_goes_on_its_file_says_that_it_was_begun(place: Place) -> None:
    place.broken(
        "a",
        "from harness.recording.sessions import read_session\n"
        "    info = read_session(chaos.stack.recordings)\n"
        '    assert (info.selected, info.exit_code) == (("a",), None)\n'
        '    held(chaos, "PASS")',
    )
    assert place.run().code is ExitCode.PASS
    [doubt] = session_standing(place.stack.recordings, []).doubts  # nobody has closed it
    assert "was begun and nobody said" in doubt


def test_a_session_that_passed_has_its_verdict_later(place: Place) -> None:
    place.scenario("a", "PASS")
    assert kept(place.run()).code is ExitCode.PASS
    assert session_standing(place.stack.recordings, [Path("a")]).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("line", "word"),
    [('held(chaos, "PASS")', "PASS"), ('raise FaultError("it did not bite")', "INCONCLUSIVE")],
)
def test_the_index_that_is_made_later_is_the_same(place: Place, line: str, word: str) -> None:
    place.scenario("a", "PASS")
    place.scenario("b", "INCONCLUSIVE", "PASS")
    place.broken("c", line)
    place.broken("d", 'pytest.skip("one broker")')
    closed(place.run())
    session = place.stack.recordings
    first = (session / "index.html").read_text(encoding="utf-8")
    assert f"<title>{word} Session r1</title>" in first
    (session / "index.html").unlink()
    report(session.relative_to(Path.cwd()))
    assert (session / "index.html").read_text(encoding="utf-8") == first


@pytest.mark.parametrize("broken", ["junit", "markdown"])
@pytest.mark.parametrize("code", [ExitCode.PASS, ExitCode.FAIL, ExitCode.NO_STACK])
@pytest.mark.parametrize(
    "error", [ZeroDivisionError("no width"), OSError(errno.ENOSPC, "No space left on device")], ids=repr
)
def test_a_report_that_was_asked_for_and_broke_makes_a_pass_no_pass_and_hides_nothing_worse(
    tmp_path: Path,
    breaks: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    broken: str,
    code: ExitCode,
    error: Exception,
) -> None:
    breaks(broken, error)
    outcome = closed(
        replace(held_again(tmp_path), code=code),
        junit=tmp_path / "junit.xml",
        markdown=tmp_path / "report.md",
    )
    assert outcome.code is (code or ExitCode.INCONCLUSIVE)
    told = capsys.readouterr().err
    assert f"which was asked for, was not written: {type(error).__name__}" in told
    assert "Traceback" in told
    assert any("was not written" in error for error in outcome.errors)
    assert read_session(tmp_path).exit_code == outcome.code
    written = {path.name for path in tmp_path.iterdir()} & {"junit.xml", "report.md"}
    assert written == {"report.md" if broken == "junit" else "junit.xml"}, "the other is written all the same"


def test_pages_that_nobody_asked_for_break_and_nothing_changes(
    tmp_path: Path, breaks: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    breaks("index", ZeroDivisionError("no width"))
    assert closed(held_again(tmp_path)).code is ExitCode.PASS
    assert "incomplete: ZeroDivisionError: no width" in capsys.readouterr().err


def test_a_session_that_cannot_be_kept_is_no_pass_and_stays_a_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keeping, "write_session", full)
    passed = held_again(tmp_path)
    assert kept(passed).code is ExitCode.INCONCLUSIVE
    assert kept(replace(passed, code=ExitCode.FAIL)).code is ExitCode.FAIL
    assert "session.json was not written" in capsys.readouterr().err


def test_without_a_stack_there_is_nothing_to_keep(tmp_path: Path) -> None:
    outcome = replace(held_again(tmp_path), recordings=None, code=ExitCode.NO_STACK)
    assert closing.closed(outcome, junit=tmp_path / "junit.xml").code is ExitCode.NO_STACK
    assert not (tmp_path / "session.json").exists()
    assert (tmp_path / "junit.xml").is_file()


def test_a_name_that_is_no_utf_8_keeps_no_session_from_being_kept(tmp_path: Path) -> None:
    outcome = replace(held_again(tmp_path), skipped=(("two", "needs \udcff"),))
    assert kept(outcome).code is ExitCode.PASS
    assert json.loads((tmp_path / "session.json").read_text())["skipped"][0]["told"] == "needs ?"
