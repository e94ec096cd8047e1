"""What the scenarios of the sample shop share."""

import pytest

from harness.settings import Settings
from scenarios import profiles


@pytest.fixture
def profile(drill_settings: Settings) -> profiles.Profile:
    """How long things take in this session."""
    return profiles.profile(drill_settings.profile)
