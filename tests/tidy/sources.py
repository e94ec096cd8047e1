"""The project's files as rules see them: text with a place, parsed when it is Python.

A rule is a function from one source to its complaints, so the same function meets the tree and the guilty
snippets that prove it can complain.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import resolve_name
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "reports", "scenarios", "target_app")
_FOLDERS = (*PACKAGES, "tests", "docs", ".ci")


@dataclass(frozen=True)
class Complaint:
    """One place where a rule is broken: what, where, why it matters, what to do instead."""

    where: str
    what: str
    why: str
    instead: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.why} {self.instead}"


@dataclass(frozen=True)
class Source:
    """One text file of the project. `path` is relative to the repository, with slashes."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def package(self) -> str:
        """The first part of its path: "harness", "tests", or its own name for a file at the top."""
        return PurePosixPath(self.path).parts[0]

    @property
    def module(self) -> str:
        """Its import path: "harness.faults" for harness/faults/__init__.py."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def imports(self) -> dict[str, int]:
        """Every dotted name that is imported anywhere in it, with its line.

        `from a import b` counts as `a.b`; imports inside functions, for typing only, and by a name that is
        written out (`import_module("a.b")`) count as well.
        """
        found: dict[str, int] = {}
        for node in ast.walk(self.tree):
            for name in self._imported_by(node):
                found.setdefault(name, getattr(node, "lineno", 0))
        return found

    def _imported_by(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = self._absolute(node)
                yield from (base if alias.name == "*" else f"{base}.{alias.name}" for alias in node.names)
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]):
                called = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
                if called in {"import_module", "__import__"}:
                    yield name

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        home = self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]
        return resolve_name("." * node.level + (node.module or ""), home)

    @cached_property
    def references(self) -> list[tuple[str, int, bool]]:
        """Every use of an imported name: its full dotted name, its line, and whether it is called.

        Renaming on import hides nothing: `from time import sleep as nap; nap(1)` is a use of `time.sleep`.
        """
        known: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                known |= {
                    a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
                    for a in node.names
                }
            elif isinstance(node, ast.ImportFrom):
                known |= {a.asname or a.name: f"{self._absolute(node)}.{a.name}" for a in node.names}
        called = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        uses = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute) and (dotted := _dotted(node)):
                first, dot, rest = dotted.partition(".")
                if first in known:
                    uses.append((f"{known[first]}{dot}{rest}", node.lineno, id(node) in called))
        return uses


Rule = Callable[[Source], Iterator[Complaint]]


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := _dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def project_sources() -> list[Source]:
    """Every text of ours in the tree. Walked without git, so that an unpacked archive is judged too."""
    texts = {".py", ".md", ".toml", ".sql", ".html", ".css", ".js", ".sh", ""}
    files = [path for path in ROOT.iterdir() if path.is_file() and path.name != "LICENSE"]
    for folder in _FOLDERS:
        files += (
            path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(files)
        if path.suffix in texts
    ]
