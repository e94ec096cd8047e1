"""Findings and the claims that they are about, brought together by the claim's id.

A count proves nothing: a finding of one claim that is there twice would stand for another that was never judged, and
that one may be the one that convicts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.recording.records import Finding, RunInfo

_AGAIN = "Judge the run again with `drill judge`."
_NAMED_MAX = 5


def unpaired(run: RunInfo, findings: Sequence[Finding]) -> tuple[str, ...]:
    """What does not fit between a run's claims and its findings; nothing if each claim has its one finding.

    Of a run without findings that is not told again: it has not been judged. Of one that carries no claims only what is
    there twice can be told.
    """
    if not findings:
        return ()
    claimed = Counter(_claim_id(claim, place) for place, claim in enumerate(run.claims, start=1))
    found = Counter(finding.claim for finding in findings)
    wrong = {
        "has no finding": [name for name in claimed if name not in found],
        "has more than one finding": [name for name, times in found.items() if times > 1],
        "has a finding and is no claim of this run": [
            name for name in found if claimed and name not in claimed
        ],
        "is claimed more than once": [name for name, times in claimed.items() if times > 1],
    }
    return tuple(
        f"{len(names)} of {len(claimed)} claims, by id: what {what} is {_listed(names)}. {_AGAIN}"
        if claimed
        else f"What {what} is {_listed(names)}. {_AGAIN}"
        for what, names in wrong.items()
        if names
    )


def _claim_id(claim: Mapping[str, Any], place: int) -> str:
    """Its id, as judging finds it: what cannot be read any more is called by its place."""
    fields = claim.get("fields", claim)
    found = fields.get("id") if isinstance(fields, Mapping) else None
    return str(found) if found else f"claim-{place}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return f"{', '.join(names[:_NAMED_MAX])}{more}"
