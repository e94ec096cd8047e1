"""What the shell offers after a Tab: read from the scenario files' text, since a shell does not wait for imports.

Only names that are written out in a mark are found, which is how every scenario has to be written anyway for a reader
to find it. What cannot be read is passed over: a Tab never fails.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

RUNS = Path("runs")
SCENARIO, DETECTS = "scenario", "detects"


def marked(place: Path, mark: str) -> Iterator[str]:
    """The first argument of every `@pytest.mark.<mark>("…")` in a test file, or in those of a folder, each once."""
    files = [place] if place.is_file() else sorted(place.rglob("test_*.py"))
    yield from dict.fromkeys(name for file in files for name in _marked_in(file, mark))


def written_down(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every scenario that is marked in a Python file of a folder, however that is called, with the file.

    The name is "" where it is not written out, or where a file that speaks of scenarios cannot be read. Folders whose
    name begins with a dot and virtual environments are somebody else's.
    """
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not Path(where, name, "pyvenv.cfg").exists()
        )
        for file in sorted(name for name in files if name.endswith(".py")):
            path = Path(where, file)
            yield from ((name, path) for name in _named_in(path, SCENARIO))


def _marked_in(file: Path, mark: str) -> Iterator[str]:
    return filter(None, _named_in(file, mark))


def _named_in(file: Path, mark: str) -> Iterator[str]:
    """What a mark names in a file; "" for what only running it would tell."""
    text = b""
    try:
        text = file.read_bytes()
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError):
        if f"mark.{mark}(".encode() in text:
            yield ""
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=name, value=ast.Attribute(attr="mark") | ast.Name(id="mark")),
                args=given,
            ) if name == mark:
                match given:
                    case [ast.Constant(value=str(first)), *_]:
                        yield first
                    case _:
                        yield ""


def scenario_names(folder: Path, begun: str) -> list[str]:
    """Scenarios whose name begins with what was typed."""
    return sorted(name for name in marked(folder, SCENARIO) if name.startswith(begun))


def defect_names(folder: Path, begun: str) -> list[str]:
    """Planted defects that a scenario promises to detect."""
    return sorted(name for name in marked(folder, DETECTS) if name.startswith(begun))


def run_dirs(begun: str, runs: Path = RUNS) -> list[str]:
    """Recordings, the latest first."""
    found = (str(file.parent) for file in runs.glob("*/*/run.json"))
    return sorted((path for path in found if path.startswith(begun)), reverse=True)


def session_dirs(begun: str, runs: Path = RUNS) -> list[str]:
    """Sessions that hold recordings, the latest first."""
    found = {str(Path(path).parent) for path in run_dirs("", runs)}
    return sorted((path for path in found if path.startswith(begun)), reverse=True)


def recorded(begun: str, runs: Path = RUNS) -> list[str]:
    """What a page can be about: recordings, the sessions that hold them, and all of them together."""
    sessions = session_dirs("", runs)
    found = [*sessions, *run_dirs("", runs)]
    return [path for path in [*([str(runs)] if sessions else []), *found] if path.startswith(begun)]
