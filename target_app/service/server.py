"""One FastAPI application in one process, and its orderly end.

SIGTERM makes readiness 503, then stops accepting, lets requests in flight finish, stops the parts and ends
with status 0. A watchdog ends the process when the grace is over, whatever hangs: an orchestrator would
send SIGKILL next, and what is unfinished is recovered either way.
"""

import logging
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPMethod
from types import FrameType
from typing import cast

import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from target_app.service import actuator, logs, trace
from target_app.service.body_limit import BodyLimit
from target_app.service.configuration import Settings
from target_app.service.lifecycle import Lifecycle, Part
from target_app.service.metrics import Metrics, Timer, tags
from target_app.service.problems import answer_problems

log = logging.getLogger(__name__)

# Longer than any client keeps an idle connection: a server that closes first makes a client send into a
# closed connection, and a request that was never read looks like one that may have been.
KEEP_ALIVE_S = 75
# What of the grace an orderly end may take: to be seen unready, to answer what is in flight, to stop the parts. A
# little is left for the end itself, before the watchdog.
_DRAIN_SHARE, _ANSWER_SHARE, _STOP_SHARE = 0.25, 0.3, 0.35
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(slots=True)
class InFlight:
    """How many requests are being answered right now."""

    count: int = 0


class Observed:
    """Gives every request its trace and counts it under its route, status and duration."""

    def __init__(self, app: ASGIApp, timer: Timer, in_flight: InFlight) -> None:
        self._app = app
        self._timer = timer
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        incoming = {key: value.decode("latin-1") for key, value in scope["headers"]}
        here = trace.enter(incoming.get(b"traceparent"))
        given = incoming.get(b"x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else here.trace_id
        trace.request_id.set(request_id)
        started = time.perf_counter()
        status = 500

        async def send_with_ids(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode("latin-1")),
                ]
            await send(message)

        self._in_flight.count += 1
        try:
            await self._app(scope, receive, send_with_ids)
        finally:
            self._in_flight.count -= 1
            route = scope.get("route")
            self._timer.record(
                time.perf_counter() - started,
                of=tags(
                    # A word that a client made up would be a new time series each.
                    method=scope["method"] if scope["method"] in HTTPMethod.__members__ else "UNKNOWN",
                    uri=getattr(route, "path", "UNKNOWN"),
                    status=str(status),
                    outcome=_outcome(status),
                ),
            )


def build(
    service: str, settings: Settings, parts: Sequence[Part], routers: Sequence[APIRouter], metrics: Metrics
) -> FastAPI:
    """The application of one service. Its parts start and stop with the server."""
    lifecycle = Lifecycle(parts, stop_within_s=settings.shutdown_grace_s * _STOP_SHARE)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        lifecycle.begin()
        yield
        await lifecycle.end()

    # The schema pages would cost start-up time in each of seven processes.
    app = FastAPI(title=service, lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    answer_problems(app)
    for router in (*routers, actuator.routes(lifecycle, metrics)):
        app.include_router(router)
    timer = metrics.timer("http.server.requests", "Duration of HTTP server request handling")
    in_flight = InFlight()
    metrics.gauge("http.server.requests.active", "Requests in flight", lambda: in_flight.count)
    app.add_middleware(BodyLimit, max_bytes=settings.http_max_request_bytes)
    app.add_middleware(Observed, timer=timer, in_flight=in_flight)  # around the limit: refusals count, too
    app.state.lifecycle = lifecycle
    return app


class _Server(uvicorn.Server):
    """Uvicorn, except that SIGTERM is an order to end well and not a reason to die of."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, settings: Settings) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._settings = settings

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end."""
        return await super().on_tick(counter) or self._lifecycle.failed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Become unready now, stop accepting after the drain delay."""
        if self._lifecycle.draining.is_set():
            return
        self._lifecycle.draining.set()
        watchdog = threading.Timer(self._settings.shutdown_grace_s, os._exit, args=(1,))
        watchdog.daemon = True
        watchdog.start()
        delay_s = min(self._settings.shutdown_drain_delay_s, self._settings.shutdown_grace_s * _DRAIN_SHARE)
        timer = threading.Timer(delay_s, self._stop_accepting)
        timer.daemon = True
        timer.start()

    def _stop_accepting(self) -> None:
        self.should_exit = True


def serve(service: str, settings: Settings, app: FastAPI) -> None:
    """Run `app` until SIGTERM or SIGINT. With a part that cannot start the process ends with 1."""
    logs.configure(service, settings.log_level)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        # Typed as whole seconds, and used as any number of them.
        timeout_graceful_shutdown=cast("int", settings.shutdown_grace_s * _ANSWER_SHARE),
    )
    log.info(
        "Service starting",
        extra=logs.fields(port=settings.port, variants=sorted(settings.shop_variants)),
    )
    _Server(config, app.state.lifecycle, settings).run()
    if app.state.lifecycle.failed:
        sys.exit(1)


def _outcome(status: int) -> str:
    if status < 400:
        return "SUCCESS" if status < 300 else "REDIRECTION"
    return "CLIENT_ERROR" if status < 500 else "SERVER_ERROR"
