"""What a dependency answers: told to it over HTTP, read back, and tried out.

A payment provider that refuses, stalls or answers late is no network fault. The service itself plays it; what
it plays is set through a control path on its own address, past every link, and stays until it is told
otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError, FaultError, NothingDoneError
from harness.faults import Effect
from harness.stack import Address, Stack
from harness.stack.http import Answer, NoAnswer, ask

_CONTROL_TIMEOUT_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A request that shows the new behaviour. It must change nothing: it is asked of a real ledger.

    Attributes:
        status: The status that must come, or 0 if no answer may come within `timeout_s`.
        timeout_s: How long to wait for an answer; with status 0, how long silence must last.
    """

    method: str = "GET"
    path: str
    body: Any = None
    status: int
    timeout_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Replies:
    """A service answers otherwise than usual.

    Attributes:
        service: Who is told.
        body: What it is told, as JSON; sent by PUT, and expected to be in what GET reads back.
        path: Its control path.
        heal_method: How it is told to answer as usual.
        heal_path: Where; the same path if empty.
        trial: A request whose answer must show the change, or None if reading back is enough.
        says: For people: "provider declines every charge".
    """

    service: str
    body: Mapping[str, Any]
    path: str = "/control/replies"
    heal_method: str = "DELETE"
    heal_path: str = ""
    trial: Trial | None = None
    says: str = ""

    def __post_init__(self) -> None:
        if not self.body:
            raise ConfigError(
                f"Replies for {self.service!r} with an empty body asks for nothing, so no effect could be "
                "seen."
            )
        if isinstance(self.trial, Mapping):  # from a record
            object.__setattr__(self, "trial", Trial(**self.trial))

    @property
    def title(self) -> str:
        """Short and for people."""
        return self.says or f"{self.service} told {dict(self.body)}"

    def inject(self, stack: Stack) -> Effect:
        """Tell it, read it back, and try it out where a trial is given.

        Raises:
            FaultError: It did not take it, says something else, answers otherwise, or had been told so before.
        """
        address = self._address(stack)
        if _contains(said := self._read_back(address), self.body):
            raise NothingDoneError(
                f"{self.title}: it said {said!r} before the fault began, so the fault did nothing. Is another fault "
                "still active?"
            )
        self._control(address, "PUT", self.path, self.body)
        said = self._read_back(address)
        if not _contains(said, self.body):
            raise FaultError(
                f"{self.title}: it was told {dict(self.body)} and says {said!r}. The fault does not bite."
            )
        sentence = f"{self.service} confirms {dict(self.body)}"
        if self.trial is not None:
            sentence += f"; {self._tried(address, self.trial)}"
        return Effect(sentence=sentence, seen=True, measured={"tried": float(self.trial is not None)})

    def lapsed(self, stack: Stack) -> str:
        """Whether it still says what it was told; a restart makes it forget."""
        said = self._read_back(self._address(stack))
        return (
            ""
            if _contains(said, self.body)
            else f"{self.service} was told {dict(self.body)} and says {said!r}"
        )

    def heal(self, stack: Stack) -> Effect:
        """Tell it to answer as usual, and read that back. Safe twice and before `inject`.

        Raises:
            FaultError: It cannot be told, or still says what it was told.
        """
        address = self._address(stack)
        self._control(address, self.heal_method, self.heal_path or self.path, None)
        said = self._read_back(address)
        if _contains(said, self.body):
            raise FaultError(f"{self.title}: it was told to answer as usual and still says {said!r}")
        return Effect(sentence=f"{self.service} answers as usual, it says {said!r}"[:300], seen=True)

    def _tried(self, address: Address, trial: Trial) -> str:
        what = f"{trial.method} {trial.path}"
        try:
            answer = ask(address, trial.method, trial.path, body=trial.body, timeout_s=trial.timeout_s)
        except NoAnswer as error:
            if trial.status == 0 and error.timed_out:
                return f"{what} had no answer for {trial.timeout_s:g} s, as asked"
            raise FaultError(
                f"{self.title}: wanted status {trial.status or 'silence'}, but {error}"
            ) from error
        if answer.status != trial.status:
            raise FaultError(
                f"{self.title}: {what} wanted {trial.status or 'silence'}, got {answer.status}: "
                f"{answer.text()}. The fault does not bite."
            )
        return f"{what} is answered with {answer.status}, as asked"

    def _address(self, stack: Stack) -> Address:
        if self.service not in stack.services:
            raise FaultError(
                f"no service is called {self.service!r}. There are {', '.join(sorted(stack.services))}."
            )
        return stack.services[self.service].address

    def _read_back(self, address: Address) -> Any:
        answer = self._control(address, "GET", self.path, None)
        try:
            return answer.json()
        except ValueError as error:
            raise FaultError(f"{self.title}: GET {self.path} wanted JSON, got {answer.text()!r}") from error

    def _control(self, address: Address, method: str, path: str, body: Any) -> Answer:
        try:
            answer = ask(address, method, path, body=body, timeout_s=_CONTROL_TIMEOUT_S)
        except NoAnswer as error:
            raise FaultError(
                f"{self.title}: its control does not answer: {error}. Is {self.service} down?"
            ) from error
        if not 200 <= answer.status < 300:
            raise FaultError(
                f"{self.title}: {method} {path} wanted a 2xx, got {answer.status}: {answer.text()}"
            )
        return answer


def _contains(said: Any, wanted: Any) -> bool:
    """Whether everything wanted is said; more may be said, such as settings that were not touched."""
    if isinstance(wanted, Mapping):
        return isinstance(said, Mapping) and all(
            key in said and _contains(said[key], value) for key, value in wanted.items()
        )
    return bool(said == wanted)
