"""Everything an embedded stack is started from: gathered for a start, or only looked at for `drill doctor`.

Gathering fetches what is missing, side by side: Toxiproxy's compiler and Kafka's downloads do not wait for
one another. Looking fetches nothing and never fails; what is wrong is part of the answer.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ArtifactError
from harness.stack.embedded import caddy, java, kafka_jars, postgres, toxiproxy, valkey
from harness.stack.embedded.artifacts import Artifact, Cache, Progress
from harness.stack.embedded.kafka import KafkaRuntime
from harness.stack.embedded.kafka_storage import find_runtime
from harness.stack.embedded.manifest import problem_of
from harness.stack.embedded.sources import Source, Standing

_FETCHING_HELPS = "drill doctor --fetch"


@dataclass(frozen=True, kw_only=True)
class Programs:
    """What every server is started from.

    Attributes:
        java: The Java that runs Kafka.
        kafka: Kafka's class path, formatted directories and class archive.
        kafka_version: Of the class path.
        postgres: PostgreSQL and an initialised cluster.
        valkey: Valkey.
        toxiproxy: Toxiproxy.
        caddy: Caddy.
    """

    java: java.Java
    kafka: KafkaRuntime
    kafka_version: str
    postgres: postgres.Postgres
    valkey: valkey.Valkey
    toxiproxy: toxiproxy.Toxiproxy
    caddy: caddy.Caddy

    @property
    def versions(self) -> dict[str, str]:
        """Server to version, for `run.json`."""
        return {
            java.NAME: self.java.version,
            kafka_jars.NAME: self.kafka_version,
            postgres.NAME: self.postgres.version,
            valkey.NAME: self.valkey.version,
            toxiproxy.NAME: self.toxiproxy.version,
            caddy.NAME: self.caddy.version,
        }


def gather(
    cache: Cache, *, progress: Progress | None = None, environment: Mapping[str, str] = os.environ
) -> Programs:
    """Everything, fetched first where it is missing.

    Args:
        cache: Where fetched things are kept.
        progress: Told from several threads, one artifact each.
        environment: Where overrides are looked for.

    Raises:
        ArtifactError: One of them cannot be had; the message names what to supply.
    """
    postgres.refuse_nameless_user()  # the quick ones first: what would be in the way is known at once
    found_caddy = caddy.find_caddy(environment)
    found_valkey = valkey.find_valkey(environment)

    def kafka() -> tuple[java.Java, kafka_jars.KafkaJars, KafkaRuntime]:
        found_java = java.find_java(cache, progress=progress, environment=environment)
        jars = kafka_jars.find_jars(cache, progress=progress, environment=environment)
        return found_java, jars, find_runtime(found_java, jars, cache, progress=progress)

    with ThreadPoolExecutor(max_workers=3) as pool:
        kafka_parts = pool.submit(kafka)
        database = pool.submit(postgres.find_postgres, cache, progress=progress, environment=environment)
        proxy = pool.submit(toxiproxy.find_toxiproxy, cache, progress=progress, environment=environment)
        found_java, jars, runtime = kafka_parts.result()
        return Programs(
            java=found_java,
            kafka=runtime,
            kafka_version=jars.version,
            postgres=database.result(),
            valkey=found_valkey,
            toxiproxy=proxy.result(),
            caddy=found_caddy,
        )


def standings(cache: Cache, *, environment: Mapping[str, str] = os.environ) -> list[Standing]:
    """How it stands with each of them, without fetching anything."""
    return [
        _stand(java.NAME, "JAVA_HOME", java.SUPPLY, lambda: _java(cache, environment)),
        _stand(kafka_jars.NAME, "KAFKA_HOME", kafka_jars.SUPPLY, lambda: _kafka(cache, environment)),
        _stand(postgres.NAME, "POSTGRES_HOME", postgres.SUPPLY, lambda: _postgres(environment)),
        _stand(valkey.NAME, valkey.VARIABLES[0], valkey.SUPPLY, lambda: _valkey(environment)),
        _stand(toxiproxy.NAME, "TOXIPROXY_SERVER", toxiproxy.SUPPLY, lambda: _toxiproxy(cache, environment)),
        _stand(caddy.NAME, "CADDY", caddy.SUPPLY, lambda: _caddy(environment)),
    ]


_Found = tuple[str, Source, Path | None]  # version, source, path


def _stand(name: str, variable: str, supply: str, look: Callable[[], _Found]) -> Standing:
    try:
        version, source, path = look()
    except ArtifactError as error:
        return Standing(
            name=name, version="", source=Source.MISSING, variable=variable, problem=str(error), remedy=supply
        )
    remedy = _FETCHING_HELPS if source is Source.TO_BE_FETCHED else ""
    return Standing(name=name, version=version, source=source, variable=variable, path=path, remedy=remedy)


def _cached(cache: Cache, artifact: Artifact) -> _Found:
    place = cache.path_of(artifact)
    if problem_of(place) is None:
        return artifact.version, Source.CACHE, place
    return artifact.version, Source.TO_BE_FETCHED, None


def _java(cache: Cache, environment: Mapping[str, str]) -> _Found:
    here = java.local_java(environment)
    return _cached(cache, java.bundled()) if here is None else (here.version, here.source, here.program)


def _kafka(cache: Cache, environment: Mapping[str, str]) -> _Found:
    here = kafka_jars.local_jars(environment)
    if here is None:
        return _cached(cache, kafka_jars.fetched())
    return here.version, here.source, here.jars[0].parent


def _postgres(environment: Mapping[str, str]) -> _Found:
    home, version, source = postgres.local_postgres(environment)
    return version, source, home


def _valkey(environment: Mapping[str, str]) -> _Found:
    found = valkey.find_valkey(environment)
    return found.version, found.source, found.program


def _toxiproxy(cache: Cache, environment: Mapping[str, str]) -> _Found:
    here = toxiproxy.local_toxiproxy(environment)
    if here is None:
        return _cached(cache, toxiproxy.built(environment))
    return here.version, here.source, here.program


def _caddy(environment: Mapping[str, str]) -> _Found:
    found = caddy.find_caddy(environment)
    return found.version, found.source, found.program
