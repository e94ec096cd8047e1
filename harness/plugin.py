"""The pytest plugin: a scenario is an ordinary test that asks for `chaos`.

`drill run` and `pytest scenarios/` both come through here. What is drilled is a setting (`Settings.target`); this
plugin starts its stack when the first scenario needs it, resets it between scenarios and ends it, whatever
happens in between.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from harness.catalogue import DETECTS_MARK, SCENARIO_MARK, asked_for, catalogued, is_meant, scenario_info
from harness.completion import marked
from harness.console import ConsoleNarrator, terminal
from harness.errors import ConfigError, DrillError, ExitCode
from harness.flags import SCENARIOS
from harness.judgement import Judgement, NothingHeldError, NotPassed, Trouble
from harness.recording.records import Verdict
from harness.recording.rundir import shown
from harness.recording.sessions import SessionInfo, write_session
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.runner import Chaos
    from harness.stack.drillable import DrillableStack

_NOT_SPREAD = (
    "scenarios cannot be spread over processes with -n: they share one stack, and two drills at once would disturb "
    "each other's measurements. Leave -n out for scenarios."
)
_NOT_EXCUSED = (
    "A scenario cannot be expected to fail: an xfail excuses no verdict, here or under plain pytest. Take it away; "
    "`pytest.skip(reason)` leaves a scenario out where all can see it."
)


@dataclass
class Session:
    """What one pytest session came to, for whoever started it.

    Attributes:
        asked: Names of the scenarios that somebody asked for; none means all.
        left_out: Names of those that something else took away, such as -k or a conftest.py.
        judgements: Every judged drill, in order.
        troubles: What went wrong in single tests, other than a verdict.
        recordings: Where this session's runs are, once a stack was up.
        collected: All scenarios that pytest found, before selection: name without parameters, and file.
        skipped_files: The files that skip themselves, with the names of the scenarios in each.
        begun: Names of the scenarios whose drill was begun.
        selected: Names of those that are to be held.
        scenarios: The folder that `--scenarios` must name to find them again; "" for the usual one.
    """

    settings: Settings
    narrator: ConsoleNarrator
    asked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    judgements: list[Judgement] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    recordings: Path | None = None
    collected: tuple[tuple[str, Path], ...] = ()
    skipped_files: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    selected: tuple[str, ...] = ()
    scenarios: str = ""

    @property
    def replay(self) -> str:
        """The command that holds the same scenarios again."""
        from harness.identity import session_replay  # noqa: PLC0415 - pytest without scenarios stays fast

        return session_replay(self.settings, self.asked or self.selected, self.scenarios)


SESSION = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The same settings that `drill run` has, under names that no other plugin uses."""
    group = parser.getgroup("drillbook", "drills (each also a variable DRILLBOOK_…)")
    group.addoption("--drill-profile", help="table of durations: ci or guide")
    group.addoption("--drill-seed", type=int, help="seed of all randomness, from a replay line")
    group.addoption("--drill-runtime", help="how the stack is stood up: embedded")
    group.addoption("--drill-runs", help="folder that recordings are written to (default: runs)")
    group.addoption("--drill-brokers", type=int, help="Kafka data brokers, 1 or 3")
    group.addoption("--drill-variant", action="append", help="planted defect to switch on; repeatable")
    group.addoption("--drill-retries", type=int, help="how often an INCONCLUSIVE drill is run again (0 or 1)")
    group.addoption(
        "--drill-only", action="append", default=[], help="run the scenario of this name; repeatable"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings once, and open a way to the terminal past pytest's capturing."""
    config.addinivalue_line("markers", f"{SCENARIO_MARK}(name, guide, gate): a drill of the catalogue")
    config.addinivalue_line(
        "markers", f"{DETECTS_MARK}(defect, by): a planted defect it catches by that claim"
    )
    if SESSION in config.stash:
        return
    _refuse_spreading(config)
    variants = config.getoption("drill_variant")
    try:
        settings = Settings.read(
            profile=config.getoption("drill_profile"),
            seed=config.getoption("drill_seed"),
            runtime=config.getoption("drill_runtime"),
            runs=config.getoption("drill_runs"),
            brokers=config.getoption("drill_brokers"),
            variants=tuple(variants) if variants else None,
            retry_inconclusive=config.getoption("drill_retries"),
        )
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from error
    narrator = ConsoleNarrator(terminal(_uncaptured(config)))
    config.stash[SESSION] = Session(settings, narrator, tuple(config.getoption("drill_only")))


def _refuse_spreading(config: pytest.Config) -> None:
    """Refuse xdist's -n for scenarios. Its controller collects nothing, so their text has to tell."""
    if not getattr(config.option, "numprocesses", None):
        return
    for argument in config.args:
        place = config.invocation_params.dir / argument.partition("::")[0]
        if next(marked(place, SCENARIO_MARK), None) is not None:
            raise pytest.UsageError(_NOT_SPREAD)


def _uncaptured(config: pytest.Config) -> IO[str]:
    """Standard error as it was before pytest began to capture it."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        return os.fdopen(os.dup(2), "w", buffering=1)
    with capture.global_and_fixture_disabled():
        return os.fdopen(os.dup(2), "w", buffering=1)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Remember what is in files that skip themselves: it is there, though it is not among the tests."""
    report: pytest.CollectReport = yield  # type: ignore[assignment]  # as below
    if report.skipped:
        inside = tuple(marked(collector.path, SCENARIO_MARK)) if collector.path.is_file() else ()
        collector.config.stash[SESSION].skipped_files[collector.path.resolve()] = inside
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Keep the scenarios that were asked for by name, see what others leave of them, and lift limits of time."""
    session = config.stash[SESSION]
    found = catalogued(items)
    session.collected = tuple((name.partition("[")[0], item.path.resolve()) for name, item in found.items())
    if found and hasattr(config, "workerinput"):
        raise pytest.UsageError(_NOT_SPREAD)  # xdist hides why a worker refuses; `_refuse_spreading` says it
    if config.pluginmanager.hasplugin("timeout"):  # pytest-timeout: a limit meant for unit tests
        for item in found.values():
            item.add_marker(pytest.mark.timeout(0))
    if session.asked:
        skipped = [name for names in session.skipped_files.values() for name in names]
        chosen = asked_for(session.asked, found, skipped)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
    before = catalogued(items)
    result = yield
    session.left_out = tuple(name for name in before if before[name] not in items)
    session.selected = tuple(name for name in before if before[name] in items)
    if session.selected:
        shared = os.path.commonpath([before[name].path.parent for name in session.selected])
        session.scenarios = _folder_of_scenarios(Path(shared))
    for asked in session.asked:
        meant = [name for name in before if is_meant(name, asked)]
        if meant and all(name in session.left_out for name in meant):
            raise pytest.UsageError(
                f"{asked} was asked for by name, but -k, -m or a conftest.py leaves it out: it would not be held. Ask "
                "for one or the other."
            )
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Let pytest end the line it is writing before a drill is told in lines of its own."""
    __tracebackhide__ = True
    reporter = item.config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and scenario_info(item):
        reporter.ensure_newline()
        reporter.flush()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Let no scenario be green that has not earned it: without a drill, or past a verdict that it swallowed."""
    __tracebackhide__ = True
    result = yield
    info = scenario_info(item)
    if info is not None:
        judgements = item.config.stash[SESSION].judgements
        counting = [found for found in judgements if found.scenario == info.name and not found.superseded]
        for judgement in counting:
            if judgement.verdict is not Verdict.PASS:
                raise NotPassed(judgement)
        if not counting:
            raise NothingHeldError(info.name)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of pytest's own, which is where an xfail is made
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep what went wrong, which decides the exit code of `drill`, and let nothing be expected to go wrong."""
    report: pytest.TestReport = yield  # type: ignore[assignment]  # what a wrapper is sent has no type of its own
    error = call.excinfo.value if call.excinfo is not None else None
    info = scenario_info(item)
    name = info.name if info else item.nodeid
    if isinstance(error, DrillError | NotPassed):
        report.longrepr = str(
            error
        )  # the sentence is for people; a traceback through pytest and the runner is not
    if info and not report.passed and (hasattr(report, "wasxfail") or _passed_strictly(report)):
        _excuse_nothing(report, error, name)
    if info and report.skipped and name in item.config.stash[SESSION].begun:
        report.outcome = "failed"
        report.longrepr = (
            f"{name} was skipped after its drill had begun ({error}). What was begun has a verdict or none; it is not "
            "taken back. Skip before `chaos.run(...)`."
        )
    if report.failed and not isinstance(error, NotPassed):
        ours = isinstance(error, DrillError) or isinstance(report.longrepr, str)
        told = str(report.longrepr) if ours else _broken(report, name)
        code = error.exit_code if isinstance(error, DrillError) else ExitCode.INCONCLUSIVE
        item.config.stash[SESSION].troubles.append(Trouble(scenario=name, told=told, code=code))
    return report  # type: ignore[return-value]  # see above


def _passed_strictly(report: pytest.TestReport) -> bool:
    """Whether pytest is not content because a test passed that was marked xfail(strict)."""
    return isinstance(report.longrepr, str) and report.longrepr.startswith("[XPASS(strict)]")


def _excuse_nothing(report: pytest.TestReport, error: BaseException | None, name: str) -> None:
    """Turn what pytest took for expected into what it is."""
    reason = report.__dict__.pop("wasxfail", "")
    report.outcome = "failed"
    if error is None:
        report.longrepr = f"{name} passed, and is marked xfail(strict). {_NOT_EXCUSED}"
    elif isinstance(error, pytest.xfail.Exception):
        report.longrepr = f"{name} was given up with xfail ({reason or 'no reason given'}). {_NOT_EXCUSED}"
    else:
        told = report.longrepr if isinstance(report.longrepr, str) else _broken(report, name)
        report.longrepr = f"{told}\n{_NOT_EXCUSED}"


def _broken(report: pytest.TestReport, name: str) -> str:
    """What only a traceback explains, with what was printed."""
    printed = "".join(f"\n{title}:\n{text.rstrip()}" for title, text in report.sections)
    return f"{name} broke in its {report.when}:\n{report.longrepr}{printed}"


@pytest.fixture(scope="session")
def drill_settings(request: pytest.FixtureRequest) -> Settings:
    """How this session was told to drill. Scenarios read the profile from it."""
    return request.config.stash[SESSION].settings


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> "Iterator[DrillableStack]":
    """The one warm stack of this session."""
    from harness.stack.embedded.starting import started  # noqa: PLC0415 - pytest without scenarios stays fast

    session = request.config.stash[SESSION]
    with (
        _held(session),
        started(
            session.settings.make_target(), settings=session.settings, narrator=session.narrator
        ) as running,
    ):
        session.recordings = running.recordings
        # A session that is killed leaves this, and nobody takes the runs that it left for all of it.
        selected, left_out = session.selected, session.left_out
        write_session(
            session.recordings, SessionInfo(selected=selected, left_out=left_out, replay=session.replay)
        )
        yield running


@contextmanager
def _held(session: Session) -> Iterator[None]:
    try:
        yield
    finally:
        session.narrator.quiet()


@pytest.fixture
def chaos(request: pytest.FixtureRequest, stack: "DrillableStack") -> "Iterator[Chaos]":
    """What a scenario runs its drill with."""
    from harness.runner import Chaos  # noqa: PLC0415 - see above

    session = request.config.stash[SESSION]
    info = scenario_info(request.node)
    if info is None:
        raise ConfigError(
            f"{request.node.nodeid} asks for `chaos` but has no @pytest.mark.scenario(name, guide=...): without a "
            "name its recording could not be found again. Add the mark."
        )
    yield Chaos(
        stack=stack,
        settings=session.settings,
        narrator=session.narrator,
        scenario=info.name,
        title=info.why,
        judgements=session.judgements,
        begun=session.begun,
        scenarios=_folder_of_scenarios(request.node.path.parent),
    )
    session.narrator.quiet()


def _folder_of_scenarios(folder: Path) -> str:
    """What `drill run --scenarios` has to be given to find a file's scenarios again; "" for its default."""
    usual = (Path.cwd() / SCENARIOS).resolve()
    here = folder.resolve()
    return "" if here == usual or usual in here.parents else str(shown(here))
