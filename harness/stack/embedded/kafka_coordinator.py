"""Asking Kafka whether consumer groups can be joined, which is also what makes it choose who coordinates them.

Groups are kept in a topic of Kafka's own that is made when somebody asks for the first time, and then read by whoever
coordinates. A client that joins before is told to come again, and client libraries do so after one to three seconds.
The two questions are asked in Kafka's own words, because a library's would wait that long here, too.
"""

import struct
from contextlib import suppress

from harness.stack import Address
from harness.stack.kafka_wire import ask, text

QUESTION_TIMEOUT_S = 1.0
_FIND_COORDINATOR, _DESCRIBE_GROUPS = 10, 15
_VERSION = 0  # of both, because it has the fewest fields
_ANY_GROUP = (
    "drillbook"  # never joined; all groups have the same coordinator where their topic has one partition
)
_NO_ERROR = 0


def groups_can_be_joined(broker: Address) -> bool:
    """Ask once: a broker who coordinates, and then that one. False for every kind of no, refused connections included.

    Args:
        broker: Any one, at a listener whose advertised addresses can be reached.
    """
    with suppress(OSError, struct.error, ValueError):  # it hung up in the middle, or is no Kafka
        coordinator = named_in(_ask(broker, _FIND_COORDINATOR, text(_ANY_GROUP)))
        if coordinator is not None:
            groups = struct.pack(">i", 1) + text(_ANY_GROUP)
            return is_described(_ask(coordinator, _DESCRIBE_GROUPS, groups))
    return False


def named_in(answer: bytes) -> Address | None:
    """The coordinator that an answer to FindCoordinator names, or None.

    Raises:
        struct.error: It is cut off.
    """
    error, _, length = struct.unpack_from(">hih", answer)
    if error != _NO_ERROR:
        return None
    host, port = struct.unpack_from(f">{length}si", answer, struct.calcsize(">hih"))
    return Address(host.decode(), port)


def is_described(answer: bytes) -> bool:
    """Whether an answer to DescribeGroups, asked for one group, comes from a coordinator that has read its topic.

    That there is no such group is no error in this version.

    Raises:
        struct.error: It is cut off.
    """
    _, error = struct.unpack_from(">ih", answer)
    return bool(error == _NO_ERROR)


def _ask(broker: Address, key: int, body: bytes) -> bytes:
    return ask(broker, key, _VERSION, body, timeout_s=QUESTION_TIMEOUT_S)
