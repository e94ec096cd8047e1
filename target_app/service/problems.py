"""Every refusal is an `application/problem+json` answer (RFC 9457) that says what the client may conclude.

`outcome` is `rejected` where the request certainly had no effect and `unknown` where it may have had one:
the difference between a client that may simply try again and one that must ask first.
"""

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from target_app.service import trace

Outcome = Literal["rejected", "unknown"]


class Problem(Exception):  # noqa: N818 - the RFC's own name
    """An answer other than the one that was hoped for."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        outcome: Outcome = "rejected",
        retry_after_s: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.outcome = outcome
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})

    def response(self) -> Response:
        """The answer."""
        body = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "outcome": self.outcome,
            **self.extra,
        }
        if here := trace.current():
            body["traceId"] = here.trace_id
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return JSONResponse(body, self.status, headers, media_type="application/problem+json")


class Unavailable(Problem):
    """A server of ours is away. Nothing was done unless `outcome` says otherwise."""

    def __init__(self, detail: str, *, outcome: Outcome = "rejected") -> None:
        super().__init__(503, "Service Unavailable", detail, outcome=outcome, retry_after_s=1)


def answer_problems(app: FastAPI) -> None:
    """Make `app` answer every refusal as a problem."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - Starlette's handlers are typed by the base class
        return error.response()

    async def on_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - see above
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return Problem(400, "Bad Request", wrong).response()

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - see above
        return Problem(error.status_code, str(error.detail), str(error.detail)).response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
