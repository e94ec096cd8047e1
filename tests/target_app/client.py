"""Talking to a service's application in this process, as a client would over the network."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
from fastapi import FastAPI

T = TypeVar("T")


def ask(app: FastAPI, talk: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Start the application, talk to it, and stop it again."""

    async def session() -> T:
        async with app.router.lifespan_context(app):
            # One turn of the loop lets the parts start: none of these has a server to wait for.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return await talk(client)

    return asyncio.run(session())


def get(app: FastAPI, path: str) -> httpx.Response:
    """One GET."""
    return ask(app, lambda client: client.get(path))
