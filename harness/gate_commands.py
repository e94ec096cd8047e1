"""`drill gate` and `drill baseline`: what a deploy pipeline calls."""

from dataclasses import asdict

import typer

from harness import flags
from harness.answers import print_json, print_judged
from harness.console import say, terminal
from harness.errors import DrillError, ExitCode

baseline = typer.Typer(name="baseline")


@baseline.callback(invoke_without_command=True)
def _baseline(context: typer.Context) -> None:
    """Keep what a gate has proven."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE)


def gate(  # noqa: PLR0913, PLR0917 - one for each flag
    profile: flags.Profile = None,
    seed: flags.Seed = None,
    runtime: flags.Runtime = None,
    brokers: flags.Brokers = None,
    runs: flags.Runs = None,
    junit: flags.Junit = None,
    markdown: flags.Markdown = None,
    baseline: flags.Baseline = None,
    no_baseline: flags.NoBaseline = False,
    scenarios: flags.Scenarios = flags.SCENARIOS,
    json: flags.Json = False,
) -> None:
    """Hold the drills of the gate, and miss nothing proven before.

    A scenario is marked for it with `gate=True`. What the baseline has and this session has not judged makes it
    INCONCLUSIVE, however green the rest is. Exit code 0: let it through. Anything else: hold it back.
    """
    from harness import sessions  # noqa: PLC0415 - see harness.cli
    from harness.baseline import BASELINE, read_baseline  # noqa: PLC0415
    from harness.closing import closed  # noqa: PLC0415
    from harness.gate import compared, gated, refuse_another, strangers  # noqa: PLC0415
    from harness.report_files import ready_for  # noqa: PLC0415
    from harness.reporting import refused_data, session_data  # noqa: PLC0415
    from harness.settings import Settings  # noqa: PLC0415

    options = {"profile": profile, "seed": seed, "runtime": runtime, "brokers": brokers, "runs": runs}
    try:
        settings = Settings.read(**options)
        proven = None if no_baseline else read_baseline(baseline or BASELINE)
        refuse_another(proven, settings)
        ready_for(junit, markdown)
        names = gated(sessions.collected(scenarios, whole=True))
        arguments = [f"--drill-{name}={value}" for name, value in options.items() if value is not None]
        outcome = sessions.run(scenarios, [*arguments, *(f"--drill-only={name}" for name in names)])
    except DrillError as error:
        if json:
            print_json(refused_data(error))
        raise
    lost: tuple[tuple[str, str], ...] = ()
    new: tuple[tuple[str, str], ...] = ()
    if proven is not None and outcome.code is not ExitCode.INTERRUPTED:
        found = compared(proven, outcome.counting)
        lost, new = found.lost, found.new
        if lost:
            outcome = outcome.with_trouble(_told(lost), ExitCode.INCONCLUSIVE)
        for told in strangers(proven, outcome.counting):
            outcome = outcome.with_trouble(told, ExitCode.INCONCLUSIVE)
    outcome = closed(outcome, junit=junit, markdown=markdown)
    if new:
        say(terminal(), f"{len(new)} claims are new; `drill baseline save` holds later changes to them, too.")
    if json:
        print_judged(session_data(outcome) | {"lost": _pairs(lost), "new": _pairs(new)}, outcome.code)
    raise typer.Exit(outcome.code)


@baseline.command()
def save(
    session: flags.Session = None,
    runs: flags.RunsThere = None,
    baseline: flags.Baseline = None,
    scenarios: flags.Scenarios = flags.SCENARIOS,
    json: flags.Json = False,
) -> None:
    """Save what a session proved, for later gates to be held to.

    SESSION is the folder of a session, as `drill gate` printed it; the newest one in --runs if none is named. Every
    scenario of the gate must have passed in it, without a planted defect, and its recordings must be whole. Put the
    file under version control. Exit code 0: it is saved. 2: it is not, and an earlier file is as it was.
    """
    from harness import sessions  # noqa: PLC0415
    from harness.baseline import BASELINE, write_baseline  # noqa: PLC0415
    from harness.gate import gated  # noqa: PLC0415
    from harness.patience import patiently  # noqa: PLC0415
    from harness.proven import baseline_of, newest_session  # noqa: PLC0415
    from harness.settings import Settings  # noqa: PLC0415

    folder = session or newest_session(Settings.read(runs=runs).runs)
    names = gated(sessions.collected(scenarios, whole=True))
    with patiently(terminal(), f"reading what {folder} proved …"):
        found = baseline_of(folder, names)
    path = baseline or BASELINE
    write_baseline(path, found)
    claims = sum(len(names) for names in found.claims.values())
    say(terminal(), f"{path}: {claims} claims of {len(found.claims)} scenarios, proven in {folder}")
    if json:
        print_json(asdict(found))


def _told(lost: tuple[tuple[str, str], ...]) -> str:
    names = [f"{scenario}: {claim}" if claim else f"{scenario}: all of it" for scenario, claim in lost]
    return (
        f"{len(lost)} of what the baseline has proven was not judged: {', '.join(names)}. Nobody knows whether it "
        "still holds. Where it was taken out on purpose, `drill baseline save` says so for all to see."
    )


def _pairs(claims: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"scenario": scenario, "claim": claim} for scenario, claim in claims]
