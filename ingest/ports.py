"""What the edge needs from others. The real ones are chosen in `__main__`; `ingest.fakes` has one of each for tests."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from infra.runtime.keys.directory import ServiceKey
from ingest.source_address import Network
from schemas.topics import Topic


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """What the edge must know of a tenant. `secrets` are raw HMAC keys, any of them may have signed, `secret_ids` what uses of them
    are noted under, in the same places. `readable` is false when a stored secret couldn't be decrypted here, so that a failing
    signature may be our fault and not the sender's. From `bearer_from` a secret alone is enough (bearer mode); where it is empty,
    every webhook must be signed."""

    tenant_id: str
    partition: int
    enabled: bool
    rate_per_second: float
    burst: int
    secrets: tuple[bytes, ...]
    readable: bool = True
    secret_ids: tuple[str, ...] = ()
    bearer_from: tuple[Network, ...] = ()


class Tenants(Protocol):
    """The tenants as last seen, in memory."""

    @property
    def loaded(self) -> bool:
        """Whether they were read at least once since the process started."""

    @property
    def age_seconds(self) -> float:
        """Seconds since the source last said what is current; infinite before it ever did."""

    def get(self, tenant_id: str) -> TenantAccess | None: ...


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant as stored; `secrets` are ciphertexts, `secret_ids` their ids in the same places. `secret_due` is when the current
    one should be exchanged, in seconds since 1970."""

    tenant_id: str
    partition: int
    enabled: bool
    rate_per_second: float
    burst: int
    secrets: tuple[str, ...]
    secret_ids: tuple[str, ...] = ()
    secret_due: float | None = None
    bearer_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """`changes_in` seconds a secret begins or ceases to be valid without anybody writing a row; None if none does."""

    rows: Sequence[TenantRow]
    changes_in: float | None = None


class TenantSource(Protocol):
    """Where the tenants are kept. Both raise when it is away."""

    async def version(self) -> int:
        """Changes with every change of a tenant's settings or secrets."""

    async def load(self) -> TenantSnapshot: ...


class EventPublisher(Protocol):
    """`infra.runtime.kafka.publisher.Publisher`: returns when Kafka has acknowledged, raises PublishError if it doesn't."""

    def publish(
        self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None
    ) -> Awaitable[None]: ...


class Token(Protocol):
    """A bearer token that is valid now."""

    @property
    def token_id(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...
    @property
    def scopes(self) -> Sequence[str] | frozenset[str]: ...


class TokenCheck(Protocol):
    async def check(self, token: str) -> Token | None:
        """None for unknown, expired and revoked tokens. Raises when the store is away."""

    async def used_for_another(self, token: Token, named: str, where: str) -> None:
        """Audit, under the token's tenant, that it was used for the tenant `named`. Raises when the store is away."""


@dataclass(frozen=True, slots=True)
class Position:
    """An answer's place among a tenant's: two answers of the same time are told apart by their id."""

    submitted_at: datetime
    feedback_id: UUID


@dataclass(frozen=True, slots=True)
class FeedbackQuery:
    """Which answers of a tenant; `start` and `end` bound the time of submission, `end` excluded; those older than `after`."""

    ticket_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    limit: int = 500
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """Newest first: ticket_id, rating, feedback_type, comment, submitted_at. `last` is where the next page goes on; None where
    there is none."""

    rows: Sequence[Mapping[str, Any]]
    last: Position | None = None


class FeedbackReader(Protocol):
    """Both answer in what goes into JSON, and raise when the store is away."""

    async def answers(self, tenant_id: str, query: FeedbackQuery) -> FeedbackPage: ...

    async def stats(self, tenant_id: str, query: FeedbackQuery) -> Mapping[str, Any]:
        """total, average_rating, thumbs_up, thumbs_down."""


class KeySource(Protocol):
    async def load(self) -> Sequence[ServiceKey]:
        """Every service's public keys. Raises when the store is away."""
