"""What `tenant show` tells of the webhook secrets: which one the desk uses, since when, and when it is due. Never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_settings import TenantSettings


async def webhook_secrets(at_work: Acting, tenant: TenantSettings) -> Mapping[str, object]:
    """Where the ring is at hand, a secret without a stored fingerprint is opened for it."""
    from infra.ops.cli.database import ring
    from infra.ops.cli.secret_words import secrets_json
    from sinks.postgres.webhook_secrets import known_secrets

    at_hand = at_work.around.variables.get("TICKETSTREAM_WEBHOOK_KEYS")
    opening = ring(at_work.around, "webhook_keys") if at_hand else None
    return secrets_json(await known_secrets(at_work.pool, tenant.tenant_id, opening), datetime.now(UTC))
