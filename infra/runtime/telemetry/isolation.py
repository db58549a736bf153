"""Data of one tenant met another's: the one place where every process says so. Each report is counted, logged as an error, and
handed on to who keeps it; the alert TenantIsolationViolation pages on the count.

Only what our own fault alone can bring about is reported, so that nobody outside can ring the pager: a record that one of our keys
signed and that names two tenants, a statement of ours that a policy refused, a row that a probe should not have seen. A record that
no key of ours signed is a dead letter and no more: anybody who may write to the topic can make one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import Counter

from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

MESSAGE = "Data of one tenant met another tenant's"
MAX_DETAIL_CHARACTERS = 300


class Kind(StrEnum):
    EVENT_FIELDS = "event_fields"  # value, header, key and partition of an event name different tenants
    NOTE_TENANT = "note_tenant"  # a note, its ticket and the desk's account are not of one tenant
    REFUSED_WRITE = "refused_write"  # a row-level security policy refused what a statement of ours would write
    PROBER = "prober"  # a probe saw a row that it must not see


@dataclass(frozen=True, slots=True)
class Violation:
    """`tenant_id` is whose data it is, as far as known, and `other` whom it met. `detail` holds no ticket's text."""

    kind: Kind
    tenant_id: str
    other: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


VIOLATIONS = Counter(
    "ticketstream_tenant_isolation_violations_total",
    "Times that data of one tenant met another tenant's, by how it was seen. Anything but 0 is an incident.",
    ["kind"],
)
for _kind in Kind:  # from the start, so that the first one is an increase
    VIOLATIONS.labels(_kind.value)

Subscriber = Callable[[Violation], None]
_subscribers: list[Subscriber] = []


@contextmanager
def subscribed(subscriber: Subscriber) -> Iterator[None]:
    """While the block lasts every violation of this process is handed to `subscriber`, which must return at once."""
    _subscribers.append(subscriber)
    try:
        yield
    finally:
        _subscribers.remove(subscriber)


def violation(kind: Kind, tenant_id: str, *, other: str = "", **detail: object) -> None:
    """Count, log and hand on. Never raises and never waits: whoever reports goes on refusing what it found."""
    VIOLATIONS.labels(kind.value).inc()
    shown = {name: str(value)[:MAX_DETAIL_CHARACTERS] for name, value in detail.items()}
    log.error(MESSAGE, kind=kind.value, tenant_id=tenant_id, other_tenant_id=other, **shown)
    for subscriber in tuple(_subscribers):
        try:
            subscriber(Violation(kind, tenant_id, other, shown))
        except Exception as error:
            log.error("A violation of tenant isolation was not handed on", kind=kind.value, error=repr(error))
