"""What of a tenant's data is the tenant's to have: a file a kind. A test holds this against the tables that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A table's rows, without the columns of `but`, in the order of `by`."""

    name: str
    table: str
    by: str
    but: frozenset[str] = frozenset()


_SEARCH = frozenset({"search", "exact_tokens"})
"""Derived from the row's own texts."""

KINDS = (
    Kind("settings", "tenant_configs", "tenant_id"),
    Kind("contacts", "tenant_contacts", "kind"),
    Kind("tickets", "tickets", "ticket_id", _SEARCH),
    Kind("ticket_addresses", "ticket_addresses", "ticket_id, address"),
    Kind("webhooks_received", "received_events", "recorded_at, event_id"),
    Kind("webhooks_refused", "webhook_refusals", "refusal_id"),
    Kind("enhancements", "enhancements", "created_at, ticket_id, content_hash"),
    Kind("answers", "synthesized_answers", "stored_at, input_id"),
    Kind("notes", "note_intents", "created_at, marker"),
    Kind("notes_not_written", "note_drops", "dropped_at, event_id"),
    Kind("feedback", "enhancement_feedback", "submitted_at, feedback_id"),
    Kind("feedback_aggregates", "feedback_aggregates", "aggregated_at, input_id"),
    Kind("knowledge_articles", "knowledge_articles", "article_id", _SEARCH),
    Kind("inventory", "inventory", "item_id"),
    Kind("audit_log", "audit_log", "audit_id"),
)
DELIVERED = "enhancements_delivered"
"""What only Kafka holds: the text of each enhancement that was delivered or dropped in the last 90 days."""

NOT_EXPORTED: Mapping[str, str] = {
    "webhook_secrets": "secrets",
    "servicedesk_credentials": "secrets",
    "desk_access_tokens": "secrets",
    "api_tokens": "secrets",
    "webhook_secret_uses": "when which secret was used",
    "lane_holds": "what waits at this moment",
    "lane_breakers": "what waits at this moment",
    "synthesis_leases": "who works on what at this moment",
    "note_leases": "who works on what at this moment",
    "reconcile_state": "how far the desk was compared",
    "replay_runs": "our own repetitions",
    "replayed_letters": "our own repetitions",
    "audit_seals": "hashes of the audit log",
    "erased_tenants": "only of tenants that left",
}
