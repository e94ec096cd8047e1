"""Rules about tests: each can fail, and no logic goes without one."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath

from tests.tidy.sources import ROOT, Complaint, Source

# A call whose name starts like this judges: it raises when what it says is not so.
_JUDGING = re.compile(r"assert|must_|expect|(raises|warns|fail)$")
# A scenario's one statement: it holds the drill, judges it and raises when it did not pass.
_DRILL = "chaos.run"
_Function = ast.FunctionDef | ast.AsyncFunctionDef

# Modules that no test file names, and why that is right.
UNTESTED: dict[str, str] = {}


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _functions(source: Source) -> dict[str, _Function]:
    return {node.name: node for node in ast.walk(source.tree) if isinstance(node, _Function)}


@cache
def _shared_functions(module: str) -> dict[str, _Function]:
    """The functions of a module of tests that others import from, such as a shared contract."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return _functions(Source(module, path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _judges(function: _Function, others: Mapping[str, _Function], seen: frozenset[str] = frozenset()) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) or _JUDGING.match(called := _called(node)):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) == _DRILL:
            return True
        if called in others and called not in seen and _judges(others[called], others, seen | {called}):
            return True
    return False


def assertions(source: Source) -> Iterator[Complaint]:
    """Every test can fail other than by crashing: it asserts, or calls something of the tests that does."""
    if not PurePosixPath(source.path).name.startswith("test_"):
        return
    own = _functions(source)
    shared = [
        _shared_functions(name.rpartition(".")[0]) for name in source.imports if name.startswith("tests.")
    ]
    known = {name: function for functions in (*shared, own) for name, function in functions.items()}
    for name, function in own.items():
        if name.startswith("test_") and not _judges(function, known):
            yield Complaint(
                f"{source.path}:{function.lineno}",
                f"{name} asserts nothing",
                "A test that cannot fail looks like a proof and is none.",
                "Assert what its name claims, or expect the error by pytest.raises.",
            )


def has_logic(source: Source) -> bool:
    """Whether there is anything to test: a function with a body, outside a Protocol."""
    protocols = {
        id(inner)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
        for inner in ast.walk(node)
    }
    return any(isinstance(node, _Function) and id(node) not in protocols for node in ast.walk(source.tree))


def unproven(sources: Sequence[Source], packages: Sequence[str]) -> Iterator[Complaint]:
    """Tests mirror the source: each module with logic is proven by tests in the folder that mirrors its own.

    harness/faults/network.py is proven in tests/faults/, harness/clock.py in tests/ itself, another package's
    modules below a folder of its name (tests/reports/). Proven is what such a test names, and what a proven
    module of the same folder names: its inner parts. Which file of tests it is depends on the idea, not on
    the file's name.
    """
    modules = [source for source in sources if source.is_python and source.package in packages]
    proven: set[str] = set()
    tests = [source for source in sources if PurePosixPath(source.path).name.startswith("test_")]
    while fresh := {
        module.path
        for module in modules
        if module.path not in proven
        and any(
            _names(witness, module)
            for witness in (
                *(test for test in tests if _mirrors(test, module)),
                *_neighbours(module, modules, proven),
            )
        )
    }:
        proven |= fresh
    for module in modules:
        if has_logic(module) and module.path not in proven and module.path not in UNTESTED:
            folder, leaf = _mirror_folders(module)[0], module.module.rpartition(".")[2]
            yield Complaint(
                module.path,
                f"is named by no test in {folder}/, and by no module beside it that is",
                "What no test names can be broken without anybody noticing.",
                f"Test it in {folder}/test_{leaf}.py, or give a reason in UNTESTED.",
            )


def _names(witness: Source, module: Source) -> bool:
    parent, _, leaf = module.module.rpartition(".")
    return module.module in witness.imports or bool(
        re.search(rf"\b{re.escape(module.module)}(?![\w.])", witness.text)
        or any(name.startswith(f"{module.module}.") for name in witness.imports if leaf and parent)
    )


def _neighbours(module: Source, modules: Sequence[Source], proven: set[str]) -> Iterator[Source]:
    home = PurePosixPath(module.path).parent
    return (other for other in modules if other.path in proven and PurePosixPath(other.path).parent == home)


def _mirror_folders(module: Source) -> list[PurePosixPath]:
    """The folder of tests that mirrors a module's own, then those above it up to its package's."""
    home = PurePosixPath(module.path).parent
    top = PurePosixPath("tests")
    folder = top / (home.relative_to("harness") if module.package == "harness" else home)
    return [folder, *(above for above in folder.parents if above not in (top, *top.parents))]


def _mirrors(test: Source, module: Source) -> bool:
    return PurePosixPath(test.path).parent in _mirror_folders(module)
