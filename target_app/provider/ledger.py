"""The provider's books: what was really charged and refunded, in one SQLite file that survives SIGKILL.

Rules, which its clients rely on:

1. A key decides once. The same key with the same request gets the first answer again; with another request
   it is refused (422), for two different charges under one key can only be a mistake.
2. A refund names the charge's key. Refunding a charge that was never seen *voids* its key: should that
   charge still arrive, it is refused (409). Otherwise a request that was held up in the network could take
   money for an order that has been given up long since.
3. A charge is refunded once, in full, whatever keys ask for it.
4. The books tell how many requests came for a key, as a provider's request log does: a client that asks again and
   again can be told from one that was answered the first time.

Statements run in the event loop's own thread: with write-ahead logging each takes some 50 µs, less than
handing it to another thread would.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

DECLINED_CARDS = frozenset({"tok_declined", "tok_insufficient_funds", "tok_expired"})

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    requests INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('charge', 'refund')),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0), at_ms INTEGER NOT NULL, charge_key TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_refund_per_charge ON entry (charge_key) WHERE kind = 'refund';
CREATE TABLE IF NOT EXISTS void (charge_key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body."""

    status: int
    body: Mapping[str, Any]


class Ledger:
    """One ledger file. Not for more than one process at a time."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL keeps every committed transaction when the process dies; only a power cut can lose the last.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Fold the log into the file."""
        self._db.close()

    def charge(self, *, key: str, order_id: str, amount_cents: int, card: str) -> Answer:
        """Charge, or decline, or say again what was said before."""
        request = _fingerprint("charge", order_id, amount_cents, card)
        with self._transaction():
            if (before := self._answered(key, request)) is not None:
                return before
            if self._db.execute("SELECT 1 FROM void WHERE charge_key = ?", (key,)).fetchone():
                return self._answer(key, request, 409, {"key": key, "status": "voided"})
            if card in DECLINED_CARDS:
                return self._answer(key, request, 402, {"key": key, "status": "declined", "reason": card})
            self._enter(key, order_id, "charge", amount_cents, None)
            return self._answer(
                key, request, 200, {"key": key, "status": "charged", "amount_cents": amount_cents}
            )

    def decline(self, *, key: str, order_id: str, amount_cents: int, card: str, reason: str) -> Answer:
        """Refuse a charge for good, unless its key has been decided before."""
        request = _fingerprint("charge", order_id, amount_cents, card)
        with self._transaction():
            before = self._answered(key, request)
            return before or self._answer(
                key, request, 402, {"key": key, "status": "declined", "reason": reason}
            )

    def refund(self, *, key: str, charge_key: str, order_id: str, amount_cents: int) -> Answer:
        """Give a charge back, or void its key if it was never seen."""
        request = _fingerprint("refund", order_id, amount_cents, charge_key)
        with self._transaction():
            if (before := self._answered(key, request)) is not None:
                return before
            charged = self._db.execute(
                "SELECT order_id, amount_cents FROM entry WHERE key = ? AND kind = 'charge'", (charge_key,)
            ).fetchone()
            if charged is None:
                self._db.execute("INSERT OR IGNORE INTO void VALUES (?, ?)", (charge_key, _now_ms()))
                return self._answer(key, request, 200, {"key": key, "status": "voided", "amount_cents": 0})
            if charged != (order_id, amount_cents):
                detail = f"the charge was {charged[1]} cents for order {charged[0]}"
                return Answer(422, {"key": key, "status": "refused", "reason": detail})
            earlier = self._db.execute(
                "SELECT 1 FROM entry WHERE charge_key = ? AND kind = 'refund'", (charge_key,)
            ).fetchone()
            if earlier is None:
                self._enter(key, order_id, "refund", amount_cents, charge_key)
            return self._answer(
                key, request, 200, {"key": key, "status": "refunded", "amount_cents": amount_cents}
            )

    def entries(self, *, after: int = 0, limit: int = 10_000) -> list[dict[str, Any]]:
        """Charges and refunds in the order they happened, from behind the sequence number `after`."""
        rows = self._db.execute(
            "SELECT seq, key, order_id, kind, amount_cents, at_ms, charge_key, requests"
            " FROM entry JOIN answer USING (key) WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, limit),
        )
        names = ("seq", "key", "order_id", "kind", "amount_cents", "at_ms", "charge_key", "requests")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _answered(self, key: str, request: str) -> Answer | None:
        row = self._db.execute("SELECT request, status, body FROM answer WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        self._db.execute("UPDATE answer SET requests = requests + 1 WHERE key = ?", (key,))
        if row[0] != request:
            return Answer(
                422, {"key": key, "status": "refused", "reason": "this key was used for another request"}
            )
        return Answer(row[1], json.loads(row[2]))

    def _answer(self, key: str, request: str, status: int, body: dict[str, Any]) -> Answer:
        self._db.execute(
            "INSERT INTO answer (key, request, status, body) VALUES (?, ?, ?, ?)",
            (key, request, status, json.dumps(body)),
        )
        return Answer(status, body)

    def _enter(self, key: str, order_id: str, kind: str, amount_cents: int, charge_key: str | None) -> None:
        self._db.execute(
            "INSERT INTO entry (key, order_id, kind, amount_cents, at_ms, charge_key)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (key, order_id, kind, amount_cents, _now_ms(), charge_key),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _fingerprint(*parts: object) -> str:
    return json.dumps(parts)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
