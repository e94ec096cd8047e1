"""Every refusal is an `application/problem+json` answer (RFC 9457) that says what the client may conclude.

`outcome` is `rejected` where the request certainly had no effect and `unknown` where it may have had one:
the difference between a client that may simply try again and one that must ask first.
"""

from collections.abc import Mapping
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from target_app.service import trace

Outcome = Literal["rejected", "unknown"]

# Methods that change nothing: whatever went wrong, nothing was done.
_SAFE = frozenset({"GET", "HEAD"})


class Problem(HTTPException):
    """An answer other than the one that was hoped for."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        outcome: Outcome = "rejected",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.title = title
        self.outcome = outcome

    def response(self) -> Response:
        """The answer."""
        body = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
            "outcome": self.outcome,
        }
        if here := trace.current():
            body["traceId"] = here.trace_id
        return JSONResponse(body, self.status_code, self.headers, media_type="application/problem+json")


class Unavailable(Problem):
    """Somebody we need is away: try again in a second. Nothing was done unless `outcome` says otherwise."""

    def __init__(self, detail: str, *, outcome: Outcome = "rejected") -> None:
        super().__init__(503, "Service Unavailable", detail, outcome=outcome, headers={"Retry-After": "1"})


class ServerLost(Exception):  # noqa: N818 - what happened, as a caller speaks of it
    """A server of ours did not answer. What was under way may or may not have been done."""


def outcome_of(method: str) -> Outcome:
    """What a client may conclude when nobody knows what became of its request."""
    return "rejected" if method in _SAFE else "unknown"


def answer_problems(app: FastAPI) -> None:
    """Make `app` answer every refusal and every failure as a problem."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - Starlette's handlers are typed by the base class
        return error.response()

    async def on_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - see above
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return Problem(400, "Bad Request", wrong).response()

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - see above
        title = str(error.detail)
        return Problem(error.status_code, title, title, headers=error.headers).response()

    async def on_server_lost(request: Request, error: Exception) -> Response:
        return Unavailable(str(error), outcome=outcome_of(request.method)).response()

    async def on_bug(request: Request, _error: Exception) -> Response:
        outcome = outcome_of(request.method)
        return Problem(
            500, "Internal Server Error", "an unexpected error, it is logged", outcome=outcome
        ).response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(ServerLost, on_server_lost)
    app.add_exception_handler(Exception, on_bug)
