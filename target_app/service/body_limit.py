"""A bound on what a request may make a service hold in memory, kept while the body is read and not afterwards.

A declared length that is too much is refused before a byte of the body is read; a body without a declared length
(chunked) is refused as soon as it has grown too long. Either way the connection is closed: what the client has still
to send is of no interest.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from target_app.service.problems import Problem


class BodyLimit:
    """Refuses requests with a body above `max_bytes` with 413. A layer around a whole application."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, with a body that counts itself."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._declared_bytes(scope) > self._max_bytes:
            await self._too_large().response()(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, receive_bounded, send)

    @staticmethod
    def _declared_bytes(scope: Scope) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return 0

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "Content Too Large",
            f"a request may have {self._max_bytes} bytes",
            headers={"Connection": "close"},
        )
