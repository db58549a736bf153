"""What synthesize needs from outside: stored answers with their leases, what became of a ticket's content, tenants' choices.

Every method of a store raises what the database raises when it is away; the runner then holds the event.
"""

from __future__ import annotations

from typing import Protocol

from schemas.events import EnhancementSynthesized
from sinks.postgres.answers import Overtaken, Stored, Taken


class AnswerStore(Protocol):
    """One answer per tenant and input id, written once. A lease lasts 15 s unless renewed, so that a dead worker's inputs
    come free."""

    async def take(self, tenant_id: str, input_id: str, owner: str, ticket_id: str) -> Taken:
        """The stored answer; or the lease for `owner`, if it was free, run out or this owner's, and with it the newest content that
        was received of the ticket; or Busy."""

    async def renew(self, tenant_id: str, input_id: str, owner: str) -> bool:
        """Whether the lease was still this owner's; if so it lasts another 15 s."""

    async def store(
        self, tenant_id: str, input_id: str, owner: str, answer: str, written: EnhancementSynthesized | None = None
    ) -> str:
        """Keep the answer and end the lease. Returns the answer that is kept: the first one stored wins, whoever holds the
        lease, so that two owners after a lost lease still send the same. With `written` and in the same transaction,
        `Enhancements.synthesized` of it, if it is this answer that is kept."""

    async def keep(self, answer: str, written: EnhancementSynthesized) -> Stored | Overtaken:
        """Store the answer to `written.input_id` without a lease, for what cost nothing; whoever holds one goes on. Else as `store`
        with `written`, but where nothing is stored yet and the ticket says something else by now, nothing is stored and
        `Enhancements.superseded` noted down, all in one transaction."""

    async def release(self, tenant_id: str, input_id: str, owner: str) -> None:
        """End this owner's lease without an answer. Nothing happens if it isn't this owner's."""


class Enhancements(Protocol):
    """What became of a ticket's content, for support and reports. Every method may be repeated."""

    async def synthesized(self, event: EnhancementSynthesized) -> None: ...
    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        """Notes down that this content is dropped for the ticket's newest; false, and nothing noted, if it is the newest."""


class TenantChoices(Protocol):
    """What a tenant set that concerns writing."""

    @property
    def enhancement_timeout_seconds(self) -> int: ...
    @property
    def gpt4_model(self) -> str: ...
    @property
    def gpt4_temperature(self) -> float: ...
    @property
    def external_model(self) -> bool: ...
    @property
    def fallback_model(self) -> str: ...
    @property
    def fallback_builtin(self) -> bool: ...


class Tenants(Protocol):
    def of_tenant(self, tenant_id: str) -> TenantChoices | None:
        """The tenant's settings as last seen; None if it is unknown."""
