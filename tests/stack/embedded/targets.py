"""Targets for tests of plans: a small one that uses every server, and its services' wiring as they were told it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.settings import Settings
from harness.stack.target import KAFKA, POSTGRES, REDIS, AppService, Database, Target, Topic, Wiring

ROOT = Path(__file__).resolve().parents[3]
SQL = Path(__file__).with_name("things.sql")


def told(wiring: Wiring) -> Mapping[str, str]:
    return {"PORT": str(wiring.port), "DATA": wiring.data_folder}


def service(name: str, *uses: str, waits_for: tuple[str, ...] = (), spare: bool = False) -> AppService:
    return AppService(
        name=name, argv=("python", "-m", name), environment=told, uses=uses, waits_for=waits_for, spare=spare
    )


def target(*services: AppService, balanced: tuple[str, ...] = ()) -> Target:
    return Target(
        name="small",
        services=services,
        topics=(Topic(name="events", partitions=2),),
        databases=(Database(name="things"),),
        redis=True,
        balanced=balanced,
    )


SMALL = target(
    service("web-1", "maker"),
    service("web-2", "maker"),
    service("maker", POSTGRES, KAFKA, waits_for=(POSTGRES, KAFKA)),
    service("taker", KAFKA, REDIS),
    balanced=("web-1", "web-2"),
)


def python_service(name: str, *uses: str, spare: bool = False) -> AppService:
    """A tiny service that really runs."""
    return AppService(
        name=name,
        argv=("python", "-m", "tests.stack.embedded.small_service"),
        environment=told,
        uses=uses,
        spare=spare,
    )


def alone(settings: Settings) -> Target:
    """A single service and no servers: the quickest stack there is."""
    del settings
    return Target(
        name="alone", services=(python_service("maker"),), python_path=(str(ROOT),), shortest_timer_s=10.0
    )


def pair(settings: Settings) -> Target:
    """Two services with a link between them: the smallest stack that can be hurt."""
    return replace(
        alone(settings), name="pair", services=(python_service("maker"), python_service("taker", "maker"))
    )


def running(settings: Settings) -> Target:
    """Two services and every kind of server."""
    del settings
    return Target(
        name="running",
        services=(
            python_service("maker", KAFKA, POSTGRES),
            python_service("taker", KAFKA, REDIS, "maker"),
            python_service("taker-2", REDIS, spare=True),
        ),
        topics=(Topic(name="events", partitions=2),),
        databases=(Database(name="things", migrations=(str(SQL),)),),
        redis=True,
        python_path=(str(ROOT),),
        shortest_timer_s=10.0,
    )


def broken(settings: Settings) -> Target:
    """A service that dies at its start."""
    described = alone(settings)
    [maker] = described.services
    return replace(
        described, services=(replace(maker, environment=lambda wiring: {**told(wiring), "FAIL": "1"}),)
    )
