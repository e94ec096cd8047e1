"""What every pytest session in this repository shares: the plugin, and the order of tests.

The plugin is named here so that a checkout works without being installed. An installed copy has an entry
point of the same name, and pytest registers a name once.
"""

import pytest

pytest_plugins = ["harness.plugin"]

# Rising cost: what fails in milliseconds is told before the first server is started.
_COSTS = ("slow", "browser", "stack")


def _cost(item: pytest.Item) -> int:
    return max(
        (rank for rank, mark in enumerate(_COSTS, start=1) if item.get_closest_marker(mark)), default=0
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, then slow ones, then those that start a browser or real servers; otherwise the order stays."""
    items.sort(key=_cost)
