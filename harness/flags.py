"""The flags and arguments of `drill`, each said once, with what the shell offers after a Tab.

Values are taken as they were typed. What they must be is said in one place for flags, variables and plain pytest alike
(`harness.settings`), and so is the complaint about a wrong one. Nothing here imports a client of a server: a Tab does
not wait for that.
"""

from pathlib import Path
from typing import Annotated

import typer

from harness import completion

SCENARIOS = Path("scenarios")


def _scenarios_of(context: typer.Context) -> Path:
    return Path(context.params.get("scenarios") or SCENARIOS)


def _scenarios_beginning(context: typer.Context, incomplete: str) -> list[str]:
    return completion.scenario_names(_scenarios_of(context), incomplete)


def _defects_beginning(context: typer.Context, incomplete: str) -> list[str]:
    return completion.defect_names(_scenarios_of(context), incomplete)


def _profiles_beginning(incomplete: str) -> list[str]:
    return [name for name in ("ci", "guide") if name.startswith(incomplete)]


def _formats_beginning(incomplete: str) -> list[str]:
    return [name for name in ("html", "markdown", "json") if name.startswith(incomplete)]


def _runtimes_beginning(incomplete: str) -> list[str]:
    return [name for name in ("embedded",) if name.startswith(incomplete)]


def _brokers_beginning(incomplete: str) -> list[str]:
    return [count for count in ("1", "3") if count.startswith(incomplete)]


def _sessions_beginning(incomplete: str) -> list[str]:
    return completion.session_dirs(incomplete)


def _recorded_beginning(incomplete: str) -> list[str]:
    return completion.recorded(incomplete)


def _runs_beginning(incomplete: str) -> list[str]:
    return completion.run_dirs(incomplete)


# Arguments are told of in the text above the flags: in a list of their own they would be followed by Python's types.
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", autocompletion=_scenarios_beginning, hidden=True),
]
Defects = Annotated[
    list[str] | None,
    typer.Argument(metavar="DEFECT", autocompletion=_defects_beginning, hidden=True),
]
RunDir = Annotated[Path, typer.Argument(metavar="RUN_DIR", autocompletion=_runs_beginning, hidden=True)]
Recorded = Annotated[
    Path, typer.Argument(metavar="RECORDED", autocompletion=_recorded_beginning, hidden=True)
]
RunId = Annotated[str | None, typer.Argument(metavar="RUN_ID", hidden=True)]

Keyword = Annotated[
    str, typer.Option("-k", help="Only scenarios that match this pytest expression.", metavar="EXPR")
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="Table of durations: ci compresses the waits, guide keeps the guide's own. [default: ci]",
        metavar="NAME",
        autocompletion=_profiles_beginning,
    ),
]
Seed = Annotated[
    str | None,
    typer.Option(
        help="Seed of all randomness, from a replay line. [default: a fresh one]",
        metavar="N",
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(
        help="How the stack is stood up. [default: embedded]",
        metavar="NAME",
        autocompletion=_runtimes_beginning,
    ),
]
Brokers = Annotated[
    str | None,
    typer.Option(
        help="Kafka data brokers: 3, or 1 on a small machine. [default: 3]",
        metavar="N",
        autocompletion=_brokers_beginning,
    ),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        help="Planted defect to switch on in the target; repeatable.",
        metavar="NAME",
        autocompletion=_defects_beginning,
    ),
]
Runs = Annotated[
    Path | None, typer.Option(help="Folder that recordings go to. [default: runs]", metavar="FOLDER")
]
RunsThere = Annotated[
    Path | None, typer.Option(help="Folder that recordings are in. [default: runs]", metavar="FOLDER")
]
Junit = Annotated[Path | None, typer.Option(help="Write JUnit XML to this file as well.", metavar="FILE")]
Markdown = Annotated[
    Path | None,
    typer.Option(help="Write Markdown for a pull request to this file as well.", metavar="FILE"),
]
ReportFormat = Annotated[
    str,
    typer.Option(
        "--format",
        help="html, markdown, or json for programs. [default: html]",
        metavar="NAME",
        show_default=False,
        autocompletion=_formats_beginning,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="The file of the report. Pages of an index's runs go beside it. [default: by the recordings]",
        metavar="FILE",
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(help="The file of the baseline. [default: drill-baseline.json]", metavar="FILE"),
]
NoBaseline = Annotated[
    bool, typer.Option("--no-baseline", help="Compare with none: the first gate, before one can be saved.")
]
Session = Annotated[
    Path | None, typer.Argument(metavar="SESSION", autocompletion=_sessions_beginning, hidden=True)
]
Matrix = Annotated[
    Path | None,
    typer.Option(help="Write what was found to this file as well, as a Markdown table.", metavar="FILE"),
]
Scenarios = Annotated[
    Path,
    typer.Option(
        help=f"The folder of scenarios. [default: {SCENARIOS}]", metavar="FOLDER", show_default=False
    ),
]
Lease = Annotated[
    str,
    typer.Option(
        help="Minutes until it ends by itself. [default: 60]", metavar="MINUTES", show_default=False
    ),
]
Fetch = Annotated[
    bool, typer.Option("--fetch", help="Fetch what is missing, so that the first drill need not.")
]
All = Annotated[
    bool, typer.Option("--all", help="End the stacks of running drills as well, which aborts those drills.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
