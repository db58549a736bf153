"""What a replay is asked for: a stage and a time window, the tickets in it, and the stage that gets them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas.topics import Stage

FLOW = (Stage.ENRICH, Stage.SYNTHESIZE, Stage.DELIVER)
"""A ticket's way; feedback has one of its own."""


class WrongRequest(ValueError):
    """A replay that can't be: `what`, and what to ask for instead in `cure`."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}: {cure}")
        self.what, self.cure = what, cure


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """`since` ≤ the broker's time of a record in the input topic of `stage` < `until`. `to` gets the events again; where it comes
    before `stage`, it gets the newest event of its own input topic for each ticket that is found. `again` lets a ticket that
    has its note be answered once more. Raises WrongRequest."""

    stage: Stage
    to: Stage
    since: datetime
    until: datetime
    ticket_id: str | None = None
    again: bool = False

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise WrongRequest(
                f"--since {self.since.isoformat()} is not before --until {self.until.isoformat()}",
                "exchange them, or leave out --until for now",
            )
        if self.to is self.stage:
            return
        if Stage.FEEDBACK_AGGREGATE in (self.stage, self.to):
            raise WrongRequest(
                f"--to {self.to}: {self.stage} doesn't lead there", "leave out --to, feedback goes its own way"
            )
        if FLOW.index(self.to) > FLOW.index(self.stage):
            raise WrongRequest(
                f"--to {self.to} comes after --stage {self.stage}",
                f"a replay goes on from the stage or from an earlier one: {', '.join(FLOW[: FLOW.index(self.stage) + 1])}",
            )

    @property
    def from_further_up(self) -> bool:
        return self.to is not self.stage
