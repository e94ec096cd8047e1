"""The provider's HTTP interface: charges, refunds, the ledger, and the control of its replies."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, StreamingResponse

from target_app.provider.ledger import Answer, Ledger
from target_app.provider.replies import Mode, Replies
from target_app.provider.settings import ProviderSettings
from target_app.service.lifecycle import Health
from target_app.service.logs import fields
from target_app.service.metrics import Metrics, tags
from target_app.service.problems import Problem
from target_app.service.server import build

log = logging.getLogger(__name__)

Key = Annotated[str, Field(min_length=1, max_length=200)]
Cents = Annotated[int, Field(gt=0)]


class ChargeRequest(BaseModel):
    """POST /v1/charges."""

    key: Key
    order_id: Key
    amount_cents: Cents
    card: Key


class RefundRequest(BaseModel):
    """POST /v1/refunds."""

    key: Key
    charge_key: Key
    order_id: Key
    amount_cents: Cents


class Books:
    """The ledger as a part of the service."""

    name = "ledger"

    def __init__(self, path: str) -> None:
        self.ledger = Ledger(path)

    async def start(self) -> None:
        """It is open already."""

    async def stop(self) -> None:
        """Close it."""
        self.ledger.close()

    async def health(self) -> Health:
        """A read proves that the file is there."""
        self.ledger.entries(limit=1)
        return Health()


class Notifier:
    """Tells the client's webhook about a charge, twice, as providers do when an acknowledgement is lost."""

    name = ""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False) if url else None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def is_configured(self) -> bool:
        """Whether there is anybody to tell."""
        return self._client is not None

    def notify_twice(self, charge: ChargeRequest) -> None:
        """Deliver the same notification two times, behind the answer's back."""
        task = asyncio.create_task(self._deliver(charge))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _deliver(self, charge: ChargeRequest) -> None:
        assert self._client is not None  # noqa: S101 - `twice` is refused without it
        for _ in range(2):
            try:
                await self._client.post(self._url, json={"event": "charge.succeeded", **charge.model_dump()})
            except httpx.HTTPError as error:
                log.warning("Notification not delivered", extra=fields(key=charge.key, error=repr(error)))

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Let running deliveries end."""
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def health(self) -> Health:
        """Not shown."""
        return Health()


def create_app(settings: ProviderSettings) -> FastAPI:
    """The provider."""
    metrics = Metrics()
    books = Books(settings.ledger_path)
    ledger = books.ledger
    notifier = Notifier(settings.webhook_url, settings.webhook_timeout_s)
    charges = metrics.counter("provider.charges", "Charge requests by mode and status")
    router = APIRouter()
    replies = Replies()

    @router.post("/v1/charges")
    async def charge(asked: ChargeRequest, request: Request) -> JSONResponse:
        """Charge a card. See `ledger` for what a key means."""
        mode = replies.mode_for(asked.key)
        if mode is Mode.STALL:
            await _until_client_is_gone(request)
        if mode is Mode.ERROR or mode is Mode.STALL:
            charges.add(of=tags(mode=mode, status="500"))
            raise Problem(500, "Internal Server Error", "the provider was told to fail")
        if mode is Mode.REFUSE:
            answer = ledger.decline(**asked.model_dump(), reason="refused")
        else:
            answer = ledger.charge(**asked.model_dump())
        charges.add(of=tags(mode=mode, status=str(answer.status)))
        if mode is Mode.LATE:
            await asyncio.sleep(replies.delay_s)
        if mode is Mode.TWICE and answer.status == 200:
            notifier.notify_twice(asked)
        return _json(answer)

    @router.post("/v1/refunds")
    async def refund(asked: RefundRequest) -> JSONResponse:
        """Give a charge back. See `ledger` for a charge that was never seen."""
        return _json(ledger.refund(**asked.model_dump()))

    @router.get("/v1/ledger")
    async def entries(after: int = 0, limit: Annotated[int | None, Query(gt=0)] = None) -> StreamingResponse:
        """All entries as one JSON array, streamed; or a page of `limit` from behind `seq` = `after`."""
        return StreamingResponse(_stream(ledger, after, limit), media_type="application/json")

    @router.get("/control/replies")
    async def read_replies() -> JSONResponse:
        """The present mode."""
        return JSONResponse(replies.model_dump())

    @router.put("/control/replies")
    async def set_replies(wanted: Replies) -> JSONResponse:
        """Change the mode of charges that arrive from now on."""
        nonlocal replies
        if wanted.mode is Mode.TWICE and not notifier.is_configured:
            raise Problem(409, "Conflict", "`twice` delivers notifications, and WEBHOOK_URL is not set")
        replies = wanted
        log.warning("Replies changed", extra=fields(**wanted.model_dump()))
        return JSONResponse(replies.model_dump())

    @router.delete("/control/replies")
    async def normal_replies() -> JSONResponse:
        """Back to normal."""
        nonlocal replies
        replies = Replies()
        log.warning("Replies back to normal")
        return JSONResponse(replies.model_dump())

    return build("provider", settings, [books, notifier], [router], metrics)


async def _until_client_is_gone(request: Request) -> None:
    while not await request.is_disconnected():  # noqa: ASYNC110 - Starlette offers only to be asked
        await asyncio.sleep(0.25)


async def _stream(ledger: Ledger, after: int, limit: int | None) -> AsyncIterator[str]:
    yield "["
    left = limit
    separator = ""
    while left is None or left > 0:
        page = ledger.entries(after=after, limit=1000 if left is None else min(1000, left))
        if not page:
            break
        yield separator + json.dumps(page)[1:-1]
        separator = ","
        after = page[-1]["seq"]
        left = None if left is None else left - len(page)
    yield "]"


def _json(answer: Answer) -> JSONResponse:
    return JSONResponse(dict(answer.body), answer.status)
