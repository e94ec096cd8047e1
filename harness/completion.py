"""What the shell offers after a Tab: read from the scenario files' text, since a shell does not wait for imports.

Only names that are written out in a mark are found, which is how every scenario has to be written anyway for a reader
to find it. What cannot be read is passed over: a Tab never fails.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

RUNS = Path("runs")
SCENARIO, DETECTS = "scenario", "detects"


def marked(place: Path, mark: str) -> Iterator[str]:
    """The first argument of every `@pytest.mark.<mark>("…")` in a test file, or in those of a folder, each once."""
    seen: set[str] = set()
    for file in [place] if place.is_file() else sorted(place.rglob("test_*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=name, value=ast.Attribute(attr="mark")),
                    args=[ast.Constant(value=str(first)), *_],
                ) if name == mark and first not in seen:
                    seen.add(first)
                    yield first


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
