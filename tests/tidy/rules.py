"""The rules of the house that a machine can judge. Taste is left to people.

Words that a rule looks for are put together from halves, so that this file does not break its own rules.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.sources import PACKAGES, ROOT, Complaint, Source

LINES_MAX = 400

# Where time and chance enter other than by harness/clock.py and harness/chance.py, and why.
TIME_AND_CHANCE_ELSEWHERE = {
    "harness/clock.py": "the door for time",
    "harness/chance.py": "the door for chance",
    "harness/probes/heartbeat_loop.py": "a script of its own that importing anything of ours would slow down",
    "harness/probes/disk_loop.py": "as the one before",
}
_TIME = re.compile(
    r"time\.(sleep|time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns)"
    r"|datetime\.(datetime\.(now|utcnow|today)|date\.today)|gevent\.sleep"
)
_CHANCE = re.compile(r"random\.(?!Random$|SystemRandom$)\w+|uuid\.uuid[14]|numpy\.random\.\w+")
_CHANCE_CALLED = re.compile(r"random\.Random")


def time_and_chance(source: Source) -> Iterator[Complaint]:
    """In the harness, reports and scenarios, time and chance have one door each."""
    if source.package not in {"harness", "reports", "scenarios"} or source.path in TIME_AND_CHANCE_ELSEWHERE:
        return
    yield from uses_of_time_and_chance(source)


def uses_of_time_and_chance(source: Source) -> Iterator[Complaint]:
    """Every use, whether or not this file may: so that a permission nobody needs any more is found."""
    for name, line, called in source.references:
        if _TIME.fullmatch(name):
            yield Complaint(
                f"{source.path}:{line}",
                f"uses {name}",
                "A second clock makes records that cannot be compared, and tests that really wait.",
                "Take a harness.clock.Clock, Deadline or wait_until.",
            )
        elif _CHANCE.fullmatch(name) or (called and _CHANCE_CALLED.fullmatch(name)):
            yield Complaint(
                f"{source.path}:{line}",
                f"draws from {name}",
                "Chance that the run's seed does not decide makes a failure that cannot be replayed.",
                "Draw from a stream of harness.chance.Chance.",
            )


def size(source: Source) -> Iterator[Complaint]:
    """One idea a file."""
    lines = source.text.count("\n")
    if source.is_python and lines > LINES_MAX:
        yield Complaint(
            source.path,
            f"has {lines} lines, {LINES_MAX} are the limit and 300 the aim",
            "A file of that length holds a second idea.",
            "Find it and give it a module of its own.",
        )


def docstring(source: Source) -> Iterator[Complaint]:
    """A module opens with its idea."""
    if (
        source.is_python
        and source.package in (*PACKAGES, "conftest.py")
        and not ast.get_docstring(source.tree)
    ):
        yield Complaint(
            f"{source.path}:1",
            "has no module docstring",
            "A reader should know the idea and its reason before the code.",
            "Open it with one sentence that says both.",
        )


_VAGUE = (
    {"util" + end for end in ("", "s")}
    | {"help" + end for end in ("er", "ers")}
    | {"mana" + "ger", "com" + "mon"}
)


def names(source: Source) -> Iterator[Complaint]:
    """Names say what a thing is. A name that fits everything says nothing."""
    if not source.is_python:
        return
    named = [(0, part) for part in source.module.split(".")]
    definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    named += [(node.lineno, node.name) for node in ast.walk(source.tree) if isinstance(node, definitions)]
    for line, name in named:
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
        if vague := _VAGUE.intersection(word.lower() for word in words):
            yield Complaint(
                f"{source.path}:{line}" if line else source.path,
                f"is or defines {name!r}",
                f"{vague.pop()!r} fits everything and so attracts everything.",
                "Name the idea: what it holds, decides or does.",
            )


def _matching(source: Source, pattern: str, what: str, why: str, instead: str) -> Iterator[Complaint]:
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := re.search(pattern, line):
            yield Complaint(f"{source.path}:{number}", f"{what} {found[0]!r}", why, instead)


def unfinished(source: Source) -> Iterator[Complaint]:
    """No notes to ourselves in what others read."""
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
    return _matching(
        source,
        rf"\b({marks})\b",
        "says",
        "A note in the code is a promise that nobody tracks.",
        "Do it now, or open an issue and say here what holds today.",
    )


def machine_paths(source: Source) -> Iterator[Complaint]:
    """Nothing names a place that exists on one machine only."""
    places = [r"/(?:home|Users)/\w+", r"/ro" + r"ot/\w+"]
    places += [re.escape(f"{place}/") for place in (ROOT, Path.home()) if place != Path(place.anchor)]
    return _matching(
        source,
        "|".join(rf"(?<![\w.:}}]){place}" for place in places),
        "names",
        "It is a place on one machine, and missing on every other.",
        "Derive it: from the file's own place, Path.home(), tmp_path or a setting.",
    )


def registry_addresses(source: Source) -> Iterator[Complaint]:
    """Where packages come from is the user's to say."""
    return _matching(
        source,
        r"https?://(?:registry|repo1?|files|index|proxy|deb|static|crates|pypi)\.[\w.-]+",
        "names",
        "Users behind a mirror set their clients up for it; an address here walks around that.",
        "Name the package and let the user's own client find it.",
    )


def killing_by_name(source: Source) -> Iterator[Complaint]:
    """Processes are ended by what we wrote down about them."""
    if source.path.endswith(".md"):
        return iter(())
    return _matching(
        source,
        r"\b(?:p" + r"kill|kill" + r"all|pg" + r"rep)\b",
        "ends or finds processes by",
        "A name also fits a process of somebody else, and only what we labelled is ever touched.",
        "Use the id and start time that were recorded when it was started.",
    )
