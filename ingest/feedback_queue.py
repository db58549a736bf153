"""Publishes answers on their tenant's partition. Shared by the API and the page behind a link."""

from __future__ import annotations

from dataclasses import dataclass

from infra.runtime.kafka.producer import PublishError
from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.logs import get_logger
from ingest.answers import unavailable
from ingest.ports import EventPublisher, TenantAccess, Tenants
from schemas.events import FeedbackSubmitted
from schemas.topics import Topic

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeedbackQueue:
    tenants: Tenants
    publisher: EventPublisher

    def tenant(self, tenant_id: str) -> TenantAccess | None:
        """The tenant if it exists and is enabled. Refuses with 503 while no tenants are known at all."""
        if not self.tenants.loaded:
            raise unavailable("not ready yet", "tenants_never_loaded")
        tenant = self.tenants.get(tenant_id)
        return tenant if tenant is not None and tenant.enabled else None

    async def put(self, event: FeedbackSubmitted, tenant: TenantAccess) -> None:
        """Returns when Kafka has it; refuses with 503 otherwise."""
        tracing.current().about(event.tenant_id, event.ticket_id)
        traceparent = tracing.traceparent()
        try:
            await self.publisher.publish(
                event, topic=Topic.FEEDBACK_SUBMITTED, partition=tenant.partition, traceparent=traceparent
            )
        except PublishError as error:
            log.warning("Feedback not queued", tenant_id=event.tenant_id, event_id=event.event_id, error=str(error))
            raise unavailable("not queued, send it again", "publish_failed") from None
        log.info(
            "Feedback queued",
            tenant_id=event.tenant_id,
            ticket_id=event.ticket_id,
            event_id=event.event_id,
            trace_id=traceparent[3:35],
        )
