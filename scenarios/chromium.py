"""An installed Chromium, to look at pages as their readers do and to measure how soon they see them.

None is brought along: it is a hundred megabytes, and a machine without one can still do everything else.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from harness.errors import ConfigError

CHROMIUM = "DRILLBOOK_CHROMIUM"  # names one; without it the usual names are looked for
NONE = f"no Chromium is installed: `apt-get install chromium` or the like, or name one with {CHROMIUM}"
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
    """Where Chromium is; "" if there is none.

    Raises:
        ConfigError: The one that is named is not there: then nobody should be content without it.
    """
    if named := os.environ.get(CHROMIUM):
        found = shutil.which(named)
        if not found:
            raise ConfigError(
                f"{CHROMIUM} names {named}, which is no program. Name one that is, or unset it."
            )
        return found
    return next((path for name in _NAMES if (path := shutil.which(name))), "")


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """That Chromium, with a new and empty profile."""
    sandbox = () if os.getuid() else ("--no-sandbox",)  # Chromium refuses to have one as root
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *sandbox])
        try:
            yield found
        finally:
            found.close()
