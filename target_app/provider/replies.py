"""How the provider shall answer charges: the control a sandbox account of a real provider offers.

A mode may apply to a share of the keys only. Which keys is decided by a hash of seed and key, so that a key
meets the same fate on every attempt and a drill can be repeated.
"""

import hashlib
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Mode(StrEnum):
    """What happens to a charge."""

    NORMAL = "normal"
    REFUSE = "refuse"  # 402 for every card
    ERROR = "error"  # 500, nothing charged
    STALL = "stall"  # nothing charged, nothing answered
    LATE = "late"  # charged at once, answered after `delay_s`
    TWICE = "twice"  # charged once and answered; the notification is delivered twice besides


class Replies(BaseModel):
    """The present orders to the provider."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Mode.NORMAL
    delay_s: float = Field(default=0.0, ge=0, le=3600)
    share: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0

    def mode_for(self, key: str) -> Mode:
        """What happens to the charge with this key."""
        if self.share >= 1.0:
            return self.mode
        digest = hashlib.sha256(f"{self.seed}:{key}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        return self.mode if drawn < self.share else Mode.NORMAL
