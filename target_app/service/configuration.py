"""Configuration comes from environment variables and is checked before anything starts.

A field `payment_timeout_s` is read from `PAYMENT_TIMEOUT_S`. Every duration is in seconds, as its name
says, and every default that the guide names is the guide's. A service that cannot read its configuration
says everything that is wrong with it at once and ends with status 2.
"""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from target_app import variants
from target_app.variants import Variant

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]

BAD_CONFIGURATION = 2


class SettingsError(ValueError):
    """The environment does not configure the service. One line per variable that is wrong."""


class Settings(BaseModel):
    """What every service needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=1, le=65535, description="port to listen on")
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="lowest level written"
    )
    shop_variants: frozenset[Variant] = Field(
        default=frozenset(), description="planted defects, comma-separated (variants.py)"
    )
    http_max_request_bytes: Count = Field(
        default=1_000_000,
        description="of a request's body; a longer one is refused with 413 while it is read",
    )
    shutdown_grace_s: Seconds = Field(
        default=10.0, description="from SIGTERM to the end, whatever is still in flight"
    )
    shutdown_drain_delay_s: SecondsOrZero = Field(
        default=0.0, description="from SIGTERM until new connections are refused; readiness is 503 meanwhile"
    )

    @field_validator("shop_variants", mode="before")
    @classmethod
    def _parse_variants(cls, value: object) -> object:
        return variants.parse(value) if isinstance(value, str) else value


class DatabaseSettings(BaseModel):
    """A service with a PostgreSQL database of its own."""

    database_url: str = Field(
        default=..., pattern=r"^postgres(ql)?://", description="postgresql://user@host:port/database"
    )
    database_pool_size: Count = Field(default=10, description="connections at most")
    database_connect_timeout_s: Seconds = Field(default=3.0, description="to open one connection")
    database_acquire_timeout_s: Seconds = Field(default=3.0, description="to get a connection from the pool")
    database_command_timeout_s: Seconds = Field(default=3.0, description="for one statement")


class KafkaSettings(BaseModel):
    """A service that speaks to Kafka."""

    kafka_bootstrap_servers: str = Field(..., min_length=1, description="host:port,host:port,…")


class ProducerSettings(KafkaSettings):
    """A service that publishes events."""

    kafka_delivery_timeout_s: Seconds = Field(
        default=30.0, description="for one record to be acknowledged, retries included"
    )
    kafka_linger_s: SecondsOrZero = Field(default=0.002, description="how long a record waits for company")


class ConsumerSettings(KafkaSettings):
    """A service that consumes events with the classic group protocol."""

    kafka_session_timeout_s: Seconds = Field(
        default=30.0, description="without heartbeat until the group gives up on it"
    )
    kafka_heartbeat_interval_s: Seconds = Field(
        default=3.0, description="between heartbeats; below a third of the above"
    )
    kafka_max_poll_interval_s: Seconds = Field(
        default=300.0, description="between polls until it leaves the group"
    )
    kafka_max_poll_records: Count = Field(default=100, description="records taken by one poll")
    kafka_lag_interval_s: Seconds = Field(
        default=1.0, description="between two looks at how far it is behind"
    )
    kafka_group_instance_id: str = Field(default="", description="static membership, if set")


class PeerSettings(BaseModel):
    """A service that calls others over HTTP."""

    http_connect_timeout_s: Seconds = Field(
        default=1.0, description="to connect, or to get a pooled connection"
    )
    http_max_connections: Count = Field(default=100, description="to each peer at most")


S = TypeVar("S", bound=BaseModel)


def read(kind: type[S], environment: Mapping[str, str]) -> S:
    """The settings that `environment` describes. An empty variable counts as not set.

    Raises:
        SettingsError: A variable is missing or makes no sense.
    """
    given: dict[str, Any] = {
        field: environment[field.upper()] for field in kind.model_fields if environment.get(field.upper())
    }
    try:
        return kind(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaint(kind, item) for item in error.errors())) from None


def read_or_exit(kind: type[S], environment: Mapping[str, str]) -> S:
    """Like `read`, for a process that has nothing else to do when that fails."""
    try:
        return read(kind, environment)
    except SettingsError as error:
        sys.stderr.write(f"The configuration is wrong:\n{error}\n")
        raise SystemExit(BAD_CONFIGURATION) from None


def table(kind: type[BaseModel]) -> str:
    """The settings as a Markdown table."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in kind.model_fields.items():
        default = "required" if field.is_required() else _shown(field.default)
        lines.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def _shown(default: object) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if default or default == 0 else "none"


def _complaint(kind: type[BaseModel], item: Any) -> str:
    if not item["loc"]:
        return f"- {item['msg'].removeprefix('Value error, ')}"
    name = str(item["loc"][0])
    field = kind.model_fields[name]
    if item["type"] == "missing":
        return f"- {name.upper()} is not set: {field.description}."
    why = item["msg"].removeprefix("Value error, ")
    return f"- {name.upper()}={item['input']!r}: {why} ({field.description})."
