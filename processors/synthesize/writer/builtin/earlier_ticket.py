"""An earlier ticket's excerpt: what was reported, and what solved it. Lines `Resolution: …` and `Problem: …`, in any order."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LABEL = re.compile(
    r"^[ \t]*(?:\*\*)?(?P<label>resolution|solution|solved|lösung|problem|description|reported)[.:]+(?:\*\*)?[ \t]+",
    re.IGNORECASE | re.MULTILINE,
)
_SOLVED = ("resolution", "solution", "solved", "lösung")


@dataclass(frozen=True, slots=True)
class EarlierTicket:
    """`resolution` is empty if the excerpt doesn't say one."""

    reported: str
    resolution: str


def parsed(excerpt: str) -> EarlierTicket:
    reported, resolution, at = "", "", 0
    solves = False
    for match in [*_LABEL.finditer(excerpt), None]:
        text = excerpt[at : match.start() if match else len(excerpt)].strip()
        if solves:
            resolution = f"{resolution}\n{text}".strip()
        else:
            reported = f"{reported}\n{text}".strip()
        if match:
            solves, at = match["label"].lower() in _SOLVED, match.end()
    return EarlierTicket(reported, resolution)
