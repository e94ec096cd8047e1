"""`drill`, the command.

Each verb is a few lines here; what it does lives elsewhere. Exit codes are part of the interface
(`harness.errors.ExitCode`), and so is what `--json` prints: standard output is for results, everything else goes
to standard error.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from harness import __version__
from harness.console import ConsoleNarrator
from harness.errors import ConfigError, DrillError, ExitCode
from harness.settings import Settings

app = typer.Typer(
    name="drill",
    help="Run resilience drills: start real servers, hurt them on purpose, judge what was recorded.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Scenarios = Annotated[Path, typer.Option("--scenarios", help="The folder of scenarios.")]
Runs = Annotated[Path | None, typer.Option("--runs", help="Folder that recordings go to. [default: runs]")]
RunDir = Annotated[Path, typer.Argument(help="A run directory, as `drill run` printed it.")]


def print_json(value: Any) -> None:
    """Print a result for machines."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"drillbook {__version__}")
        raise typer.Exit


@app.callback()
def _drill(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Resilience drills. Exit codes: 0 pass, 1 fail, 2 usage, 3 inconclusive, 4 no stack, 130 interrupted."""
    del version


@app.command()
def run(
    names: Annotated[
        list[str] | None, typer.Argument(help="Scenarios by name; all if none is given.")
    ] = None,
    keyword: Annotated[
        str, typer.Option("-k", help="Only scenarios that match this pytest expression.")
    ] = "",
    profile: Annotated[
        str | None, typer.Option(help="Table of durations: ci or guide. [default: ci]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness, from a replay line.")] = None,
    runtime: Annotated[
        str | None, typer.Option(help="How the stack is stood up. [default: embedded]")
    ] = None,
    brokers: Annotated[
        int | None, typer.Option(help="Kafka data brokers: 3, or 1 on a small machine.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="Planted defect to switch on; repeatable.")
    ] = None,
    runs: Runs = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here as well.")] = None,
    scenarios: Scenarios = Path("scenarios"),
    json: Json = False,
) -> None:
    """Run drills and judge them."""
    from harness import sessions  # noqa: PLC0415 - `drill --help` should not wait for pytest
    from harness.reporting import report  # noqa: PLC0415

    options = {
        "profile": profile,
        "seed": seed,
        "runtime": runtime,
        "brokers": brokers,
        "runs": runs,
    }
    Settings.read(**options, variants=tuple(variant) if variant else None)  # refused before pytest starts
    arguments = [f"--drill-{name}={value}" for name, value in options.items() if value is not None]
    arguments += [f"--drill-variant={name}" for name in variant or ()]
    arguments += [f"--drill-only={name}" for name in names or ()]
    arguments += ["-k", keyword] if keyword else []
    outcome = sessions.run(scenarios, arguments)
    result = report(outcome, junit=junit, json=json)
    if json:
        print_json(result)
    raise typer.Exit(outcome.code)


@app.command(name="list")
def list_(scenarios: Scenarios = Path("scenarios"), json: Json = False) -> None:
    """List the scenarios, with what each is for."""
    from harness import sessions  # noqa: PLC0415

    outcome = sessions.run(scenarios, ["--collect-only"])
    if outcome.errors:
        raise ConfigError("\n".join(outcome.errors))
    if json:
        print_json([asdict(info) for info in outcome.scenarios])
        return
    console = Console(highlight=False)
    for info in outcome.scenarios:
        console.print(f"[bold]{escape(info.name)}[/]  [dim]{info.guide}[/]")
        console.print(f"    {info.why}")


@app.command()
def judge(run_dir: RunDir, json: Json = False) -> None:
    """Judge a recording again, with nothing running."""
    from harness.reporting import as_data, judge_again, print_judgement  # noqa: PLC0415

    judgement = judge_again(run_dir)
    code = print_judgement(judgement)
    if json:
        print_json(as_data(judgement))
    raise typer.Exit(code)


@app.command()
def detect(
    defects: Annotated[
        list[str] | None, typer.Argument(help="Planted defects; all if none is given.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Table of durations: ci or guide. [default: ci]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness.")] = None,
    runs: Runs = None,
    scenarios: Scenarios = Path("scenarios"),
    json: Json = False,
) -> None:
    """Switch on each planted defect and see whether the claim meant for it turns red."""
    from harness.detection import detect as detect_all  # noqa: PLC0415
    from harness.reporting import print_detections  # noqa: PLC0415

    options = {"profile": profile, "seed": seed, "runs": runs}
    arguments = [f"--drill-{name}={value}" for name, value in options.items() if value is not None]
    detections = detect_all(scenarios, arguments, defects or ())
    print_detections(detections)
    if json:
        print_json(detections)
    raise typer.Exit(ExitCode.PASS if all(found.caught for found in detections) else ExitCode.FAIL)


@app.command()
def up(
    lease_min: Annotated[
        float, typer.Option("--lease", min=0.1, help="Minutes until it ends by itself.")
    ] = 60.0,
    profile: Annotated[
        str | None, typer.Option(help="Table of durations: ci or guide. [default: ci]")
    ] = None,
    brokers: Annotated[
        int | None, typer.Option(help="Kafka data brokers: 3, or 1 on a small machine.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="Planted defect to switch on; repeatable.")
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Start the stack and leave it running until `drill down` or the end of its lease."""
    from harness.stack.embedded.detached import up as start  # noqa: PLC0415

    settings = Settings.read(
        profile=profile, brokers=brokers, runs=runs, variants=tuple(variant) if variant else None
    )
    narrator = ConsoleNarrator(Console(stderr=True))
    stack = start(settings, narrator, lease_s=lease_min * 60)
    if json:
        print_json(stack)
        return
    console = Console(highlight=False)
    console.print(f"\n[bold]{stack.run_id}[/] is up for {lease_min:g} minutes. `drill down` ends it.")
    console.print(
        f"  shop       {stack.entry}\n  toxiproxy  {stack.toxiproxy}\n  logs       {escape(stack.logs)}"
    )
    for endpoint in stack.endpoints:
        console.print(f"  [dim]{endpoint.name:<18} {endpoint.address}[/]")


@app.command()
def down(
    run_id: Annotated[
        str | None, typer.Argument(help="A stack's id; every detached one if none is given.")
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
        Console(stderr=True).print(
            f"[bold red]drill:[/] {escape(str(error))}", highlight=False, soft_wrap=True
        )
        code = error.exit_code
    except typer.Abort:
        code = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        usage = getattr(error, "show", None)  # click's own complaints about flags
        if usage is None:
            raise
        usage()
        code = ExitCode.USAGE
    sys.exit(int(code))
