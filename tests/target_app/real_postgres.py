"""One real PostgreSQL for the tests of statements: what a statement does, only its server can say."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

import target_app
from harness.stack.embedded.artifacts import Cache, cache_root
from harness.stack.embedded.postgres import find_postgres, spec
from harness.stack.embedded.readiness import SUPERUSER
from tests.stack.loopback import free_port

MIGRATIONS = Path(target_app.__file__).with_name("migrations")
STARTS_WITHIN_S = 30.0


@contextmanager
def running() -> Iterator[str]:
    """A server with nothing in it. Its address, without a database."""
    program = find_postgres(Cache(cache_root()))
    port = free_port()
    # Below /tmp and open to others: whom PostgreSQL runs as may not pass through a test's own folder.
    work = Path(tempfile.mkdtemp(prefix="postgres-"))
    work.chmod(0o755)
    described = spec(port=port, program=program, work=work)
    try:
        for name, template in described.copies.items():
            shutil.copytree(template, work / name)
            if program.user_id is not None:
                for path in (work / name, *(work / name).rglob("*")):
                    os.chown(path, program.user_id, program.user_id)
        with (work / "log").open("wb") as log:
            server = subprocess.Popen(
                described.argv,
                env=dict(described.environment),
                cwd=work,
                stdout=log,
                stderr=log,
                user=program.user_id,
                group=program.user_id,
                extra_groups=None if program.user_id is None else [],
            )
        try:
            address = f"postgresql://{SUPERUSER}@127.0.0.1:{port}"
            asyncio.run(_answering(address, server))
            yield address
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(STARTS_WITHIN_S)
    finally:
        shutil.rmtree(work)


async def migrated(address: str, migrations: str, name: str) -> str:
    """The address of a new database with the tables of a service."""
    server = await asyncpg.connect(f"{address}/postgres")
    try:
        await server.execute(f"CREATE DATABASE {name}")
    finally:
        await server.close()
    database = await asyncpg.connect(f"{address}/{name}")
    try:
        for script in sorted((MIGRATIONS / migrations).glob("*.sql")):
            await database.execute(script.read_text(encoding="utf-8"))
    finally:
        await database.close()
    return f"{address}/{name}"


async def _answering(address: str, server: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while True:
            assert server.poll() is None, "PostgreSQL has ended"
            try:
                connection = await asyncpg.connect(f"{address}/postgres")
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return
