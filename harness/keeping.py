"""What a session came to, kept beside its runs; and how what breaks after a session is kept from hiding its verdict."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.console import complain, terminal
from harness.endings import show_traceback
from harness.errors import DrillError, ExitCode
from harness.outcome import SessionOutcome
from harness.recording.folders import runs_of
from harness.recording.session_standing import SessionStanding, weighed
from harness.recording.sessions import SESSION_FILE, JudgedRun, SessionInfo, Told, write_session


def kept(outcome: SessionOutcome) -> SessionOutcome:
    """Write `session.json`, by which a session has a verdict later; what it came to without the file is no PASS."""
    if outcome.recordings is None:  # no stack was up, so there is nothing that anybody could look at later
        return outcome
    with surviving(
        f"{SESSION_FILE} was not written, so nobody can tell later what this session came to"
    ) as broken:
        write_session(outcome.recordings, _info(outcome))
    return lessened(outcome, broken)


def standing_of(outcome: SessionOutcome) -> SessionStanding:
    """What a session counts for that has just ended, in the form in which it is read again later."""
    info = _info(outcome)
    return weighed(outcome.recordings.name if outcome.recordings else "drill", info, info.runs)


@contextmanager
def surviving(what: str) -> Iterator[list[str]]:
    """Tell loudly what went wrong inside, and let what comes after happen all the same; what was told."""
    told: list[str] = []
    try:
        yield told
    except Exception as error:  # noqa: BLE001 - a verdict must outlive a mistake in telling it
        ours = isinstance(error, DrillError)
        if not ours:
            show_traceback(error)
        reason = str(error) if ours else f"{type(error).__name__}: {error} (a mistake in drillbook itself)"
        told.append(f"{what}: {reason}")
        complain(terminal(), told[0])


def lessened(outcome: SessionOutcome, broken: Sequence[str]) -> SessionOutcome:
    """The same session, PASS no more if something broke that somebody counts on."""
    for told in broken:
        outcome = outcome.with_trouble(told, ExitCode.INCONCLUSIVE)
    return outcome


def _info(outcome: SessionOutcome) -> SessionInfo:
    runs = runs_of(outcome.recordings) if outcome.recordings else []
    return SessionInfo(
        selected=tuple(info.name for info in outcome.scenarios),
        left_out=outcome.left_out,
        replay=_utf8(outcome.replay),
        exit_code=int(outcome.code),
        runs=tuple(_utf8(run_dir.name) for run_dir in runs),
        judged=tuple(
            JudgedRun(
                run=_utf8(judgement.run_dir.name),
                scenario=judgement.scenario,
                verdict=judgement.verdict,
                superseded=judgement.superseded,
            )
            for judgement in outcome.judgements
        ),
        skipped=tuple(Told(scenario=name, told=_utf8(reason)) for name, reason in outcome.skipped),
        not_held=tuple(name for name, _ in outcome.not_held),
        errors=tuple(
            Told(scenario=trouble.scenario, told=_utf8(trouble.told)) for trouble in outcome.troubles
        ),
    )


def _utf8(text: str) -> str:
    """Text that JSON can hold: the name of a file may be no UTF-8."""
    return text.encode(errors="replace").decode()
