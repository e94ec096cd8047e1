"""A working folder with scenarios of its own, for tests of what a session of them comes to."""

from pathlib import Path

import pytest

from harness import sessions
from harness.outcome import SessionOutcome
from tests.fake_stack import HELD, FakeStack


class Place:
    """A working folder with scenarios of its own, and a stack that starts nothing."""

    def __init__(self, folder: Path, stack: FakeStack) -> None:
        # Python imports a name once: a folder of the same name would be taken for another test's.
        self.scenarios = folder / f"scenarios_of_{folder.name}"
        self.stack = stack

    @classmethod
    def made(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> "Place":
        """An empty one, which is the working folder until the test is over."""
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        # Looking for plugins takes longer than the rest.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        return cls(folder, FakeStack.installed(monkeypatch, folder))

    def write(self, name: str, body: str, *, held: bool = True) -> None:
        """Add a file of scenarios."""
        self.scenarios.mkdir(exist_ok=True)
        (self.scenarios / f"test_{name}.py").write_text((HELD if held else "") + body)

    def conftest(self, body: str) -> None:
        """Add what the scenarios share."""
        self.scenarios.mkdir(exist_ok=True)
        (self.scenarios / "conftest.py").write_text(f"import pytest\n{body}")

    def scenario(self, name: str, *verdicts: str, mark: str = "", gate: bool = False) -> None:
        """Add a scenario that is judged so."""
        self.broken(name, f"held(chaos, *{verdicts!r})", mark=mark, gate=gate)

    def broken(self, name: str, line: str, *, mark: str = "", gate: bool = False) -> None:
        """Add a scenario that does this instead of holding a drill."""
        marks = f'{mark}\n@pytest.mark.scenario("{name}", guide="Here", gate={gate})'
        self.write(name, f'{marks}\ndef test_it(chaos):\n    """Because."""\n    {line}\n')

    def collected(self, *, whole: bool = False) -> list[str]:
        """The names of those that are found."""
        (self.scenarios / "__init__.py").touch()  # a package of a name that no other test uses
        return [info.name for info in sessions.collected(self.scenarios, whole=whole)]

    def run(self, *arguments: str) -> SessionOutcome:
        """Hold them."""
        # Collecting garbage, to find exceptions that nobody sees, takes longer than the rest.
        quickly = ["--import-mode=importlib", "-p", "no:unraisableexception"]
        return sessions.run(self.scenarios, [*quickly, *arguments])
