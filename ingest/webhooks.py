"""POST /api/v1/webhooks/{tenant_id}: checked in the contracts' order, published, acknowledged.

The body is read first, since its size is the first check; nothing of it is believed before its signature is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from aiohttp import web

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.kafka.producer import PublishError
from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.logs import get_logger
from ingest import edge_metrics
from ingest.answers import Refused, invalid_signature, json_answer, unavailable
from ingest.bearer_webhook import Offered, offered, parse_announcement, why_not
from ingest.connections import BodyRoom
from ingest.ports import EventPublisher, TenantAccess, Tenants
from ingest.rate_limit import RateLimit
from ingest.recent_webhooks import Acknowledged, InFlight, Key, RecentWebhooks
from ingest.refusals import Refusals
from ingest.request_body import header_values, read_body, require_media_type
from ingest.secret_uses import SecretUses
from ingest.source_address import SourceAddresses
from ingest.ticket_body import parse_ticket
from ingest.verifier import SignedHeaders, Verdict, check, read_headers
from schemas import ids
from schemas.events import TicketReceived
from schemas.topics import Topic
from schemas.wire_format import TooLarge

log = get_logger(__name__)

OLDEST_VIEW_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class WebhookEdge:
    """The handler and what it needs."""

    tenants: Tenants
    publisher: EventPublisher
    clock: Clock = field(default_factory=SystemClock)
    rates: RateLimit = field(default_factory=RateLimit)
    recent: RecentWebhooks = field(default_factory=RecentWebhooks)
    bodies: BodyRoom = field(default_factory=BodyRoom)
    uses: SecretUses = field(default_factory=SecretUses)
    refusals: Refusals = field(default_factory=Refusals)
    sources: SourceAddresses = field(default_factory=SourceAddresses)

    async def receive(self, request: web.Request) -> web.Response:
        tenant_id = request.match_info["tenant_id"]
        known: TenantAccess | None = None
        body = b""
        try:
            with self.bodies.of(request):
                body = await read_body(request)
                require_media_type(request)
                offer = offered(request, self.sources)
                now = self.clock.now()
                if offer is not None:
                    known = self._authenticate_bearer(tenant_id, offer, now)
                    return await self._accept_announcement(known, body, now)
                headers = _signed_headers(request)
                known = self._authenticate(tenant_id, headers, body, now)
                return await self._accept(known, headers, body, now)
        except Refused as refusal:
            label = ""
            if known := known or self.tenants.get(tenant_id):
                label = known.tenant_id
                self.refusals.note(label, refusal, request, body, self.clock.now())
            edge_metrics.webhooks(label, refusal.reason).inc()
            log.info("Webhook refused", tenant_id=tenant_id[:64], status=refusal.status, reason=refusal.reason)
            return refusal.response()

    def _authenticate(self, tenant_id: str, headers: SignedHeaders, body: bytes, now: datetime) -> TenantAccess:
        """The tenant that signed. While our own view may be at fault nobody is turned away for good."""
        if not self.tenants.loaded:
            raise unavailable("not ready yet", "tenants_never_loaded")
        tenant = self.tenants.get(tenant_id)
        verdict, key = check(headers, body, tenant.secrets if tenant else (), now.timestamp())
        if tenant is None or verdict is Verdict.WRONG:
            raise self._not_known(tenant, "bad_signature" if tenant else "unknown_tenant")
        if not tenant.enabled:
            raise invalid_signature("tenant_disabled")
        if verdict is Verdict.STALE:
            raise invalid_signature("stale")
        self._count_use(tenant, key, now)
        return tenant

    def _authenticate_bearer(self, tenant_id: str, offer: Offered, now: datetime) -> TenantAccess:
        """The tenant whose secret it is, in bearer mode and from one of its addresses; as for signatures otherwise."""
        if not self.tenants.loaded:
            raise unavailable("not ready yet", "tenants_never_loaded")
        tenant = self.tenants.get(tenant_id)
        wrong, key = why_not(offer, tenant)
        if tenant is None or wrong:
            raise self._not_known(tenant, wrong or "unknown_tenant")
        if not tenant.enabled:
            raise invalid_signature("tenant_disabled")
        self._count_use(tenant, key, now)
        return tenant

    def _not_known(self, tenant: TenantAccess | None, reason: str) -> Refused:
        if self.tenants.age_seconds > OLDEST_VIEW_SECONDS:
            return unavailable("not able to check signatures now", "tenants_view_old")
        if tenant is not None and not tenant.readable:
            return unavailable("not able to check signatures now", "secret_unreadable")
        return invalid_signature(reason)

    def _count_use(self, tenant: TenantAccess, key: int | None, now: datetime) -> None:
        if key is not None and key < len(tenant.secret_ids):
            self.uses.count(tenant.tenant_id, tenant.secret_ids[key], now)

    async def _accept(self, tenant: TenantAccess, headers: SignedHeaders, body: bytes, now: datetime) -> web.Response:
        described = parse_ticket(body)
        webhook_id = headers.webhook_id.decode("ascii")
        event = TicketReceived(
            event_id=ids.of_webhook(tenant.tenant_id, webhook_id),
            tenant_id=tenant.tenant_id,
            kind=described.kind,
            ticket=described.ticket,
            received_at=now,
            delivery_id=webhook_id,
        )
        return await self._take(tenant, event, headers.webhook_id, body)

    async def _accept_announcement(self, tenant: TenantAccess, body: bytes, now: datetime) -> web.Response:
        event = parse_announcement(body).event(tenant.tenant_id, body, now)
        return await self._take(tenant, event, event.event_id.encode(), body)

    async def _take(self, tenant: TenantAccess, event: TicketReceived, webhook_id: bytes, body: bytes) -> web.Response:
        tracing.current().about(tenant.tenant_id, event.ticket_id)
        traceparent = tracing.traceparent()
        log.info(
            "Webhook received",
            tenant_id=tenant.tenant_id,
            ticket_id=event.ticket_id,
            event_id=event.event_id,
            trace_id=traceparent[3:35],
        )
        key, body_hash = (tenant.tenant_id, webhook_id), sha256(body).digest()
        while (found := self.recent.find(key)) is not None:
            if (answer := await _repeated(found, body_hash)) is not None:
                edge_metrics.webhooks(tenant.tenant_id, "duplicate").inc()
                return answer
        self._take_rate(tenant)
        return await self._queue(tenant, event, (key, body_hash), traceparent)

    def _take_rate(self, tenant: TenantAccess) -> None:
        wait = self.rates.take(tenant.tenant_id, rate_per_second=tenant.rate_per_second, burst=tenant.burst)
        if wait > 0:
            raise Refused(
                429, "too many webhooks, slow down", reason="rate_limited", retry_after=min(60, math.ceil(wait))
            )

    async def _queue(
        self, tenant: TenantAccess, event: TicketReceived, known_by: tuple[Key, bytes], traceparent: str
    ) -> web.Response:
        acknowledged, (key, body_hash) = False, known_by
        self.recent.begin(key, event.event_id, body_hash)
        try:
            await self.publisher.publish(
                event, topic=Topic.TICKETS_RECEIVED, partition=tenant.partition, traceparent=traceparent
            )
            acknowledged = True
        except PublishError as error:
            log.warning(
                "Webhook not queued",
                tenant_id=tenant.tenant_id,
                ticket_id=event.ticket_id,
                event_id=event.event_id,
                trace_id=traceparent[3:35],
                error=str(error),
            )
            raise unavailable("not queued, send it again", "publish_failed") from None
        except TooLarge as error:
            raise Refused(422, str(error), reason="event_too_large", field="$") from None
        finally:
            self.recent.finish(key, acknowledged=acknowledged)
        edge_metrics.webhooks(tenant.tenant_id, "queued").inc()
        log.info(
            "Job queued",
            tenant_id=tenant.tenant_id,
            ticket_id=event.ticket_id,
            event_id=event.event_id,
            kind=event.kind.value,
            trace_id=traceparent[3:35],
        )
        return json_answer({"event_id": event.event_id, "status": "queued"}, 202)


def _signed_headers(request: web.Request) -> SignedHeaders:
    headers = read_headers(
        header_values(request, "webhook-id"),
        header_values(request, "webhook-timestamp"),
        header_values(request, "webhook-signature"),
    )
    if isinstance(headers, str):
        raise Refused(400, headers, reason="signature_headers")
    return headers


async def _repeated(found: Acknowledged | InFlight, body_hash: bytes) -> web.Response | None:
    """The answer to a webhook-id that is known here; None to look again, when the first one with another body failed."""
    if isinstance(found, InFlight) and not await found.acknowledged():
        if found.body_hash == body_hash:
            raise unavailable("not queued, send it again", "publish_failed")
        return None
    if found.body_hash != body_hash:
        raise Refused(
            422, "this webhook-id was used for another body", reason="conflicting_duplicate", field="webhook-id"
        )
    return json_answer({"event_id": found.event_id, "status": "duplicate"})
