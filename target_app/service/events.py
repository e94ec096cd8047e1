"""The envelope of an event: what travels through Kafka, and how a record that is none is told apart.

The key is the order's id, so that all events of an order are in one partition; `version` counts the order's own events
from 1 without gaps (those about its compensation repeat it), so that a consumer can put right what comes twice or late.

What is decoded can be stored: a record that a database would refuse at every try would keep all behind it waiting.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

VERSION_MAX = 2**31 - 1
ORDER_EVENTS = "order-events"
COMPENSATION_EVENTS = "compensation-events"
ORDER_EVENTS_DLQ = "order-events-dlq"

ORDER_CREATED = "OrderCreated"
ORDER_CONFIRMED = "OrderConfirmed"
ORDER_CANCELLED = "OrderCancelled"
INVENTORY_COMPENSATED = "InventoryReservationCompensated"
PAYMENT_COMPENSATED = "PaymentCompensated"

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Unreadable(ValueError):  # noqa: N818 - a property of the record, not of the code
    """A record is not one of our events. Reading it again will not change that."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has happened to an order.

    Attributes:
        event_id: The same for every delivery of this event.
        version: The order's version after it, from 1.
        occurred_at: When it was committed.
        body: What else the type has to say.
    """

    event_id: str
    event_type: str
    order_id: str
    saga_id: str
    version: int
    occurred_at: datetime
    traceparent: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """What decides the partition."""
        return self.order_id.encode()

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """What an intermediary may want to know without parsing the value."""
        headers = [
            ("event-id", self.event_id.encode()),
            ("event-type", self.event_type.encode()),
            ("version", str(self.version).encode()),
        ]
        if self.traceparent:
            headers.append(("traceparent", self.traceparent.encode()))
        return headers

    def encode(self) -> bytes:
        """The record's value."""
        return _encode(
            {
                "event_id": self.event_id,
                "event_type": self.event_type,
                "order_id": self.order_id,
                "saga_id": self.saga_id,
                "version": self.version,
                "occurred_at": self.occurred_at.isoformat(),
                **self.body,
            }
        ).encode()


_OWN = {"event_id", "event_type", "order_id", "saga_id", "version", "occurred_at"}


def decode(value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> Event:
    """The event in a record.

    Raises:
        Unreadable: It is not one of ours.
    """
    try:
        content = json.loads(value or b"")
        carried = {name: text.decode() for name, text in headers if text is not None}
        version = content["version"]
        if type(version) is not int or not 1 <= version <= VERSION_MAX:  # a bool is an int, too
            raise Unreadable(f"version is {version!r:.100}, wanted an integer from 1 to {VERSION_MAX}")
        occurred_at = datetime.fromisoformat(_text(content, "occurred_at"))
        if occurred_at.tzinfo is None:
            raise Unreadable(f"occurred_at is {occurred_at.isoformat()}, wanted a time with its zone")
        return Event(
            event_id=_text(content, "event_id"),
            event_type=_text(content, "event_type"),
            order_id=_text(content, "order_id"),
            saga_id=_text(content, "saga_id"),
            version=version,
            occurred_at=occurred_at,
            traceparent=carried.get("traceparent", ""),
            body={name: item for name, item in content.items() if name not in _OWN},
        )
    except Unreadable:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__}: {error!s:.300}") from error


def is_text(value: object) -> bool:
    """Whether it is a text that PostgreSQL stores: neither empty, nor with a zero character or half of a pair."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content[name]
    if not is_text(value):
        raise Unreadable(f"{name} is {value!r:.100}, wanted a text")
    return str(value)
