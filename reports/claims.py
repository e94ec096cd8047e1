"""Claims as a page shows them: by the heading they come from, each with what it rests on and what to look at.

What every claim rests on is told once. Repeated under each of twenty claims, it would hide what is special to one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.recording.records import Finding, Verdict
from reports.summary import MISSING, UNIVERSAL
from reports.text import plain


@dataclass(frozen=True, kw_only=True)
class ClaimShown:
    """A finding.

    Attributes:
        examples: What to look at, each with the anchor of its operation on the page or "".
        opened: Whether it is shown in full at once: what did not hold, and what the scenario is for.
    """

    verdict: str
    name: str
    sentence: str
    because: str
    precision: str
    evidence: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]
    opened: bool


@dataclass(frozen=True, kw_only=True)
class Heading:
    """The claims of one heading of the guide."""

    title: str
    claims: tuple[ClaimShown, ...]


def shared_evidence(findings: Sequence[Finding]) -> tuple[str, ...]:
    """What every claim of a run rests on."""
    if len(findings) < 2:
        return ()
    everywhere = set[str].intersection(*(set(finding.evidence) for finding in findings))
    return tuple(line for line in findings[0].evidence if line in everywhere)


def headings(findings: Sequence[Finding], anchors: Mapping[str, str]) -> tuple[Heading, ...]:
    """The claims by their source, those of the guide before those of every run; the worst first."""
    shared = set(shared_evidence(findings))
    sources = sorted(dict.fromkeys(finding.source for finding in findings), key=UNIVERSAL.__eq__)
    return tuple(
        Heading(
            title="What must hold of every run" if source == UNIVERSAL else f"Guide: {plain(source)}",
            claims=tuple(
                _shown(finding, shared, anchors)
                for finding in sorted(findings, key=lambda found: -found.verdict.badness)
                if finding.source == source
            ),
        )
        for source in sources
    )


def _shown(finding: Finding, shared: set[str], anchors: Mapping[str, str]) -> ClaimShown:
    evidence = [line for line in finding.evidence if line not in shared or line.startswith(MISSING)]
    return ClaimShown(
        verdict=finding.verdict.value,
        name=plain(finding.claim),
        sentence=plain(finding.sentence),
        because=plain(finding.because, 2000),
        precision=plain(finding.precision),
        evidence=tuple(
            plain(line, 1000) for line in sorted(evidence, key=lambda line: not line.startswith(MISSING))
        ),
        examples=tuple((plain(text), anchors.get(text, "")) for text in finding.examples),
        opened=finding.verdict is not Verdict.PASS or finding.source != UNIVERSAL,
    )
