"""`drill`, the command.

Each verb is a few lines here; what it does lives elsewhere and is imported when it is called, so that help and the
shell's completion do not wait for servers' clients. Exit codes are part of the interface (`harness.errors.ExitCode`),
and so is what `--json` prints: standard output is for results, everything else goes to standard error.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from harness import __version__, completion
from harness.console import ConsoleNarrator, complain, say, say_whole, terminal
from harness.errors import ConfigError, DrillError, ExitCode, Interrupted
from harness.interruption import unwinding

SCENARIOS = Path("scenarios")
_JUDGING, _LOOKING, _STACKS = "Drills", "Looking", "Stacks"

app = typer.Typer(
    name="drill",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _scenarios_of(context: typer.Context) -> Path:
    return Path(context.params.get("scenarios") or SCENARIOS)


def _complete_scenario(context: typer.Context, incomplete: str) -> list[str]:
    return completion.scenario_names(_scenarios_of(context), incomplete)


def _complete_defect(context: typer.Context, incomplete: str) -> list[str]:
    return completion.defect_names(_scenarios_of(context), incomplete)


def _complete_profile(incomplete: str) -> list[str]:
    return [name for name in ("ci", "guide") if name.startswith(incomplete)]


def _complete_run(incomplete: str) -> list[str]:
    return completion.run_dirs(incomplete)


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Scenarios = Annotated[Path, typer.Option("--scenarios", help="The folder of scenarios.", metavar="FOLDER")]
Runs = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder that recordings go to. [dim]\\[default: runs][/]", metavar="FOLDER"),
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="Table of durations: ci compresses the waits, guide keeps the guide's own. [dim]\\[default: ci][/]",
        metavar="NAME",
        autocompletion=_complete_profile,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Seed of all randomness, from a replay line. [dim]\\[default: a fresh one][/]", metavar="N"
    ),
]
Brokers = Annotated[
    int | None,
    typer.Option(help="Kafka data brokers: 3, or 1 on a small machine. [dim]\\[default: 3][/]", metavar="N"),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        help="Planted defect to switch on in the target; repeatable.",
        metavar="NAME",
        autocompletion=_complete_defect,
    ),
]


def print_json(value: Any) -> None:
    """Print a result for machines."""
    import msgspec  # noqa: PLC0415 - see above

    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"drillbook {__version__}")
        raise typer.Exit


@app.callback()
def _drill(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run resilience drills: start real servers, hurt them on purpose, judge what was recorded.

    Begin with [bold]drill doctor[/], then [bold]drill run baseline[/]. Every setting is also a variable DRILLBOOK_….

    Exit codes: 0 pass · 1 fail · 2 usage · 3 inconclusive · 4 no stack · 130 interrupted.
    """
    del version


@app.command(rich_help_panel=_JUDGING)
def run(  # noqa: PLR0913, PLR0917 - one for each flag
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Scenarios by name; all if none is given. `drill list` shows them.",
            metavar="NAME",
            autocompletion=_complete_scenario,
        ),
    ] = None,
    keyword: Annotated[
        str, typer.Option("-k", help="Only scenarios that match this pytest expression.", metavar="EXPR")
    ] = "",
    profile: Profile = None,
    seed: Seed = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="How the stack is stood up. [dim]\\[default: embedded][/]", metavar="NAME"),
    ] = None,
    brokers: Brokers = None,
    variant: Variants = None,
    runs: Runs = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here as well.", metavar="FILE")] = None,
    scenarios: Scenarios = SCENARIOS,
    json: Json = False,
) -> None:
    """Hold drills and judge them.

    Every run is recorded in a folder of its own. An INCONCLUSIVE run is held once more; a FAIL never is.
    """
    from harness import sessions  # noqa: PLC0415
    from harness.reporting import ready_for, refused_data, report, session_data  # noqa: PLC0415
    from harness.settings import Settings  # noqa: PLC0415

    options = {"profile": profile, "seed": seed, "runtime": runtime, "brokers": brokers, "runs": runs}
    arguments = [f"--drill-{name}={value}" for name, value in options.items() if value is not None]
    arguments += [f"--drill-variant={name}" for name in variant or ()]
    arguments += [f"--drill-only={name}" for name in names or ()]
    arguments += ["-k", keyword] if keyword else []
    try:
        Settings.read(**options, variants=tuple(variant) if variant else None)  # refused before pytest starts
        if junit is not None:
            ready_for(junit)
        outcome = sessions.run(scenarios, arguments)
    except DrillError as error:
        if json:
            print_json(refused_data(error))
        raise
    if json:
        print_json(session_data(outcome))
    report(outcome, junit=junit)
    raise typer.Exit(outcome.code)


@app.command(rich_help_panel=_JUDGING)
def judge(
    run_dir: Annotated[
        Path,
        typer.Argument(
            help="A run directory, as `drill run` printed it.",
            metavar="RUN_DIR",
            autocompletion=_complete_run,
        ),
    ],
    json: Json = False,
) -> None:
    """Judge a recording again, with nothing running."""
    from harness.reporting import as_data, judge_again, print_judgement  # noqa: PLC0415

    judgement = judge_again(run_dir)
    code = print_judgement(judgement)
    if json:
        print_json(as_data(judgement))
    raise typer.Exit(code)


@app.command(rich_help_panel=_JUDGING)
def detect(
    defects: Annotated[
        list[str] | None,
        typer.Argument(
            help="Planted defects; all if none is given.",
            metavar="DEFECT",
            autocompletion=_complete_defect,
        ),
    ] = None,
    profile: Profile = None,
    seed: Seed = None,
    runs: Runs = None,
    scenarios: Scenarios = SCENARIOS,
    json: Json = False,
) -> None:
    """Switch on each planted defect and see whether the claim meant for it turns red.

    Exit code 0: all were caught. 1: a claim held in spite of its defect. 3: a drill said nothing.
    """
    from harness.detection import detect as detect_all  # noqa: PLC0415
    from harness.detection import overall  # noqa: PLC0415
    from harness.reporting import print_detections  # noqa: PLC0415
    from harness.settings import Settings  # noqa: PLC0415

    options = {"profile": profile, "seed": seed, "runs": runs}
    Settings.read(**options)
    arguments = [f"--drill-{name}={value}" for name, value in options.items() if value is not None]
    detections = detect_all(scenarios, arguments, defects or ())
    print_detections(detections)
    if json:
        print_json([asdict(found) | {"caught": found.caught} for found in detections])
    raise typer.Exit(overall(detections))


@app.command(name="list", rich_help_panel=_LOOKING)
def list_(scenarios: Scenarios = SCENARIOS, json: Json = False) -> None:
    """List the scenarios, with what each is for and which planted defects it catches."""
    from harness import sessions  # noqa: PLC0415

    outcome = sessions.run(scenarios, ["--collect-only"])
    if outcome.errors:
        raise ConfigError("\n".join(outcome.errors))
    if json:
        print_json([asdict(info) for info in outcome.scenarios])
        return
    from rich.text import Text  # noqa: PLC0415

    console = terminal(sys.stdout)
    for info in outcome.scenarios:
        say(console, Text.assemble((info.name, "bold"), "  ", (info.guide, "dim")))
        say(console, info.why, indent=4)
        for defect, claim in info.detects:
            say(console, f"catches {defect} by {claim}", indent=4, hanging=2, style="dim")


@app.command(rich_help_panel=_LOOKING)
def doctor(
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch what is missing, so that the first drill need not.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what is there, what is missing, and the command that helps.

    Exit code 0: a stack could be started. 4: it could not.
    """
    from harness import doctor as examination  # noqa: PLC0415
    from harness.reporting import print_diagnosis  # noqa: PLC0415

    diagnosis = examination.examine(fetching=terminal() if fetch else None)
    if json:
        print_json(examination.as_data(diagnosis))
    else:
        print_diagnosis(terminal(sys.stdout), diagnosis)
    raise typer.Exit(ExitCode.PASS if diagnosis.can_start else ExitCode.NO_STACK)


@app.command(rich_help_panel=_STACKS)
def up(
    lease_min: Annotated[
        float, typer.Option("--lease", min=0.1, help="Minutes until it ends by itself.", metavar="MINUTES")
    ] = 60.0,
    profile: Profile = None,
    brokers: Brokers = None,
    variant: Variants = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Start the stack and leave it running until `drill down` or the end of its lease."""
    from harness.settings import Settings  # noqa: PLC0415
    from harness.stack.embedded.detached import up as start  # noqa: PLC0415

    settings = Settings.read(
        profile=profile, brokers=brokers, runs=runs, variants=tuple(variant) if variant else None
    )
    try:
        with unwinding():
            stack = start(settings, ConsoleNarrator(terminal()), lease_s=lease_min * 60)
    except KeyboardInterrupt as stopped:
        raise Interrupted("interrupted. The stack that was being started has been ended") from stopped
    if json:
        print_json(stack)
        return
    console = terminal(sys.stdout)
    console.print(f"\n[bold]{stack.run_id}[/] is up for {lease_min:g} minutes. `drill down` ends it.")
    for label, told in (("shop", stack.entry), ("toxiproxy", stack.toxiproxy), ("logs", stack.logs)):
        say_whole(console, told, indent=2, label=label)
    for endpoint in stack.endpoints:
        console.print(f"  [dim]{endpoint.name:<18} {endpoint.address}[/]")


@app.command(rich_help_panel=_STACKS)
def down(
    run_id: Annotated[
        str | None,
        typer.Argument(help="A stack's id; every detached one if none is given.", metavar="RUN_ID"),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Also stacks of running drills, which aborts them.")
    ] = False,
    json: Json = False,
) -> None:
    """End detached stacks, and clear away what killed ones left."""
    from harness.stack.embedded.detached import down as end  # noqa: PLC0415

    ended = end(run_id, everything=all_)
    if json:
        print_json(ended)
    else:
        typer.echo(f"ended: {', '.join(ended)}" if ended else "nothing was running")


def main() -> NoReturn:
    """The entry point: errors of ours become one message and an exit code."""
    try:
        code = app(standalone_mode=False) or ExitCode.PASS
    except DrillError as error:
        complain(terminal(), str(error))
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        complain(terminal(), "interrupted")
        code = ExitCode.INTERRUPTED
    except Exception as error:
        usage = getattr(error, "show", None)  # click's own complaints about flags
        if usage is None:
            raise
        usage()
        code = ExitCode.USAGE
    sys.exit(int(code))
