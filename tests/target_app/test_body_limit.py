"""Bodies that are too long are refused while they are read, in every service."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel

from target_app.service.configuration import Settings
from target_app.service.metrics import Metrics
from target_app.service.server import build
from tests.target_app.client import ask

LIMIT = 1000
CHUNK = b"x" * 100


class Note(BaseModel):
    text: str


def service() -> FastAPI:
    router = APIRouter()

    @router.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @router.post("/typed")
    async def typed(note: Note) -> int:
        return len(note.text)

    return build("x", Settings(http_max_request_bytes=LIMIT), [], [router], Metrics())


class Sent:
    """A body in chunks, with no length declared, that counts what was taken of it."""

    def __init__(self, chunks: int) -> None:
        self._chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._chunks):
            self.taken += len(CHUNK)
            yield CHUNK


def post(path: str, content: bytes | Sent) -> httpx.Response:
    return ask(service(), lambda client: client.post(path, content=content))


@pytest.mark.parametrize("path", ["/raw", "/typed"])
@pytest.mark.parametrize("content", [b"x" * (LIMIT + 1), Sent(20)], ids=["declared", "chunked"])
def test_a_body_above_the_limit_is_a_413_that_closes_the_connection(path: str, content: bytes | Sent) -> None:
    answer = post(path, content)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert (answer.json()["title"], answer.json()["outcome"]) == ("Content Too Large", "rejected")


@pytest.mark.parametrize("content", [b"x" * LIMIT, Sent(10)], ids=["declared", "chunked"])
def test_a_body_of_just_the_limit_is_read(content: bytes | Sent) -> None:
    answer = post("/raw", content)
    assert (answer.status_code, answer.json()) == (200, LIMIT)


def test_of_an_endless_body_no_more_than_the_limit_is_read() -> None:
    """Spoken in ASGI: the test client would send everything before it listens."""
    app, received, status = service(), 0, 0

    async def receive() -> dict[str, object]:
        nonlocal received
        received += len(CHUNK)
        return {"type": "http.request", "body": CHUNK, "more_body": True}

    async def send(message: dict[str, object]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(str(message["status"]))

    scope = {"type": "http", "method": "POST", "path": "/raw", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type] # plain dicts are what ASGI is made of
    assert (status, received) == (413, LIMIT + len(CHUNK))


def test_a_declared_length_is_believed_before_anything_is_read() -> None:
    app = service()
    answered: list[object] = []

    async def receive() -> dict[str, object]:
        raise AssertionError("the body was asked for")

    async def send(message: dict[str, object]) -> None:
        answered.append(message.get("status"))

    headers = [(b"content-length", b"5000000000")]
    scope = {"type": "http", "method": "POST", "path": "/raw", "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type] # see above
    assert answered[0] == 413
