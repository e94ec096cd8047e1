"""Looking at a service over HTTP, on its own address and past every link."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from harness.errors import ProbeError
from harness.probes import Json
from harness.stack import Address, Stack
from harness.stack.http import Answer, NoAnswer, ask


def service_address(stack: Stack, service: str, probe: str) -> Address:
    """Where a service listens itself.

    Raises:
        ProbeError: There is no such service.
    """
    if service not in stack.services:
        raise ProbeError(
            f"{probe}: no service is called {service!r}. There are {', '.join(sorted(stack.services))}."
        )
    return stack.services[service].address


def look(
    stack: Stack,
    service: str,
    path: str,
    *,
    probe: str,
    timeout_s: float,
    params: Mapping[str, str] | list[tuple[str, str]] | None = None,
) -> Answer:
    """GET a path of a service; any status is something seen.

    Raises:
        ProbeError: There was no complete answer within `timeout_s`.
    """
    address = service_address(stack, service, probe)
    try:
        return ask(address, "GET", path, timeout_s=timeout_s, params=params or {})
    except NoAnswer as error:
        raise ProbeError(f"{probe}: {service} could not be asked: {error}") from error


def as_json(answer: Answer, *, probe: str, path: str) -> Json:
    """The body as JSON.

    Raises:
        ProbeError: It is none.
    """
    try:
        return cast("Json", answer.json())
    except ValueError as error:
        raise ProbeError(
            f"{probe}: {path} wanted JSON, got status {answer.status} and {answer.text()!r}"
        ) from error


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """Status and body of one path. Reads `{"status": 200, "body": …}`; a body that is no JSON is a string."""

    name: str
    service: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once.

        Raises:
            ProbeError: There was no answer within `timeout_s`.
        """
        answer = look(
            stack, self.service, self.path, probe=self.name, timeout_s=timeout_s, params=self.params
        )
        try:
            body: Json = answer.json()
        except ValueError:
            body = answer.content.decode(errors="replace")
        return {"status": answer.status, "body": body}


@dataclass(frozen=True, kw_only=True)
class HttpTable:
    """A list that a service keeps, such as the payment provider's ledger. Reads the rows as they come.

    Attributes:
        rows_at: The key under which the rows are, if the path answers with an object; "" if with the list
            itself.
    """

    name: str
    service: str
    path: str
    rows_at: str = ""

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Read all rows.

        Raises:
            ProbeError: There was no answer with status 200 within `timeout_s`, or no list in it: an empty
                table and a table that could not be read must never look the same.
        """
        answer = look(stack, self.service, self.path, probe=self.name, timeout_s=timeout_s)
        if answer.status != 200:
            raise ProbeError(
                f"{self.name}: {self.path} wanted status 200, got {answer.status}: {answer.text()}"
            )
        found = as_json(answer, probe=self.name, path=self.path)
        rows = found.get(self.rows_at) if self.rows_at and isinstance(found, dict) else found
        if not isinstance(rows, list):
            where = f"a list under {self.rows_at!r}" if self.rows_at else "a list"
            raise ProbeError(f"{self.name}: {self.path} wanted {where}, got {answer.text()}")
        return rows
