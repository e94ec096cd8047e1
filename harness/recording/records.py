"""The lines of a recording: one frozen record per thing that happened.

A run directory is append-only and format-versioned. All times are monotonic nanoseconds (`*_ns`); the wall clock
appears in `run.json`, and in the machine's heartbeat to tell whether it was set meanwhile. A field is never renamed
within a format version: old runs are judged again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FORMAT_VERSION = 1
# How the `error` of an operation begins that the generator itself did not send. It is no doing of the target's.
NOT_SENT = "not sent: "


class Stream(StrEnum):
    """The files of a run directory, each `<name>.jsonl`, one JSON object a line."""

    OPERATIONS = "operations"
    PHASES = "phases"
    FAULTS = "faults"
    READINGS = "readings"
    METRICS = "metrics"
    SPANS = "spans"
    LOGS = "logs"
    MACHINE = "machine"
    DISK = "disk"
    FINDINGS = "findings"


class Phase(StrEnum):
    """The five parts of a drill, in this order.

    warm-up is not judged; steady proves that the target was well; in impact it is hurt; in heal the fault
    is gone and load goes on; in converge load has stopped and everything left must settle.
    """

    WARM_UP = "warm-up"
    STEADY = "steady"
    IMPACT = "impact"
    HEAL = "heal"
    CONVERGE = "converge"


class Outcome(StrEnum):
    """How an operation ended, as far as the client can know."""

    OK = "ok"
    REJECTED = "rejected"  # certainly did not happen
    UNKNOWN = "unknown"  # no answer: it may have happened, or still may


class Verdict(StrEnum):
    """What is concluded. Ordered by badness: the worst part decides."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"

    @property
    def badness(self) -> int:
        """0 for PASS, 1 for INCONCLUSIVE, 2 for FAIL."""
        return [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL].index(self)


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A line of `operations`, on disk before the request leaves.

    Attributes:
        id: Counts from 0 within the run.
        name: Which operation: "place_order".
        key: What the target knows it by (here an order id chosen by the client), to find its effects.
        intended_ns: When the schedule wanted it to start. Latency is counted from here, or a slow
            target would hide its slowness by holding the generator back.
        sent_ns: When the request left. `sent_ns - intended_ns` is the generator's own lateness.
        detail: What was asked for, as far as checkers need it.
    """

    id: int
    name: str
    key: str
    intended_ns: int
    sent_ns: int
    detail: Mapping[str, Any] = field(default_factory=dict)
    e: str = "intent"


@dataclass(frozen=True, kw_only=True)
class Done:
    """A line of `operations`: how the operation `id` ended.

    Attributes:
        status: The HTTP status, or 0 if there was no answer.
        error: What went wrong on the wire, or "".
        result: What the answer said, as far as checkers need it.
    """

    id: int
    done_ns: int
    outcome: Outcome
    status: int
    error: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    e: str = "done"


@dataclass(frozen=True, kw_only=True)
class PhaseStarted:
    """A line of `phases`. The last line has the phase "end"."""

    phase: str
    at_ns: int


class FaultStage(StrEnum):
    """How far a fault has come. `REQUESTED` without `ACTIVE` means that it did not bite.

    `LAPSED` means that its effect was gone before it was to be healed.
    """

    REQUESTED = "requested"
    ACTIVE = "active"
    LAPSED = "lapsed"
    HEALING = "healing"
    HEALED = "healed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class FaultNoted:
    """A line of `faults`.

    Attributes:
        number: Counts the run's faults from 0.
        fault: `harness.faults.to_record` of it.
        sentence: The effect's sentence (active, healed), the error's (failed), or what was gone (lapsed).
        measured: The effect's figures.
    """

    number: int
    stage: FaultStage
    at_ns: int
    title: str
    fault: Mapping[str, Any]
    sentence: str = ""
    seen: bool = False
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A line of `readings`: what one probe saw.

    Attributes:
        probe: The probe's name.
        at_ns: When it started to look.
        took_ns: How long that took. What was seen was true at some moment within.
        final: Whether this is the reading after everything had its time to settle.
        value: What it saw, any JSON; None together with `error` if it could not look.
        error: Why it could not look, or "".
    """

    probe: str
    at_ns: int
    took_ns: int
    value: Any
    final: bool = False
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Stall:
    """A line of `machine` or `disk`: a heartbeat that came late because the machine did not let it, or its disk.

    The machine's asks to be woken every `every_ms`; `late_ms` is how much later than that it was. The disk's puts a few
    bytes there every `every_ms`; `late_ms` is how long that took. Lines with `late_ms` 0 are written once a second, to
    prove that somebody was looking.

    Attributes:
        wall_ns: The wall clock at `at_ns`, of the machine: whoever sets it moves what a target wrote down by it. 0 in
            older runs.
    """

    at_ns: int
    every_ms: float
    late_ms: float
    wall_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line of `findings`: what was concluded about one claim, and why.

    Attributes:
        claim: The claim's id.
        sentence: The claim, for people.
        source: The heading of the guide, or "universal".
        verdict: What is concluded.
        because: One sentence with the figures that decided.
        evidence: One sentence for each condition under which the claim counts, with what was seen.
        precision: How precisely the quoted figures were measured, or "".
        examples: Keys or lines that a reader can look up, at most 20.
    """

    claim: str
    sentence: str
    source: str
    verdict: Verdict
    because: str
    evidence: tuple[str, ...] = ()
    precision: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """`run.json`: what was run, well enough to run it again.

    Attributes:
        claims: The claims as data (`harness.checks.to_record`), so that a run can be judged again.
        anchor_wall_ns, anchor_ns: The same moment on the wall clock and on the monotonic clock.
        replay: The command that runs the same drill again.
        ended: Empty while running; then "completed", "aborted: …" or "interrupted".
        promised: What the scenario planned: `phases` (when each begins, in s from the first request), `load_s` and
            `converge_s`, `rate_per_s` and, where it was another, `impact_rate_per_s`, and `faults` (each its `title`,
            `at_s` into impact, `seconds` that it is there).
        versions: Of drillbook, Python and every server.
        lines: How many lines each stream had when the run ended, so that a lost one is missed.
        digests: SHA-256 of each stream when the run ended, so that a changed one is noticed. Empty in older runs.
        supersedes: The folder beside this one of an INCONCLUSIVE run that this run repeats, or "".
    """

    run_id: str
    scenario: str
    title: str
    seed: int
    profile: str
    runtime: str
    target: str
    variants: tuple[str, ...]
    anchor_wall_ns: int
    anchor_ns: int
    replay: str
    promised: Mapping[str, Any]
    claims: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    ended: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    supersedes: str = ""
    format_version: int = FORMAT_VERSION
