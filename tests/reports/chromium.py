"""An installed Chromium, to look at pages as their readers do.

None is brought along: it is a hundred megabytes, and a machine without one can still run every other test.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "DRILLBOOK_CHROMIUM"  # names one; without it the usual names are looked for
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def installed() -> str:
    """Where Chromium is; "" if there is none."""
    named = os.environ.get(CHROMIUM)
    if named:
        found = shutil.which(named)
        assert found, f"{CHROMIUM} names {named}, which is no program"
        return found
    return next((path for name in _NAMES if (path := shutil.which(name))), "")


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with a new, empty profile. Without one the test is skipped with what to install."""
    path = installed()
    if not path:
        pytest.skip(
            f"no Chromium is installed: `apt-get install chromium` or the like, or name one with {CHROMIUM}"
        )
    sandbox = () if os.getuid() else ("--no-sandbox",)  # Chromium refuses to have one as root
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *sandbox])
        try:
            yield found
        finally:
            found.close()
