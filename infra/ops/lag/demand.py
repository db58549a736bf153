"""How many workers of a stage shorten somebody's wait: the one formula that the lag service and the simulation both use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

UTILISATION = 0.8
"""Of its slots a worker is meant to have busy: the rest takes what arrives until the next look."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one tenant wants of a stage: its events that aren't handled (waiting or in flight), at most `cap` of them at once. Of a
    held tenant only the next try counts: more workers wouldn't bring its desk back."""

    events: int
    cap: int
    held: bool = False

    @property
    def demand(self) -> int:
        """Slots that the tenant could use now."""
        return min(self.events, 1 if self.held else self.cap)


def desired_replicas(tenants: Iterable[Waiting], *, slots: int, minimum: int = 0) -> int:
    """Workers of `slots` slots each. Never more than there are partitions with lag, one a tenant, since one worker owns a tenant's
    partition; never fewer than `minimum`."""
    wanted = [tenant.demand for tenant in tenants if tenant.events > 0]
    return max(minimum, min(ceil(round(sum(wanted) / (UTILISATION * slots), 9)), len(wanted)))
