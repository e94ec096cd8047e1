"""Everything the load generator needs to know, as one JSON file."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import ConfigError
from harness.load.arrivals import Shape
from harness.recording.records import Stream


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """What is sent, when, where to, and where it is written down.

    Attributes:
        operation: `harness.load.operations.to_record` of it.
        shape: When.
        base_url: Where to, without a slash at the end.
        seed: Of the run.
        timeout_s: After which a client gives up and does not know.
        in_flight_max: Requests under way at most, as `in_flight_bound` says: when it is reached, the generator itself
            is the limit, and says so for each request it did not send.
        record: The file of the `operations` stream; "" for measuring what recording costs.
        control_port: Where the generator is steered.
        python_path: Folders to import the operation from.
    """

    operation: Mapping[str, Any]
    shape: Shape
    base_url: str
    seed: int
    timeout_s: float
    record: str
    control_port: int
    in_flight_max: int
    python_path: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a plan that could not be kept."""
        if not self.base_url.startswith(("http://", "https://")) or self.base_url.endswith("/"):
            raise ConfigError(
                f"base_url is http://HOST:PORT without a slash at the end, got {self.base_url!r}: paths are put "
                "behind it"
            )
        if self.record and Path(self.record).name != f"{Stream.OPERATIONS}.jsonl":
            raise ConfigError(
                f"record is the run directory's {Stream.OPERATIONS}.jsonl, got {self.record!r}: a history "
                "looks nowhere else"
            )
        if self.timeout_s <= 0 or self.in_flight_max < 1:
            raise ConfigError(
                f"timeout_s and in_flight_max must be above 0, got {self.timeout_s:g} and {self.in_flight_max}: no "
                "request could be waited for."
            )

    def to_json(self) -> str:
        """As the generator reads it."""
        return msgspec.json.encode(asdict(self)).decode()


def in_flight_bound(shape: Shape, *, timeout_s: float) -> int:
    """More requests than are ever under way at once, even if nobody answers.

    What left within the last time-out is under way, and everything before was given up. Twice as many, because a
    generator that was held up sends what is overdue all at once: held up for a whole time-out, it sends one more
    time-out's worth. When that is not enough, the load was not the one planned.
    """
    in_one_timeout = math.ceil(shape.peak_per_s * timeout_s)
    return max(
        1, min(shape.count, 2 * in_one_timeout + 1)
    )  # a stretch of time cuts one slot more than it holds


def read(path: Path) -> LoadPlan:
    """A plan from its file.

    Raises:
        ConfigError: It is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=LoadPlan)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path} is no load plan: {error}") from error
