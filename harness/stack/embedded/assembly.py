"""Putting a plan together: which program stands for each part of a target, and how it is started."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.load.generator import argv
from harness.load.plan import LoadPlan
from harness.stack import LOOPBACK, Address
from harness.stack.embedded import caddy, kafka, postgres, toxiproxy, valkey
from harness.stack.embedded.plan import Plan, Ports, assign, edges, kafka_nodes, wiring
from harness.stack.embedded.programs import Programs
from harness.stack.process import ProcessSpec, Readiness, ReadyKind
from harness.stack.target import BALANCER, KAFKA, POSTGRES, REDIS, AppService, Target
from harness.supervisor.state import StateFolder

TOXIPROXY = toxiproxy.SERVICE_NAME
LOAD = "load"
LOAD_PLAN = "load-plan.json"
DATA = "data"


def plan(
    target: Target,
    *,
    brokers: int,
    free_ports: Iterable[int],
    programs: Programs,
    folder: StateFolder,
    logs: Path,
) -> Plan:
    """The whole stack as data.

    Args:
        target: What it stands for.
        brokers: How many Kafka data brokers.
        free_ports: As many as `plan.ports_needed` says.
        programs: Where the servers' programs are.
        folder: The run's state folder; each process works in a folder of its own inside.
        logs: Where their output goes.
    """
    ports = assign(target, brokers, free_ports)
    links = edges(target, brokers, ports)
    specs = [
        toxiproxy.spec(port=ports.toxiproxy, program=programs.toxiproxy, work=folder.work(TOXIPROXY)),
        *_servers(target, brokers, ports, programs, folder),
        *(_service(service, target, ports, folder) for service in target.services),
    ]
    if target.balanced:
        specs.append(
            caddy.spec(
                program=programs.caddy,
                port=ports.servers[BALANCER],
                upstreams=[Address(LOOPBACK, ports.entrances[BALANCER, name]) for name in target.balanced],
                health_path=target.balancer_health_path,
                work=folder.work(BALANCER),
            )
        )
    return Plan(
        run_id=folder.run_id,
        target=target.name,
        toxiproxy=ports.toxiproxy,
        entry=ports.servers[BALANCER] if target.balanced else ports.servers[target.services[0].name],
        logs=str(logs),
        specs=tuple(specs),
        edges=links,
        waits_for=_order(target, brokers),
        spares=target.spares,
        versions=programs.versions,
    )


def _servers(
    target: Target, brokers: int, ports: Ports, programs: Programs, folder: StateFolder
) -> list[ProcessSpec]:
    """Kafka first: it takes longest, and copying PostgreSQL's thousand files would hold its start up."""
    specs = []
    if target.topics:
        cluster = _cluster(brokers, ports)
        runtime = programs.kafka
        specs.append(
            kafka.controller_spec(cluster=cluster, runtime=runtime, work=folder.work(kafka.CONTROLLER_NAME))
        )
        specs += [
            kafka.broker_spec(number=number, cluster=cluster, runtime=runtime, work=folder.work(name))
            for number, name in enumerate(kafka_nodes(brokers), start=1)
        ]
    if target.databases:
        specs.append(
            postgres.spec(port=ports.servers[POSTGRES], program=programs.postgres, work=folder.work(POSTGRES))
        )
    if target.redis:
        specs.append(valkey.spec(port=ports.servers[REDIS], program=programs.valkey, work=folder.work(REDIS)))
    return specs


def _cluster(brokers: int, ports: Ports) -> kafka.Cluster:
    nodes = kafka_nodes(brokers)

    def doors_to(server: str) -> dict[str, kafka.RoleListener]:
        return {
            client: kafka.RoleListener(port=port, proxy_port=ports.entrances[client, server])
            for (client, there), port in ports.roles.items()
            if there == server
        }

    to_controller = doors_to(kafka.CONTROLLER_NAME)
    return kafka.Cluster(
        controller_port=ports.servers[kafka.CONTROLLER_NAME],
        brokers={
            number: kafka.BrokerPorts(
                direct=ports.servers[name],
                replication=ports.replication[name],
                roles=doors_to(name),
            )
            for number, name in enumerate(nodes, start=1)
        },
        controller_doors={number: to_controller[name] for number, name in enumerate(nodes, start=1)},
    )


def _order(target: Target, brokers: int) -> Mapping[str, tuple[str, ...]]:
    """Who waits for whom. Toxiproxy first, since its proxies are how services find anything."""
    nodes = tuple(kafka_nodes(brokers))

    def spelled_out(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(node for name in names for node in (nodes if name == KAFKA else (name,)))

    waits = {service.name: (TOXIPROXY, *spelled_out(service.waits_for)) for service in target.services}
    if target.topics:
        # A broker that finds no controller looks for one without a pause, and so keeps it from coming up.
        waits |= dict.fromkeys(nodes, (TOXIPROXY, kafka.CONTROLLER_NAME))
    balanced = tuple(name for name in target.balanced if name not in target.spares)
    return waits | ({BALANCER: (TOXIPROXY, *balanced)} if target.balanced else {})


def _service(service: AppService, target: Target, ports: Ports, folder: StateFolder) -> ProcessSpec:
    """One of the target's own services, with an environment of its own: nothing of ours is inherited."""
    work = folder.work(service.name)
    told = wiring(service.name, ports, str(work / DATA))
    return ProcessSpec(
        name=service.name,
        argv=(sys.executable, *service.argv[1:]) if service.argv[0] == "python" else service.argv,
        environment=base_environment(target.python_path) | dict(service.environment(told)),
        port=told.port,
        ports=(told.port,),
        ready=Readiness(
            kind=ReadyKind.HTTP, port=told.port, path=service.ready_path, timeout_s=service.start_timeout_s
        ),
        stop_timeout_s=service.stop_timeout_s,
        folders=(DATA,),
    )


def base_environment(python_path: Iterable[str]) -> dict[str, str]:
    """What a Python process of the stack needs from ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(python_path),
        "PYTHONUNBUFFERED": "1",  # a log line of a killed process would be lost in its buffer
        "PYTHONFAULTHANDLER": "1",
    }


def load_spec(plan: LoadPlan, *, work: Path) -> ProcessSpec:
    """The load generator, a process of the stack like any other, so that it ends like any other."""
    return ProcessSpec(
        name=LOAD,
        argv=argv(work / LOAD_PLAN),
        environment=base_environment(plan.python_path),
        port=plan.control_port,
        ports=(plan.control_port,),
        ready=Readiness(kind=ReadyKind.HTTP, port=plan.control_port, path="/ready", timeout_s=30.0),
        files={LOAD_PLAN: plan.to_json()},
    )
