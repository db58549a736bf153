"""What keeps a tenant's waiting events from being worked on now: the first of four that applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from infra.ops.lag.offsets import PartitionLag
from infra.ops.lag.owners import Owners

FRESH_SECONDS = 3.0
"""What came since then may not have reached its worker's last word: nothing is said yet of what limits it."""


class LimitedBy(StrEnum):
    """In the order in which they are looked for.

    HOLD: the lane is closed, or all that waits failed and waits for another try, or the tenant is disabled. PARTITION where nobody
    owns it: no worker runs, or the group is just sharing out anew. CAP: as many are in flight as the tenant may have at once; only
    a higher cap helps. SLOTS: the worker that owns it has all its slots busy; another worker may take tenants off it. Else
    PARTITION, too: its one worker has slots left, and yet doesn't start more, since the waiting ones are of tickets that are being
    worked on, or since it doesn't get to them; more workers don't help.
    """

    HOLD = "hold"
    CAP = "cap"
    SLOTS = "slots"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class Workers:
    """Of one stage. `owners` is None where the group didn't say. `busy` is by member how many events it works on."""

    owners: Owners | None
    busy: Mapping[str, int]
    slots: int

    @classmethod
    def of(cls, owners: Owners | None, partitions: Mapping[int, PartitionLag], slots: int) -> Workers:
        busy: dict[str, int] = {}
        for number, member in owners.of.items() if owners else ():
            at = partitions.get(number)
            busy[member] = busy.get(member, 0) + ((at.running if at else None) or 0)
        return cls(owners, busy, slots)

    def in_flight(self, number: int, at: PartitionLag) -> int | None:
        """What the partition's owner said last; None where nobody owns it or it said nothing. Never more than the lag, which may be
        of a later moment."""
        owned = self.owners is not None and number in self.owners.of
        return min(at.running, at.lag) if owned and at.running is not None else None


@dataclass(frozen=True, slots=True)
class Waits:
    """A tenant's at one stage. `oldest_seconds` None: not known."""

    number: int
    at: PartitionLag
    cap: int
    held: bool
    oldest_seconds: float | None


def limited_by(waits: Waits, workers: Workers) -> LimitedBy | None:
    """None where nothing waits, where it isn't known, or where what waits only just came."""
    owners, running = workers.owners, workers.in_flight(waits.number, waits.at)
    if waits.at.lag == 0:
        return None
    if waits.held:
        return LimitedBy.HOLD
    if owners is None or (waits.number in owners.of and running is None) or waits.at.lag == running:
        return None
    if running is None:
        return LimitedBy.PARTITION
    if running >= waits.cap:
        return LimitedBy.CAP
    if workers.busy[owners.of[waits.number]] >= workers.slots:
        return LimitedBy.SLOTS
    fresh = waits.oldest_seconds is None or waits.oldest_seconds < FRESH_SECONDS
    return None if fresh else LimitedBy.PARTITION
