"""Looking into PostgreSQL, as rows that survive JSON.

A connection per reading: it costs a few milliseconds and survives a server that was killed in between. The
server itself is told the time limit too, or a query that nobody waits for any more would go on holding locks.
"""

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from harness.errors import ProbeError
from harness.probes import Json
from harness.probes.http import service_address
from harness.stack import Address, Stack

_JSON_TYPES = {"json", "jsonb"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class SqlTable:
    """The rows of a query, each a JSON object.

    Times become whole milliseconds since 1970 (rounded down; a time without a zone is taken as UTC),
    intervals whole milliseconds, numerics an integer if they are one and else a string, UUIDs strings, bytes
    hex digits, JSON columns JSON.

    Attributes:
        query: One SELECT. Give it an ORDER BY, or two readings of the same rows may differ.
        service: Which PostgreSQL.
        user: A role that may read; the embedded server trusts loopback.
    """

    name: str
    database: str
    query: str
    service: str = "postgres"
    user: str = "drillbook"
    password: str = ""

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Read all rows.

        Raises:
            ProbeError: The server did not answer within `timeout_s`, or refused the query.
        """
        address = service_address(stack, self.service, self.name)
        try:
            return asyncio.run(self._rows(address, timeout_s))
        except TimeoutError as error:
            raise ProbeError(
                f"{self.name}: {self.service} at {address} did not answer within {timeout_s:g} s"
            ) from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ProbeError(
                f"{self.name}: database {self.database!r} of {self.service} at {address}, as {self.user!r}: "
                f"{type(error).__name__}: {error}"
            ) from error

    async def _rows(self, address: Address, timeout_s: float) -> Json:
        async with asyncio.timeout(timeout_s):
            connection = await asyncpg.connect(
                host=address.host,
                port=address.port,
                user=self.user,
                password=self.password or None,
                database=self.database,
                timeout=timeout_s,
                ssl=False,
                # Nothing a reading does may change what it looks at.
                server_settings={
                    "statement_timeout": str(max(1, math.ceil(timeout_s * 1000))),
                    "default_transaction_read_only": "on",
                    "application_name": f"drillbook {self.name}"[:63],
                },
            )
            try:
                statement = await connection.prepare(self.query)
                columns = [(column.name, column.type.name) for column in statement.get_attributes()]
                records = await statement.fetch()
            finally:
                # Not close(): it would wait for a server that may be the very thing that hangs.
                connection.terminate()
        return [
            {
                name: as_plain(json.loads(value) if kind in _JSON_TYPES and value is not None else value)
                for (name, kind), value in zip(columns, record.values(), strict=True)
            }
            for record in records
        ]


def as_plain(value: Any) -> Json:  # noqa: PLR0911 - one line for each kind of value
    """A value of PostgreSQL as JSON can say it, exactly.

    Raises:
        ProbeError: JSON cannot say it in any way that checkers could rely on.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            whole = value.is_finite() and value == value.to_integral_value()
            return int(value) if whole else str(value)
        case UUID():
            return str(value)
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return (moment - _EPOCH) // _MS
        case timedelta():
            return value // _MS
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | tuple():
            return [as_plain(item) for item in value]
        case Mapping():
            return {str(key): as_plain(item) for key, item in value.items()}
        case _:
            raise ProbeError(
                f"a value of type {type(value).__name__} ({value!r}) has no agreed form in a recording. "
                "Cast it in the query, to text for instance."
            )
