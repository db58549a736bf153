"""What a replay would do, counted by reading all of it; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from infra.ops.replay.request import ReplayRequest
from infra.ops.replay.selection import LeftAlone, Piece, Scope, Selection
from infra.ops.replay.spans import Spans
from schemas.topics import Stage
from sinks.postgres.replay_runs import Progress
from sinks.postgres.tenant_settings import TenantSettings

CALLS_THE_MODEL = frozenset({Stage.ENRICH, Stage.SYNTHESIZE})


@dataclass(slots=True)
class Counts:
    """`selected` = `to_replay` + `answered` + all `skipped`. `gone` tickets are in the window, but their events in the earlier
    stage's topic were deleted with age."""

    selected: int = 0
    to_replay: int = 0
    answered: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    gone: int = 0

    def add(self, piece: Piece) -> None:
        for one in piece.found:
            self.selected += 1
            if not isinstance(one, LeftAlone):
                self.to_replay += 1
            elif one.reason is None:
                self.answered += 1
            else:
                self.skipped[one.reason.value] += 1

    @classmethod
    def of(cls, progress: Progress) -> Counts:
        return cls(progress.selected, progress.replayed, progress.answered, Counter(progress.skipped))


@dataclass(frozen=True, slots=True)
class Plan:
    """By tenant, those without any event in the window left out."""

    request: ReplayRequest
    by_tenant: Mapping[str, Counts]

    @property
    def total(self) -> Counts:
        return added(self.by_tenant.values())

    @property
    def model_calls(self) -> int:
        """How often a model may be asked, which may cost money."""
        return self.total.to_replay if self.request.to in CALLS_THE_MODEL else 0


def added(counts: Iterable[Counts]) -> Counts:
    result = Counts()
    for one in counts:
        result.selected += one.selected
        result.to_replay += one.to_replay
        result.answered += one.answered
        result.skipped.update(one.skipped)
        result.gone += one.gone
    return result


async def scopes(request: ReplayRequest, tenants: Sequence[TenantSettings], spans: Spans) -> list[Scope]:
    """The window as offsets, one scope a tenant that has records in it. Raises KafkaSilent."""
    found = []
    for tenant in tenants:
        window = await spans.between(request.stage.consumes, tenant.partition, request.since, request.until)
        if window.end > window.first:
            source = await spans.all(request.to.consumes, tenant.partition) if request.from_further_up else window
            found.append(Scope(request, tenant.tenant_id, window, source))
    return found


async def plan(selections: Sequence[Selection], request: ReplayRequest) -> Plan:
    """Raises KafkaSilent, WrongRequest for a window with too many tickets, and what the database raises when it is away."""
    by_tenant: dict[str, Counts] = {}
    for selection in selections:
        counts = Counts()
        async for piece in selection.pieces():
            counts.add(piece)
        counts.gone = selection.gone
        selection.forget()  # there may be many tenants
        if counts.selected or counts.gone:
            by_tenant[selection.scope.tenant_id] = counts
    return Plan(request, by_tenant)
