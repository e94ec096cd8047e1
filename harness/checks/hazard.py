"""What every hazard that is counted has in common: so many of it were there, or nothing was on trial.

A hazard that was missing makes a claim easy to keep. So its absence voids a success, and excuses no failure: unless the
claim is that something *happens* where the hazard is. Of that a target that was never hurt is not guilty either.
"""

from dataclasses import dataclass
from typing import ClassVar

from harness.checks import Missing
from harness.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """A part of an `Evidence`: whoever inherits it says what is counted, and looks for it.

    Attributes:
        at_least: How many there must have been.
        if_missing: BOTH where it is what makes something happen that must be seen to.
    """

    at_least: int = 1
    if_missing: Missing = Missing.VOIDS
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a hazard that is always there."""
        if self.at_least < 1:
            raise ConfigError(
                f"at_least must be at least 1, got {self.at_least}: {type(self).__name__} would hold without any, none "
                "at all would be enough."
            )
