"""`drill`, the command.

Each verb is a few lines here; what it does lives elsewhere and is imported when it is called, so that help and the
shell's completion do not wait for servers' clients. Exit codes are part of the interface (`harness.errors.ExitCode`),
and so is what `--json` prints: standard output is for results, everything else goes to standard error.
"""

import math
import os
import sys
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer

from harness import __version__, flags
from harness.answers import print_json, print_judged
from harness.console import ConsoleNarrator, terminal
from harness.endings import told
from harness.errors import ConfigError, DrillError, ExitCode, Interrupted
from harness.gate_commands import baseline, gate
from harness.interruption import unwinding
from harness.listening import whoever_listens
from harness.report_command import report

LEASE_MIN_MIN = 0.1  # minutes; a stack takes a good part of that to start
LEASE_MAX_MIN = 7 * 24 * 60.0  # what nobody has looked for in a week is forgotten
_COMPLETING = "_DRILL_COMPLETE"  # set by the shell after a Tab

app = typer.Typer(
    name="drill",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes and Python's types say nothing to whoever asks for help
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"drillbook {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _drill(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run resilience drills: start real servers, hurt them on purpose, judge what was recorded.

    Begin with `drill doctor`, then `drill run baseline`. Every setting is also a variable DRILLBOOK_….

    Exit codes: 0 pass, 1 fail, 2 usage, 3 inconclusive, 4 no stack, 130 interrupted.
    """
    del version
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one for each flag
    names: flags.Names = None,
    keyword: flags.Keyword = "",
    profile: flags.Profile = None,
    seed: flags.Seed = None,
    runtime: flags.Runtime = None,
    brokers: flags.Brokers = None,
    variant: flags.Variants = None,
    runs: flags.Runs = None,
    junit: flags.Junit = None,
    markdown: flags.Markdown = None,
    scenarios: flags.Scenarios = flags.SCENARIOS,
    json: flags.Json = False,
) -> None:
    """Hold drills and judge them: the scenarios named, or all.

    `drill list` shows their names. Every run is recorded in a folder of its own. An INCONCLUSIVE run is held once
    more; a FAIL never is. Exit code 0: each scenario passed, or was skipped with a reason, which is shown. One that is
    named and skipped is INCONCLUSIVE (3), and so is a session whose --junit or --markdown could not be written.
    """
    from harness import sessions  # noqa: PLC0415
    from harness.closing import closed  # noqa: PLC0415
    from harness.report_files import ready_for  # noqa: PLC0415
    from harness.reporting import refused_data, session_data  # noqa: PLC0415
    from harness.settings import Settings  # noqa: PLC0415

    options = {"profile": profile, "seed": seed, "runtime": runtime, "brokers": brokers, "runs": runs}
    arguments = [f"--drill-{name}={value}" for name, value in options.items() if value is not None]
    arguments += [f"--drill-variant={name}" for name in variant or ()]
    arguments += [f"--drill-only={name}" for name in names or ()]
    arguments += ["-k", keyword] if keyword else []
    try:
        Settings.read(**options, variants=tuple(variant) if variant else None)  # refused before pytest starts
        ready_for(junit, markdown)
        outcome = sessions.run(scenarios, arguments)
    except DrillError as error:
        if json:
            print_json(refused_data(error))
        raise
    outcome = closed(outcome, junit=junit, markdown=markdown)
    if json:
        print_judged(session_data(outcome), outcome.code)
    raise typer.Exit(outcome.code)


app.command()(gate)
app.add_typer(baseline, name="baseline")


@app.command()
def judge(run_dir: flags.RunDir, json: flags.Json = False) -> None:
    """Judge a recording again, with nothing running.

    RUN_DIR is the folder of one run, as `drill run` printed it. What is concluded replaces what an earlier judgement
    put there. Exit code 0: PASS. 1: FAIL. 3: INCONCLUSIVE, also of a recording that is not whole. 2: there is no run
    that can be read.
    """
    from harness.judgement import as_data  # noqa: PLC0415
    from harness.judging_again import judge_again, print_judgement  # noqa: PLC0415

    judgement = judge_again(run_dir)
    code = print_judgement(judgement)
    if json:
        print_judged(as_data(judgement), code)
    raise typer.Exit(code)


app.command()(report)


@app.command()
def detect(  # noqa: PLR0913, PLR0917 - as above
    defects: flags.Defects = None,
    profile: flags.Profile = None,
    seed: flags.Seed = None,
    runtime: flags.Runtime = None,
    brokers: flags.Brokers = None,
    runs: flags.Runs = None,
    matrix: flags.Matrix = None,
    scenarios: flags.Scenarios = flags.SCENARIOS,
    json: flags.Json = False,
) -> None:
    """Switch on each planted defect: its claim must turn red.

    Those named (DEFECT), or all. Exit code 0: all were caught. 1: a claim held in spite of its defect. 3: a drill said
    nothing, or --matrix could not be written.
    """
    from harness.detection import detect as detect_all  # noqa: PLC0415
    from harness.detection import exit_code_of  # noqa: PLC0415
    from harness.detection_matrix import refuse_partial, write  # noqa: PLC0415
    from harness.keeping import surviving  # noqa: PLC0415
    from harness.reporting import print_detections  # noqa: PLC0415
    from harness.settings import Settings  # noqa: PLC0415

    options = {"profile": profile, "seed": seed, "runtime": runtime, "brokers": brokers, "runs": runs}
    Settings.read(**options)
    if matrix is not None:
        refuse_partial(matrix, defects or ())
    arguments = [f"--drill-{name}={value}" for name, value in options.items() if value is not None]
    detections = detect_all(scenarios, arguments, defects or ())
    print_detections(detections)
    code = exit_code_of(detections)
    if matrix is not None:
        with surviving(f"{matrix}, which was asked for, was not written") as broken:
            write(detections, matrix)
        code = code or (ExitCode.INCONCLUSIVE if broken else ExitCode.PASS)
    if json:
        print_judged([asdict(found) | {"caught": found.caught} for found in detections], code)
    raise typer.Exit(code)


@app.command(name="list")
def list_(scenarios: flags.Scenarios = flags.SCENARIOS, json: flags.Json = False) -> None:
    """List the scenarios, and what each is for.

    With the planted defects that each catches, and the claim that catches them. Exit code 2: one cannot be read.
    """
    from harness import sessions  # noqa: PLC0415
    from harness.reporting import print_scenarios  # noqa: PLC0415

    found = sessions.collected(scenarios)
    if json:
        print_json([asdict(info) for info in found])
    else:
        print_scenarios(terminal(sys.stdout), found)


@app.command()
def doctor(fetch: flags.Fetch = False, json: flags.Json = False) -> None:
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


@app.command()
def up(
    lease: flags.Lease = "60",
    profile: flags.Profile = None,
    brokers: flags.Brokers = None,
    variant: flags.Variants = None,
    runs: flags.Runs = None,
    json: flags.Json = False,
) -> None:
    """Start a stack and leave it running.

    It ends with `drill down`, or when its lease is over. Exit code 0: it is up. 4: it could not be started.
    """
    from harness.settings import Settings  # noqa: PLC0415
    from harness.stack.embedded.detached import up as start  # noqa: PLC0415

    settings = Settings.read(
        profile=profile, brokers=brokers, runs=runs, variants=tuple(variant) if variant else None
    )
    lease_s = _minutes(lease) * 60
    try:
        with unwinding():
            stack = start(settings, ConsoleNarrator(terminal()), lease_s=lease_s)
    except KeyboardInterrupt as stopped:
        raise Interrupted("interrupted. The stack that was being started has been ended") from stopped
    if json:
        print_json(stack)
    else:
        from harness.reporting import print_stack  # noqa: PLC0415 - not before the stack: all that judges comes along

        print_stack(terminal(sys.stdout), stack)


def _minutes(text: str) -> float:
    """Minutes as they were typed.

    Raises:
        ConfigError: They are no lease.
    """
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not LEASE_MIN_MIN <= minutes <= LEASE_MAX_MIN:
        raise ConfigError(
            f"lease must be a number of minutes from {LEASE_MIN_MIN:g} to {LEASE_MAX_MIN:g} (a week), got {text!r}: "
            "the stack ends when it is over."
        )
    return minutes


@app.command()
def down(run_id: flags.RunId = None, all_: flags.All = False, json: flags.Json = False) -> None:
    """End detached stacks, and clear away what killed ones left.

    Only the one with that RUN_ID if one is given. Exit code 2: there is none of that name.
    """
    from harness.stack.embedded.detached import down as end  # noqa: PLC0415

    ended = end(run_id, everything=all_)
    if json:
        print_json(ended)
    else:
        typer.echo(f"ended: {', '.join(ended)}" if ended else "nothing was running")


def main() -> NoReturn:
    """The entry point: whatever happens becomes one message and a documented exit code."""
    with whoever_listens():
        try:
            code = app(prog_name="drill", standalone_mode=False) or ExitCode.PASS
        except BaseException as error:
            if isinstance(error, SystemExit) and _COMPLETING in os.environ:
                raise  # what the shell is offered has been printed
            code = told(error, "drill")
    sys.exit(int(code))
