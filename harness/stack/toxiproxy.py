"""Toxiproxy, spoken to through toxiproxy-python with its gaps closed.

toxiproxy-python 0.1.1 knows Toxiproxy's objects and paths. `toxiproxy_transport` gives it time-outs and lets
it speak to several servers; here names are quoted, toxics updated, proxies populated, and every change is
read back.

Nothing here asks for the list of all proxies on the way to a cure: Toxiproxy holds a proxy's lock while it
changes a toxic, so one stuck proxy makes that list hang, while the others still answer by name.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import toxiproxy.proxy
import toxiproxy.server
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.errors import ConfigError, StackError
from harness.stack import Address, Direction, Toxic
from harness.stack.toxiproxy_transport import Consumer, speaking

_TOXICITY_PRECISION = 1e-6  # Toxiproxy keeps a toxicity in 32 bits


@dataclass(frozen=True, kw_only=True)
class ProxyInfo:
    """One proxy as Toxiproxy reports it."""

    name: str
    listen: Address
    upstream: Address
    enabled: bool
    toxics: tuple[Toxic, ...] = ()


@dataclass
class _Wanted:
    """What was asked of one proxy through this client and not taken back: what it is made anew with.

    Attributes:
        turn: Of those who change the proxy. Two faults may be on one link, and making it anew must not bring back what
            is just being taken away.
    """

    enabled: bool = True
    toxics: dict[str, Toxic] = field(default_factory=dict)
    turn: threading.RLock = field(default_factory=threading.RLock)


class ToxiproxyClient:
    """One Toxiproxy server's API. Every call is bounded; any thread may use it, and several at once.

    It keeps in mind what it has asked of each proxy, because a proxy that is stuck cannot be asked what is on it.

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
        self._wanted: dict[str, _Wanted] = {}

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
            self._wanted[proxy.name] = _Wanted(found.enabled, {toxic.name: toxic for toxic in found.toxics})

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
            found = self._consumer.get(f"/proxies/{quote(name, safe='')}/toxics").json()
            return tuple(_toxic(value) for value in found)

    def put_toxic(self, name: str, toxic: Toxic) -> None:
        """Add a toxic to a proxy, or change the one of that name, and read it back.

        One of the same kind and direction is updated in place: removing it could drop connections.

        Raises:
            StackError: Toxiproxy reports another toxic than was wanted.
        """
        _check_name(toxic.name)
        with self._changing(name) as wanted:
            wanted.toxics[toxic.name] = toxic
            self._put(name, toxic)

    def _put(self, name: str, toxic: Toxic) -> None:
        there = next((item for item in self.toxics(name) if item.name == toxic.name), None)
        if there is not None and (there.kind, there.direction) == (toxic.kind, toxic.direction):
            with self._as_the_speaker():
                self._consumer.post(
                    f"/proxies/{quote(name, safe='')}/toxics/{quote(toxic.name, safe='')}",
                    json={"attributes": dict(toxic.attributes), "toxicity": toxic.toxicity},
                )
        else:
            if there is not None:
                self._remove(name, toxic.name)
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
        with self._changing(name) as wanted:
            wanted.toxics.pop(toxic_name, None)
            self._remove(name, toxic_name)

    def _remove(self, name: str, toxic_name: str) -> None:
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
        with self._changing(name) as wanted:
            wanted.enabled = enabled
            self._set_enabled(name, enabled=enabled)

    def _set_enabled(self, name: str, *, enabled: bool) -> None:
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
        """Delete a proxy and create it anew; its connections are dropped.

        It gets the toxics and listens or not as was asked for through this client, so that a fault which has nothing
        to do with it goes on. What another process has put on it goes.

        The last resort for a proxy that is stuck: deleting one does not need the lock it is stuck on.

        Raises:
            StackError: It is not there again as it should be.
        """
        with self._changing(proxy.name) as wanted:
            with self._as_the_speaker():
                with suppress(NotFound):
                    self._handle(proxy.name).destroy()
                self._consumer.post(
                    "/proxies",
                    json={
                        "name": proxy.name,
                        "listen": str(proxy.listen),
                        "upstream": str(proxy.upstream),
                        "enabled": False,  # nobody comes through before everything is on it
                    },
                )
            for toxic in wanted.toxics.values():
                self._put(proxy.name, toxic)
            if wanted.enabled:
                self._set_enabled(proxy.name, enabled=True)
            found = self.proxy(proxy.name)
        if (found.listen, found.upstream, found.enabled) != (proxy.listen, proxy.upstream, wanted.enabled):
            raise StackError(f"Toxiproxy at {self.address}: proxy {proxy.name!r} could not be made anew")

    def reset(self) -> None:
        """Remove every toxic and enable every proxy."""
        self._wanted.clear()
        with self._as_the_speaker():
            toxiproxy.server.Toxiproxy().reset()

    def _handle(self, name: str) -> Any:
        """toxiproxy-python's object for a proxy. It puts the name into paths only, so it gets it quoted."""
        return toxiproxy.proxy.Proxy(name=quote(name, safe=""), upstream="", enabled=True, listen="")

    @contextmanager
    def _changing(self, name: str) -> Iterator[_Wanted]:
        """One change of a proxy at a time. What is wanted is noted first: a call without an answer may take effect."""
        wanted = self._wanted.setdefault(name, _Wanted())
        with wanted.turn:
            yield wanted

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
        toxics=tuple(_toxic(toxic) for toxic in value["toxics"]),
    )


def _toxic(value: Mapping[str, Any]) -> Toxic:
    return Toxic(
        name=value["name"],
        kind=value["type"],
        direction=Direction(value["stream"]),
        toxicity=value["toxicity"],
        attributes=value["attributes"],
    )


def _same(found: Toxic, wanted: Toxic) -> bool:
    return (
        (found.kind, found.direction) == (wanted.kind, wanted.direction)
        and abs(found.toxicity - wanted.toxicity) < _TOXICITY_PRECISION
        and all(found.attributes.get(key) == value for key, value in wanted.attributes.items())
    )
