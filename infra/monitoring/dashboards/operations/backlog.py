"""The backlog: who waits at which stage, for how long, and what keeps it."""

from __future__ import annotations

from infra.monitoring.dashboards import limits
from infra.monitoring.dashboards.page import Row
from infra.monitoring.dashboards.panels import About, Graph, Query, Table
from infra.monitoring.dashboards.promql import LAG, TENANT

_LIMITED = f"max by (stage, tenant_id, limited_by) (ticketstream_lag_limited{{{TENANT}}})"
_OLDEST = f"max by (stage, tenant_id) (ticketstream_lag_oldest_seconds{{{TENANT}}})"
_IN_FLIGHT = f"max by (stage, tenant_id) (ticketstream_lag_in_flight{{{TENANT}}})"


def _with_limit(value: str) -> str:
    """The value with what limits the tenant as a further label."""
    return f"{_LIMITED} * on (stage, tenant_id) group_left () {value}"


BACKLOG_ROW = Row(
    "Backlog",
    (
        Graph(
            About(
                "Backlog by stage",
                "Events that wait or are being worked on. The stage at which they pile up is the one to look at; "
                "one that is full while the next is empty is the bottleneck.",
                "HighQueueDepth",
            ),
            "short",
            (Query(f"sum by (stage) ({LAG})", "{{stage}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Backlog by tenant",
                "The ten tenants with most. Agreed: below 20 each; an alert at 50, a call at 100, escalation at "
                "200. Tenants don't wait for each other.",
                "HighQueueDepth",
            ),
            "short",
            (Query(f"topk(10, sum by (tenant_id) ({LAG}) > 0)", "{{tenant_id}}"),),
            limits.BACKLOG,
        ),
        Graph(
            About(
                "Age of the oldest event by stage",
                "How long the first of those that wait has been waiting, since it was written to the stage's topic. "
                "Above 5 minutes is a red flag, unless its tenant is held.",
                "TicketsWaitTooLong",
            ),
            "s",
            (Query(f"max by (stage) ({_OLDEST})", "{{stage}}"),),
            limits.WAIT_SECONDS,
        ),
        Table(
            About(
                "Waiting tenants",
                "Who waits, and what would help. limited_by cap: the tenant works on as much at a time as it may, "
                "more workers don't help; raise max_concurrent_jobs or tell the client. slots: workers are busy, "
                "more of them help. partition: no worker has it just now, or what waits is of tickets being worked "
                "on; more workers don't help. hold: something outside is broken, see the held tenants.",
                "TenantAtItsCap",
                width=14,
            ),
            (
                Query(_with_limit(_OLDEST), "Oldest", "s", limits.WAIT_SECONDS, 0),
                Query(_with_limit(LAG), "Events", limits=limits.BACKLOG, decimals=0),
                Query(_with_limit(_IN_FLIGHT), "In flight", decimals=0),
            ),
            labels=("tenant_id", "stage", "limited_by"),
        ),
        Table(
            About(
                "Held tenants",
                "Who waits for something outside, and why. desk_…: the tenant's desk or its credential; tell the "
                "client. model_…: the provider. It goes on by itself once the cause is gone; after 24 h an event is "
                "a dead letter. `ticketstream lag show` says until when.",
                "TenantHeld",
                width=10,
            ),
            (Query(f"max by (tenant_id, stage, reason) (ticketstream_lag_held{{{TENANT}}})", "Held", decimals=0),),
            labels=("tenant_id", "stage", "reason"),
        ),
        Graph(
            About(
                "What limits the waiting tenants",
                "Tenants by what limits them. Mostly slots: workers are missing. Mostly cap: more workers are "
                "wasted money.",
                "TenantAtItsCap",
            ),
            "short",
            (Query(f"count by (limited_by) ({_LIMITED})", "{{limited_by}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Held events by reason",
                "What the held events wait for. One reason for many tenants: the cause is on our side or the "
                "provider's.",
                "TenantHeld",
            ),
            "short",
            (Query(f"sum by (reason) (ticketstream_lane_held_events{{{TENANT}}})", "{{reason}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Events of no tenant",
                "Events on partitions that belong to no tenant now, of tenants that were erased for example. More "
                "than a few: `ticketstream lag show`, then `ticketstream tail` on their partition.",
            ),
            "short",
            (Query("max by (stage) (ticketstream_lag_unowned_events)", "{{stage}}"),),
        ),
    ),
)
