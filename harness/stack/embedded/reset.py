"""Making a stack as it was when it had just been started, and proving it.

Drills share one warm stack, since starting one takes longer than many a drill. A drill that is judged on what
another one left behind would be worse than a slow one: what is there after the reset is compared with what was made.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.errors import StackError
from harness.stack import State
from harness.stack.embedded import contents
from harness.stack.embedded.assembly import TOXIPROXY
from harness.stack.target import POSTGRES, REDIS, Target

if TYPE_CHECKING:
    from harness.stack.embedded.stack import EmbeddedStack


def databases_as_made(stack: "EmbeddedStack", target: Target) -> dict[str, str]:
    """What the target's databases contain before its services write into them."""
    return contents.table_digests(target, stack.services[POSTGRES].address, suffix=contents.TEMPLATE_SUFFIX)


def topics_as_made(stack: "EmbeddedStack") -> dict[str, str]:
    """Which topics there are before anybody but us has made one."""
    return {f"topic {name}": "there" for name in stack.kafka_contents().topics()}


def make_as_new(stack: "EmbeddedStack", as_made: dict[str, str]) -> None:
    """Bring every server back, empty them, and start the target's services again.

    Args:
        stack: In whatever state a drill left it.
        as_made: What it contained when it had just been started.

    Raises:
        StackError: Something of an earlier drill is still there.
    """
    target = stack.target
    if target is None:
        raise StackError("this process only attached to the stack and cannot reset it")
    own = [service.name for service in target.services]
    # A fault that could not be healed in time is gone from here on. Its healer would start a service among databases
    # that are being made anew, and its promise, kept in the next drill, would heal that one.
    stack.supervisor.forget()
    _links_as_new(stack)
    with ThreadPoolExecutor(max_workers=len(stack.services)) as pool:
        list(
            pool.map(
                lambda name: _bring_back(stack, name), [name for name in stack.services if name not in own]
            )
        )
        list(pool.map(lambda name: _end(stack, name), own))
        for job in [pool.submit(_empty_kafka, stack, target), pool.submit(_empty_stores, stack, target)]:
            job.result()
        for name in own:
            shutil.rmtree(stack.supervisor.folder.work(name), ignore_errors=True)
        _prove(stack, target, as_made)
        stack.supervisor.forget()  # what was lost is back
        begun = [name for name in own if name not in target.spares]
        list(pool.map(lambda name: stack.services[name].start(), begun))


def _links_as_new(stack: "EmbeddedStack") -> None:
    """Every link enabled and without a toxic.

    Toxiproxy hangs as a whole while a single proxy is stuck, and a drill may have left it so, or paused, or dead. Then
    it is started again: nobody waits for an answer any more, so its connections may go.

    Raises:
        StackError: Not even a new Toxiproxy has them as they were made.
    """
    service = stack.services[TOXIPROXY]
    with suppress(StackError):  # then it is ended below
        service.resume()
    if service.state() is State.RUNNING and _links_reset(stack):
        return
    stack.narrator.step("Toxiproxy does not answer as it should: it is started again")
    service.kill()
    service.start()


def _links_reset(stack: "EmbeddedStack") -> bool:
    try:
        stack.toxiproxy.reset()
        there = stack.toxiproxy.proxies()
    except StackError:
        return False
    return all(there.get(link.proxy.name) == link.proxy for link in stack.links.values())


def _bring_back(stack: "EmbeddedStack", name: str) -> None:
    """A server that an earlier drill left paused or dead."""
    stack.services[name].resume()
    stack.services[name].start()


def _end(stack: "EmbeddedStack", name: str) -> None:
    """Stop a service of the target; by force if it does not want to, since nothing of it is kept."""
    service = stack.services[name]
    if service.state() is State.EXITED:  # a spare, perhaps, that nobody has ever started
        return
    service.resume()
    try:
        service.stop()
    except StackError:
        service.kill()


def _empty_kafka(stack: "EmbeddedStack", target: Target) -> None:
    if target.topics:
        kafka = stack.kafka_contents()
        kafka.empty()
        kafka.make(target.topics)


def _empty_stores(stack: "EmbeddedStack", target: Target) -> None:
    if target.databases:
        contents.remake_databases(target, stack.services[POSTGRES].address)
    if target.redis:
        contents.flush_redis(stack.services[REDIS].address)


def _prove(stack: "EmbeddedStack", target: Target, as_made: dict[str, str]) -> None:
    """Compare what is there with what was made, before any service runs again."""
    found: dict[str, str] = {}
    if target.databases:
        found |= contents.table_digests(target, stack.services[POSTGRES].address)
    if target.topics:
        kafka = stack.kafka_contents()
        found |= {f"topic {name}": "there" for name in kafka.topics()}
        found |= {f"group {name}": "there" for name in kafka.groups()}
    if target.redis and (keys := contents.redis_keys(stack.services[REDIS].address)):
        found["redis"] = f"{keys} keys"
    if left := contents.difference(as_made, found):
        raise StackError(
            f"the stack could not be made as new; this is not as it was: {left}. The next drill would be judged on "
            "what another one left behind. Please report this with the recording."
        )
