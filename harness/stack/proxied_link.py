"""A link of any runtime: one proxy of one Toxiproxy server, and what is done when that proxy hangs.

Healed beats untouched: a proxy that stays stuck is made anew, which drops its connections. What other faults have put
on it is put on it again.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import RLock

from harness.clock import wait_until
from harness.errors import DeadlineError
from harness.stack import Address, Toxic, WireProtocol
from harness.stack.toxiproxy import ProxyInfo, ToxiproxyClient
from harness.stack.toxiproxy_transport import ControlPlaneHangs


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
    turn: AbstractContextManager[object] = field(default_factory=RLock, compare=False, repr=False)

    def add(self, toxic: Toxic) -> None:
        """Add a toxic, replacing one of the same name."""
        self.api.put_toxic(self.proxy.name, toxic)

    def remove(self, toxic_name: str) -> None:
        """Remove a toxic. Does nothing if there is none of that name.

        If the call hangs, it is waited for: Toxiproxy often is only slow. If the proxy stays stuck it is made anew with
        what other faults have on it (`replace_proxy`), which drops its connections: healed beats untouched.
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
