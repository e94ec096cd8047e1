"""Operations that a generator in another process can import."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.load.operations import Answer, Operation, Request
from harness.recording.records import Outcome


@dataclass(frozen=True, kw_only=True)
class Call(Operation):
    """Calls each of some paths in turn; its key names the path and the request's number."""

    paths: tuple[str, ...] = ("ok",)
    methods: tuple[str, ...] = ("POST",)

    @property
    def name(self) -> str:
        return "call"

    def request(self, number: int, rng: random.Random) -> Request:
        path = self.paths[number % len(self.paths)]
        method = self.methods[number // len(self.paths) % len(self.methods)]
        key = f"{path}-{number}"
        body = {"number": number, "draw": rng.random()} if method == "POST" else None
        return Request(method=method, path=f"/{path}", key=key, headers={"X-Key": key}, body=body)

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        if answer.status >= 500:
            return Outcome.UNKNOWN, {"body": answer.body.decode()}
        if answer.status >= 300:
            return Outcome.REJECTED, {"location": answer.headers.get("location", "")}
        return Outcome.OK, {"body": answer.body.decode()[:10], "bytes": len(answer.body)}


@dataclass(frozen=True, kw_only=True)
class Faulty(Call):
    """An operation with a mistake in it: it cannot make one request, or one that is no JSON."""

    at: int
    body: bool = False

    def request(self, number: int, rng: random.Random) -> Request:
        if number == self.at:
            if self.body:
                return Request(method="POST", path="/ok", key=f"ok-{number}", body=object())
            raise KeyError("basket")
        return super().request(number, rng)


@dataclass(frozen=True, kw_only=True)
class TwoKinds(Call):
    """Every other request has a name of its own."""

    def request(self, number: int, rng: random.Random) -> Request:
        request = super().request(number, rng)
        return replace(request, name="look") if number % 2 else request
