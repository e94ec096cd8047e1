"""A service gets more instances, as an operator or an autoscaler gives it: the guide's first remedy for lag and load.

That a process runs says nothing. A consumer that was assigned no partition and a gateway that the balancer has not
found yet run as well, and change nothing. So each new instance must be seen at work, by the metric in which it counts
what it does itself.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from harness.clock import NS_PER_S, SYSTEM_CLOCK, wait_until
from harness.errors import ConfigError, DeadlineError, FaultError, NothingDoneError, ProbeError, StackError
from harness.faults import Effect
from harness.faults.links import ANSWER_WITHIN_S, fault_words
from harness.faults.processes import service_called
from harness.faults.round_trip import listens
from harness.probes.actuator import ActuatorMetric
from harness.stack import Service, Stack, State

_AT_WORK_WITHIN_S = 20.0
_LOOK_TIMEOUT_S = 2.0
_LOOK_EVERY_S = 0.1
_COUNTS = ("COUNT", "VALUE")  # Micrometer's names for how often, and for how much


@dataclass(frozen=True, kw_only=True)
class ScaledOut:
    """Spare instances of a service are started, and each takes its part of the work until it is healed.

    Attributes:
        service: What they are instances of, for people.
        instances: The spares, by name (`AppService.spare`).
        work: The metric in which an instance counts what it does, by its name in `/actuator/metrics`.
        tags: Which series of it: what the balancer's own health checks add to is no work.
    """

    service: str
    instances: tuple[str, ...]
    work: str
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Accept what a record holds, and refuse to scale out by nothing."""
        object.__setattr__(self, "instances", tuple(self.instances))
        if not self.instances or len(set(self.instances)) < len(self.instances):
            raise ConfigError(
                f"instances must name at least one spare, each once, got {self.instances}: {self.service} would stay "
                "as it is. Name services that the target declares with spare=True."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.service} scaled out by {len(self.instances)}"

    def inject(self, stack: Stack) -> Effect:
        """Start them, and see each of them at work.

        Raises:
            FaultError: One does not come up, or has nothing to do.
        """
        spares = [service_called(stack, name) for name in self.instances]
        for spare in spares:
            if (state := spare.state()) is not State.EXITED:
                raise NothingDoneError(
                    f"{self.title}: {spare.name} was {state} before the fault began, so the fault did nothing. Is it "
                    "declared as a spare, and does no other fault start it?"
                )
        began_ns = SYSTEM_CLOCK.now_ns()
        with fault_words(self.title), ThreadPoolExecutor(max_workers=len(spares)) as pool:
            list(pool.map(lambda spare: spare.start(), spares))
        serve_after_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
        done = self._await_work(stack)
        work_after_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
        each = ", ".join(f"{name} {count:g}" for name, count in done.items())
        return Effect(
            sentence=(
                f"{len(spares)} more served after {serve_after_s:.2f} s, and all had work after {work_after_s:.2f} s; "
                f"{self.work}: {each}"
            ),
            seen=True,
            measured={
                "instances": float(len(spares)),
                "serve_after_s": serve_after_s,
                "work_after_s": work_after_s,
            },
        )

    def lapsed(self, stack: Stack) -> str:
        """Whether one of them has ended or stands still."""
        states = {name: service_called(stack, name).state() for name in self.instances}
        return "; ".join(
            f"{name} was {state}" for name, state in states.items() if state is not State.RUNNING
        )

    def heal(self, stack: Stack) -> Effect:
        """Ask them to end, and see them gone. Safe twice and before `inject`.

        Raises:
            FaultError: One is still there.
        """
        began_ns = SYSTEM_CLOCK.now_ns()
        spares = [service_called(stack, name) for name in self.instances]
        with (
            fault_words(f"{self.title} could not be undone"),
            ThreadPoolExecutor(max_workers=len(spares)) as pool,
        ):
            list(pool.map(_end, spares))
        left = [
            spare.name
            for spare in spares
            if spare.state() is not State.EXITED or listens(spare.address, ANSWER_WITHIN_S)
        ]
        if left:
            raise FaultError(f"{self.title}: {', '.join(left)} is still there after it was ended")
        took_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
        return Effect(
            sentence=f"{', '.join(self.instances)} had ended after {took_s:.2f} s",
            seen=True,
            measured={"took_s": took_s},
        )

    def _await_work(self, stack: Stack) -> dict[str, float]:
        """What each has done, once each has done something."""
        found = dict.fromkeys(self.instances, 0.0)

        def all_work() -> bool:
            for name in self.instances:
                with suppress(ProbeError):  # busy with its first requests: it is asked again
                    found[name] = self._done(stack, name)
            return all(found.values())

        try:
            wait_until(
                all_work, within_s=_AT_WORK_WITHIN_S, what="each instance at work", every_s=_LOOK_EVERY_S
            )
        except DeadlineError as error:
            idle = [name for name, count in found.items() if not count]
            raise FaultError(
                f"{self.title}: {', '.join(idle)} runs and has nothing to do: {self.work} stayed at 0 for "
                f"{_AT_WORK_WITHIN_S:g} s. Is there load, and a partition or a balancer's turn for each?"
            ) from error
        return found

    def _done(self, stack: Stack, name: str) -> float:
        metric = ActuatorMetric(name=self.title, service=name, metric=self.work, tags=self.tags)
        read = metric.read(stack, timeout_s=_LOOK_TIMEOUT_S)
        counts = [read.get(name) for name in _COUNTS] if isinstance(read, dict) else []
        return max((float(count) for count in counts if isinstance(count, int | float)), default=0.0)


def _end(spare: Service) -> None:
    """In good order, so that a group is told and requests are answered; by force if it does not want to."""
    if spare.state() is State.EXITED:
        return
    spare.resume()
    try:
        spare.stop()
    except StackError:
        spare.kill()
