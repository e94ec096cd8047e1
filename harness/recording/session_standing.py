"""What a session counts for, from its `session.json` and the runs beside it.

No session has a verdict by its runs alone: somebody has to have said what it was to hold. Whatever keeps that from
being known is told, and then the session is INCONCLUSIVE at best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RecordingError
from harness.recording.records import Verdict
from harness.recording.sessions import SessionInfo, Told, read_session

_VERDICTS = {
    0: Verdict.PASS,
    1: Verdict.FAIL,
}  # the exit codes of `drill`; every other says nothing of the target


@dataclass(frozen=True, kw_only=True)
class SessionStanding:
    """What a session counts for.

    Attributes:
        name: Its folder's.
        verdict: What its own word comes to; its runs may be worse.
        exit_code: What `drill` ended with, if that is known.
        doubts: What speaks against taking the session at its word.
        errors: What went wrong in it, as it says itself.
        skipped, left_out: What it did not hold, and did not want to.
        selected: What it was to hold.
        not_held: What of that came to no verdict.
        replay: The command that holds the same again.
    """

    name: str
    verdict: Verdict
    exit_code: int | None = None
    doubts: tuple[str, ...] = ()
    errors: tuple[Told, ...] = ()
    skipped: tuple[Told, ...] = ()
    left_out: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    replay: str = ""

    @property
    def troubles(self) -> dict[str, str]:
        """What keeps it from being PASS, by the scenario it happened to; "" for the session as a whole."""
        told: dict[str, list[str]] = {}
        for trouble in (*self.errors, *(Told(scenario="", told=doubt) for doubt in self.doubts)):
            told.setdefault(trouble.scenario, []).append(trouble.told)
        return {scenario: "\n".join(sentences) for scenario, sentences in told.items()}


def session_standing(folder: Path, runs: Sequence[Path]) -> SessionStanding:
    """Weigh a session by its file.

    Args:
        folder: Where it is.
        runs: The run directories that are there now.
    """
    name = folder.resolve().name
    try:
        info = read_session(folder)
    except RecordingError as error:
        return SessionStanding(name=name, verdict=Verdict.INCONCLUSIVE, doubts=(str(error),))
    return weighed(name, info, [run.name for run in runs])


def weighed(name: str, info: SessionInfo, there: Sequence[str]) -> SessionStanding:
    """Weigh a session by what it says of itself, and by the names of the runs that are there."""
    doubts = tuple(_doubts(info, there))
    verdict = _VERDICTS.get(-1 if info.exit_code is None else info.exit_code, Verdict.INCONCLUSIVE)
    return SessionStanding(
        name=name,
        verdict=Verdict.INCONCLUSIVE if doubts and verdict is Verdict.PASS else verdict,
        exit_code=info.exit_code,
        doubts=doubts,
        errors=info.errors,
        skipped=info.skipped,
        left_out=info.left_out,
        selected=info.selected,
        not_held=info.not_held,
        replay=info.replay,
    )


def told_together(sessions: Sequence[SessionStanding]) -> tuple[dict[str, str], dict[str, str]]:
    """What was skipped and what went wrong, by scenario; of several sessions each with its session's name before it."""
    skipped: dict[str, str] = {}
    troubles: dict[str, str] = {}
    for session in sessions:
        before = f"{session.name}: " if len(sessions) > 1 else ""
        skipped |= {f"{before}{skip.scenario}": skip.told for skip in session.skipped}
        for scenario, told in session.troubles.items():
            troubles[f"{before}{scenario}".removesuffix(": ")] = told
    return skipped, troubles


def _doubts(info: SessionInfo, there: Sequence[str]) -> list[str]:
    if info.exit_code is None:
        told = (
            "the session was begun and nobody said what it came to: it still goes on, was killed, or was held by plain "
            f"pytest, which does not reckon. It was to hold {', '.join(info.selected) or 'nothing'}."
        )
        return [told]
    doubts = []
    if gone := [name for name in info.runs if name not in there]:
        doubts.append(f"these of its runs are gone: {', '.join(gone)}.")
    if added := [name for name in there if name not in info.runs]:
        doubts.append(f"these runs were put there after it had ended: {', '.join(added)}.")
    if info.exit_code == 0 and (against := _against_a_pass(info)):
        doubts.append(f"it says that it ended with 0, and {against}.")
    return doubts


def _against_a_pass(info: SessionInfo) -> str:
    """What a session that passed cannot say of itself."""
    counting = [run for run in info.judged if not run.superseded]
    settled = {run.scenario for run in counting} | {skip.scenario for skip in info.skipped}
    if info.errors or info.not_held:
        return "that something went wrong"
    if not counting or any(run.verdict is not Verdict.PASS for run in counting):
        return "not that every run passed"
    if missing := [name for name in info.selected if name not in settled]:
        return f"nothing of {', '.join(missing)}"
    return ""
