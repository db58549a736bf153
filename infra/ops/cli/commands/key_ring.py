"""`key rotate --ring`: what is stored moves to a ring's first key, tenant by tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.ops.cli.failure import Failure
from infra.ops.cli.output import Output

if TYPE_CHECKING:
    from infra.runtime.keys.rings import KeyRing
    from sinks.postgres.encrypted_columns import Moved

LINK_KEYS = "link_keys"
LINK_DAYS = 30
RINGS = ("webhook_keys", "credential_keys", LINK_KEYS)
TELL_EVERY = 100
SHOWN_UNREADABLE = 20


@dataclass(slots=True)
class RingReport:
    """`values` counts by column and key id. `unreadable` says which values the ring doesn't open."""

    ring: str
    key_ids: tuple[str, ...]
    moved: int = 0
    overtaken: int = 0
    unreadable: list[str] = field(default_factory=list)
    values: Counter[tuple[str, str]] = field(default_factory=Counter)

    def take(self, moved: Moved) -> None:
        self.moved += moved.moved
        self.overtaken += moved.overtaken
        self.unreadable += moved.unreadable

    @property
    def by_key(self) -> dict[str, int]:
        """Of the ring's keys, and of those that the ring lacks."""
        found = dict.fromkeys(self.key_ids, 0)
        for (_, key_id), number in self.values.items():
            found[key_id] = found.get(key_id, 0) + number
        return found

    @property
    def removable(self) -> list[str]:
        """The ring's keys that nothing needs; the first is needed in any case."""
        return [key_id for key_id in self.key_ids[1:] if not self.by_key[key_id]]

    @property
    def missing(self) -> list[str]:
        """Keys that values need and the ring lacks."""
        return sorted(key_id for key_id in self.by_key if key_id not in self.key_ids)

    def as_json(self) -> dict[str, Any]:
        columns: dict[str, dict[str, int]] = {}
        for (column, key_id), number in sorted(self.values.items()):
            columns.setdefault(column, {})[key_id] = number
        return {
            "ring": self.ring,
            "first": self.key_ids[0],
            "moved": self.moved,
            "overtaken": self.overtaken,
            "unreadable": self.unreadable,
            "by_key": self.by_key,
            "columns": columns,
            "removable": self.removable,
            "missing": self.missing,
        }


def rotate_ring(name: str, *, only_count: bool, reason: str, output: Output) -> int:
    """0, or 1 where values are left that the ring doesn't open."""
    from infra.ops.cli.database import ring
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings

    around = Surroundings.find()
    found = ring(around, name)
    if name == LINK_KEYS:
        return _tell_of_links(found, output)
    report = run_async(lambda: _rotated(name, found, only_count, reason, output))
    output.result(report.as_json(), lambda: _show(report, only_count, output))
    return 1 if report.unreadable or report.missing else 0


async def _rotated(name: str, ring: KeyRing, only_count: bool, reason: str, output: Output) -> RingReport:
    from infra.ops.cli.acting import acting
    from infra.ops.cli.surroundings import Surroundings
    from sinks.postgres.encrypted_columns import EncryptedValues, columns_of
    from sinks.postgres.tenant_directory import load_tenants

    report = RingReport(name, ring.key_ids)
    async with acting(Surroundings.find()) as at_work:
        at_work.need_engineer("key rotate --ring")
        if at_work.operator.tenants is not None:
            raise Failure("a ring is every tenant's", "ask somebody whose token is for all tenants")
        values = EncryptedValues(at_work.pool, columns_of(name))
        tenants = [tenant.tenant_id for tenant in await load_tenants(at_work.pool)]
        with _Progress(output, len(tenants)) as tell:
            for number, tenant_id in enumerate(tenants, 1):
                if not only_count:
                    report.take(await values.move(tenant_id, ring, at_work.operator.change(reason)))
                report.values.update(await values.by_key(tenant_id))
                tell(number, report)
    return report


class _Progress:
    """Says how far it is: on a terminal in a line that changes, elsewhere every 100 tenants."""

    def __init__(self, output: Output, tenants: int) -> None:
        self._output, self._tenants = output, tenants
        self._status: Any = output.status("Begins")

    def __enter__(self) -> Callable[[int, RingReport], None]:
        self._status.__enter__()
        return self._tell

    def __exit__(self, *error: object) -> None:
        self._status.__exit__(*error)

    def _tell(self, number: int, report: RingReport) -> None:
        line = f"{number} of {self._tenants} tenants, {report.moved} values moved"
        if hasattr(self._status, "update"):
            self._status.update(line)
        elif number % TELL_EVERY == 0:
            self._output.say(line)


def _show(report: RingReport, only_count: bool, output: Output) -> None:
    rows = [
        (key_id, number, "first, encrypts" if key_id == report.key_ids[0] else _word(key_id, report))
        for key_id, number in report.by_key.items()
    ]
    output.table(("key id", "values", ""), rows)
    if not only_count:
        output.say(f"{report.moved} values moved to {report.key_ids[0]}, {report.overtaken} were set anew meanwhile.")
    for line in report.unreadable[:SHOWN_UNREADABLE]:
        output.say(line)
    if len(report.unreadable) > SHOWN_UNREADABLE:
        output.say(f"… and {len(report.unreadable) - SHOWN_UNREADABLE} more; --json has them all")
    if report.removable:
        output.say(
            f"Nothing needs {', '.join(report.removable)} any more. Once every process runs with {report.key_ids[0]} as the "
            f"first key, take it out of TICKETSTREAM_{report.ring.upper()}."
        )


def _word(key_id: str, report: RingReport) -> str:
    if key_id in report.missing:
        return "not in the ring: add it, or set these secrets again"
    return "may be removed" if key_id in report.removable else "still needed: ticketstream key rotate --ring"


def _tell_of_links(ring: KeyRing, output: Output) -> int:
    """Links are in notes, not in the database: only time retires their key."""
    first, *others = ring.key_ids

    def show() -> None:
        output.say(
            f"New links are made with {first}. Nothing is stored with this ring: a link lives {LINK_DAYS} days in its note."
        )
        for key_id in others:
            output.say(
                f"Keep {key_id} for {LINK_DAYS} days after {first} came first at every deliver, then take it out."
            )

    output.result({"ring": LINK_KEYS, "first": first, "stored": False, "keep_days": LINK_DAYS, "others": others}, show)
    return 0
