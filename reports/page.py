"""What the page of a run says, put together from its recording alone."""

from dataclasses import dataclass
from pathlib import Path

from harness.recording.history import History
from harness.recording.records import Phase, Verdict
from harness.recording.rundir import read_findings
from reports.claims import Heading, headings, shared_evidence
from reports.facts import Fact, Part, configuration, facts, started, versions
from reports.standing import Standing, standing_of
from reports.summary import Summary, summary_of
from reports.text import plain
from reports.timeline import Timeline, timeline_of
from reports.trails import Operations, operations_shown


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page of one run, in the order in which it is read.

    Attributes:
        name: The folder of the run.
        holds: How many of its claims hold.
    """

    name: str
    scenario: str
    title: str
    started: str
    seconds: float
    holds: int
    claims: int
    variants: tuple[str, ...]
    standing: Standing
    summary: Summary
    timeline: Timeline
    shared: tuple[str, ...]
    headings: tuple[Heading, ...]
    operations: Operations
    replay: str
    facts: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    configuration: tuple[Part, ...]


def page_of(run_dir: Path) -> Page:
    """Read a run and say what there is to say.

    Raises:
        RecordingError: It cannot be read.
    """
    history = History.load(run_dir)
    findings = read_findings(run_dir)
    standing = standing_of(history, findings)
    timeline = timeline_of(history)
    operations = operations_shown(history, findings, timeline.axis)
    spans = [span for phase in Phase if (span := history.phase(phase))]
    return Page(
        name=plain(run_dir.name),
        scenario=plain(history.run.scenario),
        title=plain(history.run.title, 1000),
        started=started(history.run),
        seconds=sum(span.seconds for span in spans),
        holds=sum(finding.verdict is Verdict.PASS for finding in findings),
        claims=len(findings),
        variants=tuple(plain(name) for name in history.run.variants),
        standing=standing,
        summary=summary_of(history, findings, standing, timeline.axis),
        timeline=timeline,
        shared=tuple(plain(line, 1000) for line in shared_evidence(findings)),
        headings=headings(findings, operations.anchors),
        operations=operations,
        replay=plain(history.run.replay, 1000),
        facts=facts(history),
        versions=versions(history),
        configuration=configuration(history),
    )
