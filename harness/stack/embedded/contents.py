"""What a fresh stack contains before its first service starts: databases with their tables, topics, nothing else.

The same code empties a stack between two scenarios and then *proves* that it is empty: a scenario judged on what
another one left behind would be worse than a slow one. Everything here goes to the servers directly, past the links.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # NewTopic is missing from its __all__
    AdminClient,
    NewTopic,
)

from harness.clock import wait_until
from harness.errors import ConfigError, DeadlineError, StackError
from harness.stack import Address
from harness.stack.embedded.readiness import SUPERUSER
from harness.stack.target import Database, Target, Topic

TEMPLATE_SUFFIX = "_as_made"
KAFKA_TIMEOUT_S = 15.0
_INTERNAL_TOPIC = "__"


def _read(script: str) -> str:
    try:
        return Path(script).read_text()
    except OSError as error:
        raise ConfigError(f"the migration {script} cannot be read: {error}") from error


@contextmanager
def _in_words_of(server: str) -> Iterator[None]:
    """Tell what a server's client raises as what it means: that the stack cannot be filled, emptied or proven."""
    try:
        yield
    except (
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        redis.RedisError,
        KafkaException,
        DeadlineError,
    ) as error:
        raise StackError(
            f"{server} did not do what the stack needs before a drill: {str(error) or type(error).__name__}. "
            "Its log is beside the recordings."
        ) from error


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


@_in_words_of("PostgreSQL")
def make_databases(target: Target, postgres: Address) -> None:
    """Create the target's databases and their tables.

    Raises:
        StackError: A migration fails; with PostgreSQL's own words.
    """

    async def make() -> None:
        # Side by side: each waits for the disk several times, and services wait for all of them.
        await asyncio.gather(*(_make_database(postgres, database) for database in target.databases))

    asyncio.run(make())


@_in_words_of("PostgreSQL")
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


@_in_words_of("PostgreSQL")
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


class KafkaContents:
    """The topics and groups of a cluster, seen through its direct listener."""

    def __init__(self, bootstrap: str, replicas: int) -> None:
        self._replicas = replicas
        self._admin = AdminClient(
            {
                "bootstrap.servers": bootstrap,
                "socket.timeout.ms": 10_000,
                "log_level": 0,
                "topic.metadata.refresh.interval.ms": 1_000,
            }
        )

    @_in_words_of("Kafka")
    def make(self, topics: tuple[Topic, ...]) -> None:
        """Create topics, replicated over all brokers, and wait until every partition has a leader.

        Raises:
            StackError: Kafka refused one, or it has no leader in time.
        """
        new = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=self._replicas,
                config={"min.insync.replicas": str(min(topic.min_insync_replicas, self._replicas))},
            )
            for topic in topics
        ]
        for name, future in self._admin.create_topics(new, request_timeout=KAFKA_TIMEOUT_S).items():
            try:
                future.result(timeout=KAFKA_TIMEOUT_S)
            except KafkaException as error:
                raise StackError(f"the topic {name} could not be made: {error}") from error
        wanted = {topic.name: topic.partitions for topic in topics}

        def led() -> bool:
            there = self._admin.list_topics(timeout=KAFKA_TIMEOUT_S).topics
            return all(
                name in there
                and len(there[name].partitions) == count
                and all(len(part.isrs) == self._replicas for part in there[name].partitions.values())
                for name, count in wanted.items()
            )

        wait_until(led, within_s=KAFKA_TIMEOUT_S, what="every partition to have its replicas in sync")

    @_in_words_of("Kafka")
    def topics(self) -> list[str]:
        """Every topic that is not Kafka's own."""
        found = self._admin.list_topics(timeout=KAFKA_TIMEOUT_S).topics
        return sorted(name for name in found if not name.startswith(_INTERNAL_TOPIC))

    @_in_words_of("Kafka")
    def groups(self) -> list[str]:
        """Every consumer group that the cluster remembers."""
        listed = self._admin.list_consumer_groups(request_timeout=KAFKA_TIMEOUT_S).result(
            timeout=KAFKA_TIMEOUT_S
        )
        return sorted(group.group_id for group in listed.valid)

    @_in_words_of("Kafka")
    def empty(self) -> None:
        """Delete every group and topic, and wait until they are gone.

        A group can be deleted once its last member is gone, which a killed member is only after its session
        time-out; until then Kafka refuses, and is asked again.

        Raises:
            DeadlineError: Something is still there.
        """
        wait_until(self._delete_groups, within_s=60, what="every consumer group to be deleted", every_s=0.2)
        topics = self.topics()
        if topics:
            for future in self._admin.delete_topics(topics, request_timeout=KAFKA_TIMEOUT_S).values():
                future.result(timeout=KAFKA_TIMEOUT_S)
        wait_until(lambda: not self.topics(), within_s=KAFKA_TIMEOUT_S, what="every topic to be deleted")

    def _delete_groups(self) -> bool:
        groups = self.groups()
        if groups:
            for future in self._admin.delete_consumer_groups(
                groups, request_timeout=KAFKA_TIMEOUT_S
            ).values():
                try:
                    future.result(timeout=KAFKA_TIMEOUT_S)
                except KafkaException:
                    continue  # it still has members; the next look tells
        return not self.groups()


@_in_words_of("Redis")
def flush_redis(server: Address) -> None:
    """Delete every key."""
    with redis.Redis(host=server.host, port=server.port, socket_timeout=5) as client:
        client.flushall()


@_in_words_of("Redis")
def redis_keys(server: Address) -> int:
    """How many keys there are."""
    with redis.Redis(host=server.host, port=server.port, socket_timeout=5) as client:
        return int(str(client.dbsize()))


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What is not as it was, as a sentence for an error; empty if all is."""
    changed = {
        name: (before.get(name, "absent"), after.get(name, "absent"))
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }
    return json.dumps(changed, sort_keys=True) if changed else ""
