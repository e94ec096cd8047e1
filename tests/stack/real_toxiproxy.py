"""A real Toxiproxy for a test: the very one that a stack would start."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import ArtifactError, StackError
from harness.stack import Address
from harness.stack.embedded.artifacts import Cache, cache_root
from harness.stack.embedded.toxiproxy import find_toxiproxy
from harness.stack.toxiproxy import ToxiproxyClient
from tests.stack.loopback import free_port


@cache
def binary() -> Path:
    """Toxiproxy's server as a stack would find it, built into the cache if need be; else the tests skip."""
    try:
        return find_toxiproxy(Cache(cache_root())).program
    except ArtifactError as error:
        pytest.skip(f"no Toxiproxy: {error}")


@contextmanager
def running() -> Iterator[ToxiproxyClient]:
    """A Toxiproxy server of our own, and a client that has seen it answer."""
    api = Address("127.0.0.1", free_port())
    process = subprocess.Popen(
        [str(binary()), "-host", api.host, "-port", str(api.port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = ToxiproxyClient(api)

    def answers() -> bool:
        try:
            return bool(client.version())
        except StackError:
            return False

    try:
        wait_until(answers, within_s=10, what="Toxiproxy to answer", every_s=0.02)
        yield client
    finally:
        process.kill()
        process.wait()
