"""What a fresh stack contains before its first service starts: databases with their tables, and nothing else.

The same code empties a stack between two scenarios and then *proves* that it is empty: a scenario judged on what
another one left behind would be worse than a slow one. Everything here goes to the servers directly, past the links.
"""

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from harness.errors import ConfigError, DeadlineError, StackError
from harness.stack import Address
from harness.stack.embedded.readiness import SUPERUSER
from harness.stack.target import Database, Target

TEMPLATE_SUFFIX = "_as_made"
REDIS_TIMEOUT_S = 5.0


def _read(script: str) -> str:
    try:
        return Path(script).read_text()
    except OSError as error:
        raise ConfigError(f"the migration {script} cannot be read: {error}") from error


@contextmanager
def in_words_of(server: str, *raised: type[Exception]) -> Iterator[None]:
    """Tell what a server's client raises as what it means: that the stack cannot be filled, emptied or proven."""
    known: tuple[type[Exception], ...] = (OSError, DeadlineError, *raised)
    try:
        yield
    except known as error:
        raise StackError(
            f"{server} did not do what the stack needs before a drill: {str(error) or type(error).__name__}. "
            "Its log is beside the recordings."
        ) from error


_in_words_of_postgres = in_words_of("PostgreSQL", asyncpg.PostgresError, asyncpg.InterfaceError)


async def _connect(postgres: Address, database: str) -> Any:
    return await asyncpg.connect(
        host=postgres.host,
        port=postgres.port,
        user=SUPERUSER,
        database=database,
        timeout=5,
        command_timeout=30,
    )


async def _make_database(postgres: Address, database: Database) -> None:
    """Make a template with all migrations applied, then the database as a copy of it."""
    template = database.name + TEMPLATE_SUFFIX
    admin = await _connect(postgres, "postgres")
    try:
        await admin.execute(f'create database "{template}"')
        connection = await _connect(postgres, template)
        try:
            for script in database.migrations:
                try:
                    await connection.execute(_read(script))
                except asyncpg.PostgresError as error:
                    raise StackError(f"the migration {script} fails: {error}") from error
        finally:
            await connection.close(timeout=5)
        await admin.execute(f'create database "{database.name}" template "{template}"')
    finally:
        await admin.close(timeout=5)


@_in_words_of_postgres
def make_databases(target: Target, postgres: Address) -> None:
    """Create the target's databases and their tables.

    Raises:
        StackError: A migration fails; with PostgreSQL's own words.
    """

    async def make() -> None:
        # Side by side: each waits for the disk several times, and services wait for all of them.
        await asyncio.gather(*(_make_database(postgres, database) for database in target.databases))

    asyncio.run(make())


@_in_words_of_postgres
def remake_databases(target: Target, postgres: Address) -> None:
    """Put every database back to how it was made, whatever has happened in it.

    The old one is dropped with its connections and copied anew, so that sequences, statistics and tables that
    somebody added are gone too; deleting rows would leave them.
    """

    async def remake() -> None:
        admin = await _connect(postgres, "postgres")
        try:
            for database in target.databases:
                await admin.execute(f'drop database if exists "{database.name}" with (force)')
                await admin.execute(
                    f'create database "{database.name}" template "{database.name + TEMPLATE_SUFFIX}"'
                )
        finally:
            await admin.close(timeout=5)

    asyncio.run(remake())


@_in_words_of_postgres
def table_digests(target: Target, postgres: Address, *, suffix: str = "") -> dict[str, str]:
    """For every table of every database its row count and a digest of its rows: what a database contains.

    Args:
        target: Whose databases.
        postgres: Where they are.
        suffix: Behind the databases' names; `TEMPLATE_SUFFIX` for how they were made.
    """

    async def look() -> dict[str, str]:
        found: dict[str, str] = {}
        for database in target.databases:
            connection = await _connect(postgres, database.name + suffix)
            try:
                tables = await connection.fetch(
                    "select format('%I.%I', schemaname, tablename) as name from pg_tables "
                    "where schemaname not in ('pg_catalog', 'information_schema')"
                )
                for (name,) in tables:
                    row = await connection.fetchrow(
                        f"select count(*) as n, coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as d "  # noqa: S608
                        f"from {name} t"
                    )
                    found[f"{database.name}/{name}"] = f"{row['n']} rows, {row['d']}"
                sequences = await connection.fetch(
                    "select sequencename, coalesce(last_value::text, 'unused') as at from pg_sequences"
                )
                found |= {f"{database.name}/{row['sequencename']}": row["at"] for row in sequences}
            finally:
                await connection.close(timeout=5)
        return found

    return asyncio.run(look())


def flush_redis(server: Address) -> None:
    """Delete every key."""
    _ask_redis(server, "FLUSHALL")


def redis_keys(server: Address) -> int:
    """How many keys there are."""
    return int(_ask_redis(server, "DBSIZE"))


@in_words_of("Redis")
def _ask_redis(server: Address, command: str) -> str:
    """The answer to one command without arguments. A client library would take longer to import than these to ask."""
    with (
        socket.create_connection((server.host, server.port), timeout=REDIS_TIMEOUT_S) as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(f"{command}\r\n".encode())
        answer = answers.readline().decode().strip()
    if not answer.startswith(("+", ":")):
        raise StackError(f"Redis answered {answer!r} to {command}, which the stack needs before a drill.")
    return answer[1:]


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What is not as it was, as a sentence for an error; empty if all is."""
    changed = {
        name: (before.get(name, "absent"), after.get(name, "absent"))
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }
    return json.dumps(changed, sort_keys=True) if changed else ""
