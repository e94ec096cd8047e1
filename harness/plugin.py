"""The pytest plugin: a scenario is an ordinary test that asks for `chaos`.

`drill run` and `pytest scenarios/` both come through here. What is drilled is a setting (`Settings.target`); this
plugin starts its stack when the first scenario needs it, resets it between scenarios and ends it, whatever
happens in between.
"""

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from harness.completion import marked
from harness.console import ConsoleNarrator, terminal
from harness.errors import ConfigError, DrillError
from harness.judgement import Judgement, NotPassed
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.runner import Chaos
    from harness.stack.drillable import DrillableStack

SCENARIO_MARK = "scenario"
DETECTS_MARK = "detects"
_NOT_SPREAD = (
    "scenarios cannot be spread over processes with -n: they share one stack, and two drills at once would disturb "
    "each other's measurements. Leave -n out for scenarios."
)


@dataclass
class Session:
    """What one pytest session came to, for whoever started it.

    Attributes:
        judgements: Every judged drill, in order.
        troubles: Errors of the drills themselves.
        recordings: Where this session's runs are, once a stack was up.
    """

    settings: Settings
    narrator: ConsoleNarrator
    selected: tuple[str, ...] = ()
    judgements: list[Judgement] = field(default_factory=list)
    troubles: list[BaseException] = field(default_factory=list)
    recordings: Path | None = None


SESSION = pytest.StashKey[Session]()


@dataclass(frozen=True)
class ScenarioInfo:
    """What the mark on a scenario says.

    Attributes:
        name: Its id in the catalogue, with the parameters' ids in brackets.
        guide: The heading of the guide it belongs to.
        why: The scenario's docstring.
        detects: Planted defects it must catch, each with the id of the claim that must catch it.
    """

    name: str
    guide: str
    why: str
    detects: tuple[tuple[str, str], ...]


def scenario_info(item: pytest.Item) -> ScenarioInfo | None:
    """What a test says of itself, or None if it is not a scenario.

    Raises:
        pytest.UsageError: One of its marks does not say what it must.
    """
    mark = item.get_closest_marker(SCENARIO_MARK)
    if mark is None:
        return None
    promises = list(item.iter_markers(DETECTS_MARK))
    if len(mark.args) != 1 or any(len(found.args) != 1 or "by" not in found.kwargs for found in promises):
        raise pytest.UsageError(
            f"{item.nodeid}: wanted @pytest.mark.{SCENARIO_MARK}(name, guide=heading) and "
            f"@pytest.mark.{DETECTS_MARK}(defect, by=claim), got {[mark, *promises]}: without them the drill cannot be "
            "named or its defects counted."
        )
    call = getattr(item, "callspec", None)
    name = f"{mark.args[0]}[{call.id}]" if call else str(mark.args[0])
    why = " ".join((getattr(item, "function", item).__doc__ or "").split())
    detects = tuple((found.args[0], found.kwargs["by"]) for found in promises)
    return ScenarioInfo(name, str(mark.kwargs.get("guide", "")), why, detects)


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
    config.addinivalue_line("markers", f"{SCENARIO_MARK}(name, guide): a drill of the catalogue")
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the scenarios that were asked for by name, and let a drill last as long as its phases say."""
    found = {info.name: item for item in items if (info := scenario_info(item))}
    if found and hasattr(
        config, "workerinput"
    ):  # xdist hides why a worker refuses; `_refuse_spreading` says it
        raise pytest.UsageError(_NOT_SPREAD)
    if config.pluginmanager.hasplugin("timeout"):  # pytest-timeout: a limit meant for unit tests
        for item in found.values():
            item.add_marker(pytest.mark.timeout(0))
    wanted = config.stash[SESSION].selected
    if not wanted:
        return
    chosen: list[pytest.Item] = []
    for name in wanted:
        hits = [item for known, item in found.items() if name in {known, known.partition("[")[0]}]
        if not hits:
            raise pytest.UsageError(unknown_scenario(name, list(found)))
        chosen += [item for item in hits if item not in chosen]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def unknown_scenario(name: str, known: Sequence[str]) -> str:
    """The message for a scenario that is not there, with the names that come nearest."""
    stems = list(dict.fromkeys(item.partition("[")[0] for item in known))
    names = list(dict.fromkeys([*stems, *known]))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    near = near or [item for item in names if name.lower() in item.lower()][:3]
    advice = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else f"There are: {', '.join(sorted(stems)) or 'none here'}."
    )
    return f"there is no scenario {name!r}. {advice} `drill list` shows all."


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Let pytest end the line it is writing before a drill is told in lines of its own."""
    reporter = item.config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and scenario_info(item):
        reporter.ensure_newline()
        reporter.flush()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep the errors of drills, which decide the exit code of `drill`."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, DrillError | NotPassed):
        item.config.stash[SESSION].troubles.append(call.excinfo.value)
        # The sentence is for people; a traceback through pytest and the runner is not.
        report.longrepr = str(call.excinfo.value)  # type: ignore[attr-defined]
    return report


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
    )
    session.narrator.quiet()
