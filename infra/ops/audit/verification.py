"""Was the audit log changed? Its entries against their seals, the seals against each other and against those that were logged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.runtime.keys.audit_seal import FIRST, Seal
from infra.runtime.keys.directory import CLOCK_SKEW, ServiceKey
from schemas.times import rfc3339
from sinks.postgres.audit_seals import HOUR, Hour

SERVICE = "sealer"
ENTRIES_KEPT = timedelta(days=90)
SEALS_KEPT = timedelta(days=400)
SEALED_WITHIN = timedelta(hours=1)
"""After its end an hour is sealed within minutes; one that isn't by then says that the sealer doesn't run."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`hour` is where it shows."""

    tenant_id: str
    hour: datetime
    what: str

    def as_json(self) -> dict[str, str]:
        return {"tenant_id": self.tenant_id, "hour": rfc3339(self.hour, "minutes"), "what": self.what}


@dataclass(frozen=True, slots=True)
class Chain:
    """What the database has of one tenant, and the digests of its seals that were logged, by hour."""

    tenant_id: str
    seals: Sequence[Seal]
    hours: Sequence[Hour]
    logged: Mapping[datetime, bytes]


def verify(chain: Chain, keys: Sequence[ServiceKey], now: datetime) -> list[Problem]:
    """What is wrong, oldest first; empty when nothing is."""
    found = [*_seals_wrong(chain, keys, now), *_entries_wrong(chain, now), *_logged_wrong(chain, now)]
    return sorted((Problem(chain.tenant_id, hour, what) for hour, what in found), key=lambda problem: problem.hour)


def _seals_wrong(chain: Chain, keys: Sequence[ServiceKey], now: datetime) -> Iterable[tuple[datetime, str]]:
    previous: bytes | None = None
    for seal in chain.seals:
        if wrong := _signature_wrong(seal, keys):
            yield seal.hour, wrong
        if previous is None:  # the oldest there is
            aged_out = seal.hour < now - SEALS_KEPT + timedelta(days=2)
            if seal.previous != FIRST and not aged_out:
                yield seal.hour, "the seals before this one are gone"
        elif seal.previous != previous:
            yield seal.hour, "the seal doesn't link to the one before: a seal was removed or changed"
        previous = seal.digest


def _signature_wrong(seal: Seal, keys: Sequence[ServiceKey]) -> str | None:
    key = next((key for key in keys if key.key_id == seal.key_id and key.service == SERVICE), None)
    if key is None:
        return f"the seal is signed with {seal.key_id}, which is no key of the sealer's"
    if key.revoked_at is not None:
        return f"the seal is signed with {seal.key_id}, which is revoked"
    if seal.sealed_at < key.not_before - CLOCK_SKEW or (key.not_after and seal.sealed_at > key.not_after + CLOCK_SKEW):
        return f"the seal is signed with {seal.key_id} outside that key's time"
    return None if seal.signed_by(key.public_key) else "the seal's signature is wrong: it was changed or forged"


def _entries_wrong(chain: Chain, now: datetime) -> Iterable[tuple[datetime, str]]:
    sealed, there = {seal.hour: seal for seal in chain.seals}, {hour.hour: hour for hour in chain.hours}
    for hour, seal in sealed.items():
        entries = there.get(hour)
        if entries is None:
            if hour + HOUR > now - ENTRIES_KEPT:
                yield hour, f"all {seal.entries} entries are gone"
        elif entries.entries_hash != seal.entries_hash:
            yield hour, f"the entries were changed: {entries.entries} are there, {seal.entries} were sealed"
    last = max(sealed, default=None)
    for hour in there:
        if hour in sealed or hour + HOUR + SEALED_WITHIN > now:
            continue
        behind = last is not None and hour < last
        yield (
            hour,
            "entries in an hour that had none when it was sealed" if behind else "not sealed: does the sealer run?",
        )


def _logged_wrong(chain: Chain, now: datetime) -> Iterable[tuple[datetime, str]]:
    kept = {seal.hour: seal.digest for seal in chain.seals}
    for hour, digest in chain.logged.items():
        if kept.get(hour) != digest and hour > now - SEALS_KEPT:
            yield (
                hour,
                "the seal that was logged is another one" if hour in kept else "the seal that was logged is gone",
            )
