"""What a seal is: the hash of an hour's entries, linked to the seal before, under a signature. Pure.

Format, version 1. An entry is the UTF-8 of a JSON object, its columns' names in alphabetical order, no blanks, times in RFC
3339 with microseconds and Z. `entries_hash` is SHA-256 over the entries in order of `audit_id`, each preceded by its length (4
bytes, big-endian). What is signed is a JSON object in the same form; a seal's `digest` is SHA-256 over it and the signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from infra.runtime.keys.signing import SigningKey, verifies
from schemas.times import rfc3339

VERSION = 1
FIRST = bytes(32)
"""`previous` of a tenant's first seal."""


class EntriesHash:
    """Of an hour's entries, which are given one after the other in order of `audit_id`."""

    def __init__(self, entries: Iterable[Mapping[str, Any]] = ()) -> None:
        self._hash = sha256()
        self.count = 0
        for entry in entries:
            self.add(entry)

    def add(self, entry: Mapping[str, Any]) -> None:
        data = _canonical({name: _plain(value) for name, value in entry.items()})
        self._hash.update(len(data).to_bytes(4, "big") + data)
        self.count += 1

    @property
    def value(self) -> bytes:
        return self._hash.digest()


@dataclass(frozen=True, slots=True)
class Seal:
    """`hour` is its beginning, in UTC. `previous` is the digest of the tenant's seal before, or 32 zeros."""

    tenant_id: str
    hour: datetime
    entries: int
    entries_hash: bytes
    previous: bytes
    sealed_at: datetime
    key_id: str
    signature: bytes = b""

    @classmethod
    def made(
        cls, key: SigningKey, hour: tuple[str, datetime], entries: EntriesHash, previous: bytes, at: datetime
    ) -> Seal:
        """Signed with the sealer's key. `hour` is whose and which."""
        unsigned = cls(*hour, entries.count, entries.value, previous, at, key.key_id)
        return cls(*hour, entries.count, entries.value, previous, at, key.key_id, key.sign(unsigned.message))

    @property
    def message(self) -> bytes:
        """What is signed."""
        fields = {"version": VERSION, "tenant_id": self.tenant_id, "hour": _plain(self.hour), "entries": self.entries}
        fields |= {"entries_hash": self.entries_hash.hex(), "previous": self.previous.hex()}
        return _canonical({**fields, "sealed_at": _plain(self.sealed_at), "key_id": self.key_id})

    @property
    def digest(self) -> bytes:
        return sha256(self.message + self.signature).digest()

    def signed_by(self, public_key: bytes) -> bool:
        return verifies(public_key, self.signature, self.message)

    def as_json(self) -> dict[str, Any]:
        """As it is logged: with this line alone the seal can be checked, and missed."""
        return {**orjson.loads(self.message), "signature": self.signature.hex(), "seal": self.digest.hex()}


def _plain(value: Any) -> Any:
    return rfc3339(value, "microseconds") if isinstance(value, datetime) else value


def _canonical(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
