"""What happens to a process: killed, stopped, restarted, frozen.

The runtime says what the machine says about the process. Where a link tells which protocol the service
speaks, it is also asked from outside, past every proxy: a process that is reported gone and still answers is
another process, and a frozen one must be silent.
"""

from dataclasses import dataclass

from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.errors import FaultError, NothingDoneError, StackError
from harness.faults import Effect
from harness.faults.links import ANSWER_WITHIN_S, fault_words
from harness.faults.round_trip import Ending, RoundTrips, listens, refusals, round_trips
from harness.stack import Service, Stack, State

_ASKED = 3
_SILENT_FOR_S = 0.5


def service_called(stack: Stack, name: str) -> Service:
    """A service by its name.

    Raises:
        FaultError: There is none.
    """
    try:
        return stack.services[name]
    except KeyError:
        raise FaultError(
            f"no service is called {name!r}, so there is nothing to hurt. There are "
            f"{', '.join(sorted(stack.services))}."
        ) from None


def _asked(stack: Stack, service: Service, timeout_s: float) -> RoundTrips | None:
    """Ask a service in the protocol its clients speak; None if nobody in the stack is its client."""
    protocol = next((link.protocol for link in stack.links.values() if link.server == service.name), None)
    if protocol is None:
        return None
    return round_trips(service.address, protocol, times=_ASKED, timeout_s=timeout_s, at_once=_ASKED)


def _gone(service: Service, verb: str, took_s: float) -> Effect:
    """See that a process is gone and that nobody else took its place."""
    state = service.state()
    refused = refusals(service.address, times=_ASKED, timeout_s=ANSWER_WITHIN_S)
    sentence = (
        f"{service.name} {verb} in {took_s:.2f} s: the machine says {state}, {refused} of {_ASKED} "
        f"connections to {service.address} were refused"
    )
    if state is not State.EXITED or listens(service.address, ANSWER_WITHIN_S):
        raise FaultError(f"{sentence}. Something still serves there, so the fault does not bite.")
    return Effect(sentence=sentence, seen=True, measured={"took_s": took_s, "refused": float(refused)})


def _running_again(stack: Stack, service: Service) -> Effect:
    """Start a service that has exited, and see that it serves. One that runs, or is paused, is left alone."""
    took_s = 0.0
    if service.state() is State.EXITED:
        began = SYSTEM_CLOCK.now_ns()
        with fault_words(f"{service.name} could not be started again"):
            service.start()
        took_s = (SYSTEM_CLOCK.now_ns() - began) / NS_PER_S
    state = service.state()
    if state is State.EXITED:
        raise FaultError(f"{service.name} was started again and has exited; see {service.log_path}")
    if state is State.PAUSED:
        return Effect(
            sentence=f"{service.name} is there, but paused by another fault", seen=False, hidden=True
        )
    answers = _asked(stack, service, ANSWER_WITHIN_S)
    if answers is None:
        serves, how = listens(service.address, ANSWER_WITHIN_S), f"{service.address} accepts connections"
    else:
        serves, how = answers.all_answered, f"{answers.endings()} at {service.address}"
    if not serves:
        return Effect(sentence=f"{service.name} runs but does not serve: {how}", seen=False)
    started = f"started again in {took_s:.2f} s" if took_s else "runs"
    return Effect(sentence=f"{service.name} {started}: {how}", seen=True, measured={"took_s": took_s})


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """A service that is down until it is healed."""

    service: str

    def lapsed(self, stack: Stack) -> str:
        """Whether somebody has started it again."""
        state = service_called(stack, self.service).state()
        return "" if state is State.EXITED else f"{self.service} was there again: the machine says {state}"

    def heal(self, stack: Stack) -> Effect:
        """Start it again if it has exited, and see that it serves. Safe twice and before `inject`.

        Raises:
            FaultError: It does not come back.
        """
        return _running_again(stack, service_called(stack, self.service))


def _still_there(stack: Stack, fault: "Killed | Stopped") -> Service:
    """The service that is to be ended; one that has ended already would be taken for the fault's effect."""
    service = service_called(stack, fault.service)
    if service.state() is State.EXITED:
        raise NothingDoneError(
            f"{fault.title}: {service.name} had ended before the fault began, so the fault did nothing. Is another "
            f"fault still active, or did it end by itself? See {service.log_path}."
        )
    return service


@dataclass(frozen=True, kw_only=True)
class Killed(_Ended):
    """A service's processes are gone at once (SIGKILL): nothing is flushed, nobody is told."""

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.service} killed"

    def inject(self, stack: Stack) -> Effect:
        """Kill it, and see it gone.

        Raises:
            FaultError: It is still there, or something else answers in its place.
        """
        service = _still_there(stack, self)
        began = SYSTEM_CLOCK.now_ns()
        with fault_words(self.title):
            service.kill()
        return _gone(service, "was killed", (SYSTEM_CLOCK.now_ns() - began) / NS_PER_S)


@dataclass(frozen=True, kw_only=True)
class Stopped(_Ended):
    """A service was asked to end (SIGTERM) and has: what was in flight is finished, peers are told."""

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.service} stopped"

    def inject(self, stack: Stack) -> Effect:
        """Ask it to end, and see it gone; how long it took is part of the effect.

        Raises:
            FaultError: It did not end within its stop time-out.
        """
        service = _still_there(stack, self)
        began = SYSTEM_CLOCK.now_ns()
        with fault_words(self.title):
            try:
                service.stop()
            except StackError:
                # It may end at any later moment, when it has been healed, too, and nobody would start it again.
                service.kill()
                raise
        return _gone(service, "stopped", (SYSTEM_CLOCK.now_ns() - began) / NS_PER_S)


@dataclass(frozen=True, kw_only=True)
class Restarted(_Ended):
    """A service goes and comes back, as in a deployment; `graceful` with SIGTERM, else with SIGKILL."""

    graceful: bool = True

    def lapsed(self, stack: Stack) -> str:
        """Nothing can be: it is over when it has been seen."""
        del stack
        return ""

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.service} restarted{'' if self.graceful else ' by force'}"

    def inject(self, stack: Stack) -> Effect:
        """End it, see it gone, start it, see it serve; the measured outage is between the two.

        Raises:
            FaultError: It did not end, or does not come back.
        """
        service = service_called(stack, self.service)
        ended: Effect = (Stopped if self.graceful else Killed)(service=self.service).inject(stack)
        down_since = SYSTEM_CLOCK.now_ns()
        back = _running_again(stack, service)
        if not back.seen:
            raise FaultError(f"{self.title}: {back.sentence}")
        down_s = (SYSTEM_CLOCK.now_ns() - down_since) / NS_PER_S
        return Effect(
            sentence=f"{ended.sentence}; it served again after {down_s:.2f} s",
            seen=True,
            measured={"ended_after_s": ended.measured["took_s"], "down_s": down_s},
        )


@dataclass(frozen=True, kw_only=True)
class Paused:
    """A service stands still (SIGSTOP), as in a long GC pause: connections stay open, nothing is answered."""

    service: str

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.service} paused"

    def inject(self, stack: Stack) -> Effect:
        """Pause it, and see that it is stopped and silent.

        Raises:
            FaultError: It runs on, something answers in its place, or it did not run before.
        """
        service = service_called(stack, self.service)
        if (before := service.state()) is not State.RUNNING:
            raise NothingDoneError(
                f"{self.title}: {service.name} was {before} before the fault began, so the fault did nothing. Is "
                f"another fault still active, or did it end by itself? See {service.log_path}."
            )
        with fault_words(self.title):
            service.pause()
        state = service.state()
        answers = _asked(stack, service, _SILENT_FOR_S)
        sentence = f"the machine says that {service.name} is {state}"
        if answers is not None:
            sentence += f"; of {_ASKED} questions {answers.endings()} for {_SILENT_FOR_S:g} s"
        silent = answers.count(Ending.SILENT) if answers is not None else 0
        # A process that stands still refuses nobody and hangs up on nobody: whoever does is another one.
        if state is not State.PAUSED or (answers is not None and silent < len(answers.each)):
            raise FaultError(f"{self.title}: {sentence}. The fault does not bite.")
        return Effect(sentence=sentence, seen=True, measured={"silent": float(silent)})

    def lapsed(self, stack: Stack) -> str:
        """Whether somebody has let it go on."""
        state = service_called(stack, self.service).state()
        return (
            ""
            if state is State.PAUSED
            else f"{self.service} was not paused any more: the machine says {state}"
        )

    def heal(self, stack: Stack) -> Effect:
        """Let it go on if it is paused, and see that it serves. Safe twice and before `inject`.

        Raises:
            FaultError: It is still paused.
        """
        service = service_called(stack, self.service)
        with fault_words(f"{self.service} could not be resumed"):
            service.resume()
        state = service.state()
        if state is State.PAUSED:
            raise FaultError(f"{self.service} was told to go on and is still paused")
        if state is State.EXITED:
            sentence = f"{self.service} is not paused any more: it has exited"
            return Effect(sentence=sentence, seen=False, hidden=True)
        return _running_again(stack, service)
