"""One measured figure beside the bound it was promised to keep, as a row of the table in docs/figures.md."""

from dataclasses import dataclass
from math import isinf
from statistics import median

import psutil

WATCHED_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        what: What was measured.
        wanted: The bound.
        least, most: The bound as numbers, in the unit of the values; both infinite where there is none.
        values: Every measurement.
        unit: Of the values.
        others_percent: Of the machine's processors, what others used just before the first measurement.
    """

    what: str
    wanted: str
    values: tuple[float, ...]
    unit: str
    others_percent: float
    most: float
    least: float = float("-inf")

    @property
    def kept(self) -> str:
        """Whether the bound holds: for the median, and for how many if not for all."""
        if isinf(self.least) and isinf(self.most):
            return "–"
        within = sum(self.least <= value <= self.most for value in self.values)
        word = "yes" if self.least <= median(self.values) <= self.most else "**no**"
        return word if within in {0, len(self.values)} else f"{word}, {within} of {len(self.values)}"

    @property
    def row(self) -> str:
        """As a line of a Markdown table."""
        spread = f"{min(self.values):.2f} to {max(self.values):.2f}" if len(self.values) > 1 else ""
        return (
            f"| {self.what} | {self.wanted} | {median(self.values):.2f} {self.unit} | {spread} | {len(self.values)} "
            f"| {self.others_percent:.0f} % | {self.kept} |"
        )


def others_percent() -> float:
    """How busy the machine is while nothing of ours runs, in percent of all its processors."""
    return psutil.cpu_percent(interval=WATCHED_S)
