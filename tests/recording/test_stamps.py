"""A stamp means the same moment on every machine."""

import time
from collections.abc import Iterator

import pytest

from harness.recording.stamps import has_zone, wall_s

AT = 1_790_000_030.5


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/New_York"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine in some zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-09-21T14:13:50.5",
        "2026-09-21T14:13:50.500000Z",
        "2026-09-21T16:13:50.5+02:00",
        "2026-09-21T16:13:50.500000000+02:00[Europe/Berlin]",
        "2026-09-21T14:13:50.5Z[UTC]",
    ],
)
def test_a_stamp_is_the_same_moment_wherever_it_is_read(stamp: str, reader: str) -> None:
    assert wall_s(stamp) == pytest.approx(AT), reader


def test_a_stamp_says_whether_it_has_a_zone() -> None:
    assert not has_zone("2026-09-21T14:13:50")
    assert has_zone("2026-09-21T16:13:50+02:00[Europe/Berlin]")


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-13-01T00:00:00Z", "[Europe/Berlin]"])
def test_what_is_no_stamp_is_refused(stamp: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - in whatever words the library has for it
        wall_s(stamp)
