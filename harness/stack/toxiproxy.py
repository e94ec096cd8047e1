"""Toxiproxy, spoken to through toxiproxy-python with its gaps closed.

toxiproxy-python 0.1.1 knows Toxiproxy's objects and paths. `toxiproxy_transport` gives it time-outs and lets
it speak to several servers; here names are quoted, toxics updated, proxies populated, and every change is
read back.

Nothing here asks for the list of all proxies on the way to a cure: Toxiproxy holds a proxy's lock while it
changes a toxic, so one stuck proxy makes that list hang, while the others still answer by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import toxiproxy.proxy
import toxiproxy.server
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.clock import wait_until
from harness.errors import ConfigError, DeadlineError, StackError
from harness.stack import Address, Direction, Toxic, WireProtocol
from harness.stack.toxiproxy_transport import Consumer, ControlPlaneHangs, speaking

_TOXICITY_PRECISION = 1e-6  # Toxiproxy keeps a toxicity in 32 bits


@dataclass(frozen=True, kw_only=True)
class ProxyInfo:
    """One proxy as Toxiproxy reports it."""

    name: str
    listen: Address
    upstream: Address
    enabled: bool
    toxics: tuple[Toxic, ...] = ()


class ToxiproxyClient:
    """One Toxiproxy server's API. Every call is bounded; any thread may use it, and several at once.

    Args:
        address: Of the API, not of a proxy.
        timeout_s: For each call. Toxiproxy itself gives up on a call after 25 s.

    Every method raises `StackError` if the server does not answer, or answers with an error, and
    `ControlPlaneHangs`, which is one, if it does not answer in time.
    """

    def __init__(self, address: Address, timeout_s: float = 3.0) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._consumer = Consumer(address, timeout_s)

    def __repr__(self) -> str:
        return f"ToxiproxyClient({self.address}, timeout_s={self.timeout_s:g})"

    def version(self) -> str:
        """The server's version, e.g. "2.12.0"."""
        with self._as_the_speaker():
            return str(self._consumer.get("/version").json()["version"])

    def proxies(self) -> Mapping[str, ProxyInfo]:
        """Every proxy by its name. Hangs, that is raises, if a single one of them is stuck."""
        with self._as_the_speaker():
            return {name: _info(value) for name, value in self._consumer.get("/proxies").json().items()}

    def populate(self, proxies: Sequence[ProxyInfo]) -> None:
        """Create proxies in one call and read them back. Those that are there as wanted stay untouched.

        Raises:
            ConfigError: A name cannot be addressed.
            StackError: A proxy is not there as wanted: its port is taken, most likely.
        """
        for proxy in proxies:
            _check_name(proxy.name)
        wanted = [
            {"name": p.name, "listen": str(p.listen), "upstream": str(p.upstream), "enabled": p.enabled}
            for p in proxies
        ]
        with self._as_the_speaker():
            self._consumer.post("/populate", json=wanted)
        there = self.proxies()
        for proxy in proxies:
            found = there.get(proxy.name)
            if found is None or (found.listen, found.upstream) != (proxy.listen, proxy.upstream):
                raise StackError(
                    f"Toxiproxy at {self.address}: proxy {proxy.name!r} was wanted from {proxy.listen} to "
                    f"{proxy.upstream}, found is {found}. Its client would walk around every fault."
                )

    def proxy(self, name: str) -> ProxyInfo:
        """One proxy.

        Raises:
            StackError: There is none of that name.
        """
        with self._as_the_speaker():
            return _info(self._consumer.get(f"/proxies/{quote(name, safe='')}").json())

    def toxics(self, name: str) -> tuple[Toxic, ...]:
        """The toxics of one proxy."""
        with self._as_the_speaker():
            found = self._handle(name).toxics().values()
        return tuple(
            Toxic(
                name=toxic.name,
                kind=toxic.type,
                direction=Direction(toxic.stream),
                toxicity=toxic.toxicity,
                attributes=dict(toxic.attributes),
            )
            for toxic in found
        )

    def put_toxic(self, name: str, toxic: Toxic) -> None:
        """Add a toxic to a proxy, or change the one of that name, and read it back.

        One of the same kind and direction is updated in place: removing it could drop connections.

        Raises:
            StackError: Toxiproxy reports another toxic than was wanted.
        """
        _check_name(toxic.name)
        there = next((item for item in self.toxics(name) if item.name == toxic.name), None)
        if there is not None and (there.kind, there.direction) == (toxic.kind, toxic.direction):
            with self._as_the_speaker():
                self._consumer.post(
                    f"/proxies/{quote(name, safe='')}/toxics/{quote(toxic.name, safe='')}",
                    json={"attributes": dict(toxic.attributes), "toxicity": toxic.toxicity},
                )
        else:
            if there is not None:
                self.remove_toxic(name, toxic.name)
            with self._as_the_speaker():
                self._handle(name).add_toxic(
                    name=toxic.name,
                    type=toxic.kind,
                    stream=toxic.direction.value,
                    toxicity=toxic.toxicity,
                    attributes=dict(toxic.attributes),
                )
        found = next((item for item in self.toxics(name) if item.name == toxic.name), None)
        if found is None or not _same(found, toxic):
            raise StackError(
                f"Toxiproxy at {self.address}: on proxy {name!r} the toxic {toxic} was wanted, found is "
                f"{found}. The fault would be another one than was asked for."
            )

    def remove_toxic(self, name: str, toxic_name: str) -> None:
        """Remove a toxic, and see that it is gone. Does nothing if there is none of that name."""
        # What is not found is the toxic; a missing proxy is found out by the next call.
        with self._as_the_speaker(), suppress(NotFound):
            self._handle(name).destroy_toxic(quote(toxic_name, safe=""))
        left = [toxic.name for toxic in self.toxics(name)]
        if toxic_name in left:
            raise StackError(
                f"Toxiproxy at {self.address}: toxic {toxic_name!r} was removed from {name!r} and is still "
                "there"
            )

    def set_enabled(self, name: str, enabled: bool) -> None:
        """Let a proxy listen, or close its listener and its connections, and read it back."""
        with self._as_the_speaker():
            handle = self._handle(name)
            if enabled:
                handle.enable()
            else:
                handle.disable()
        if self.proxy(name).enabled != enabled:
            raise StackError(
                f"Toxiproxy at {self.address}: proxy {name!r} was wanted with enabled={enabled}, and is not"
            )

    def replace_proxy(self, proxy: ProxyInfo) -> None:
        """Delete a proxy and create it anew, without its toxics; its connections are dropped.

        The last resort for a proxy that is stuck: deleting one does not need the lock it is stuck on.
        """
        with self._as_the_speaker():
            with suppress(NotFound):
                self._handle(proxy.name).destroy()
            self._consumer.post(
                "/proxies",
                json={
                    "name": proxy.name,
                    "listen": str(proxy.listen),
                    "upstream": str(proxy.upstream),
                    "enabled": proxy.enabled,
                },
            )
        if self.proxy(proxy.name) != proxy:
            raise StackError(f"Toxiproxy at {self.address}: proxy {proxy.name!r} could not be made anew")

    def reset(self) -> None:
        """Remove every toxic and enable every proxy."""
        with self._as_the_speaker():
            toxiproxy.server.Toxiproxy().reset()

    def _handle(self, name: str) -> Any:
        """toxiproxy-python's object for a proxy. It puts the name into paths only, so it gets it quoted."""
        return toxiproxy.proxy.Proxy(name=quote(name, safe=""), upstream="", enabled=True, listen="")

    @contextmanager
    def _as_the_speaker(self) -> Iterator[None]:
        token = speaking.set(self._consumer)
        try:
            yield
        except (InvalidToxic, NotFound, ProxyExists) as error:
            raise StackError(str(error)) from error
        except (KeyError, TypeError, ValueError) as error:
            raise StackError(
                f"Toxiproxy at {self.address} answered something else than Toxiproxy: {error!r}"
            ) from error
        finally:
            speaking.reset(token)


@dataclass(frozen=True, kw_only=True)
class ProxiedLink:
    """A link of any runtime: one proxy of one Toxiproxy server. Plain enough to be made in any process."""

    name: str
    client: str
    server: str
    protocol: WireProtocol
    entrance: Address
    exit: Address
    proxy: ProxyInfo
    api: ToxiproxyClient
    patience_s: float = 12.0  # Toxiproxy waits up to 5 s, twice, for a connection that takes nothing

    def add(self, toxic: Toxic) -> None:
        """Add a toxic, replacing one of the same name."""
        self.api.put_toxic(self.proxy.name, toxic)

    def remove(self, toxic_name: str) -> None:
        """Remove a toxic. Does nothing if there is none of that name.

        If the call hangs, it is waited for: Toxiproxy often is only slow. If the proxy stays stuck it is made
        anew, enabled and without any toxic, which drops its connections: healed beats untouched.
        """
        try:
            self.api.remove_toxic(self.proxy.name, toxic_name)
        except ControlPlaneHangs:
            if not self._comes_free_of(toxic_name):
                self.api.replace_proxy(self.proxy)

    def toxics(self) -> Sequence[Toxic]:
        """The toxics that the proxy itself reports."""
        return self.api.toxics(self.proxy.name)

    def disable(self) -> None:
        """Close the proxy's listener and its connections: clients are refused."""
        self.api.set_enabled(self.proxy.name, enabled=False)

    def enable(self) -> None:
        """Listen again. Does nothing if it already does; a proxy that is stuck is made anew, see `remove`."""
        try:
            self.api.set_enabled(self.proxy.name, enabled=True)
        except ControlPlaneHangs:
            self.api.replace_proxy(self.proxy)

    def is_enabled(self) -> bool:
        """Whether the proxy itself says that it listens."""
        return self.api.proxy(self.proxy.name).enabled

    def _comes_free_of(self, toxic_name: str) -> bool:
        def gone() -> bool:
            try:
                return all(toxic.name != toxic_name for toxic in self.toxics())
            except ControlPlaneHangs:
                return False

        try:
            return wait_until(gone, within_s=self.patience_s, what=f"{toxic_name} to go from {self.name}")
        except DeadlineError:
            return False


def _check_name(name: str) -> None:
    if not name or "/" in name or name in {".", ".."}:
        raise ConfigError(
            f"{name!r} cannot name a proxy or a toxic: Toxiproxy's paths are split at every slash, quoted or "
            "not, so it could be created and never be removed. Use a name without '/'."
        )


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host.strip("[]"), int(port))


def _info(value: Mapping[str, Any]) -> ProxyInfo:
    return ProxyInfo(
        name=value["name"],
        listen=_address(value["listen"]),
        upstream=_address(value["upstream"]),
        enabled=value["enabled"],
        toxics=tuple(
            Toxic(
                name=toxic["name"],
                kind=toxic["type"],
                direction=Direction(toxic["stream"]),
                toxicity=toxic["toxicity"],
                attributes=toxic["attributes"],
            )
            for toxic in value["toxics"]
        ),
    )


def _same(found: Toxic, wanted: Toxic) -> bool:
    return (
        (found.kind, found.direction) == (wanted.kind, wanted.direction)
        and abs(found.toxicity - wanted.toxicity) < _TOXICITY_PRECISION
        and all(found.attributes.get(key) == value for key, value in wanted.attributes.items())
    )
