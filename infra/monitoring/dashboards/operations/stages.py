"""The stages: what they did with their events, how long it took, what they gave up."""

from __future__ import annotations

from infra.monitoring.dashboards.page import Row
from infra.monitoring.dashboards.panels import About, Graph, Query
from infra.monitoring.dashboards.promql import TENANT, quantile, rate, total

_HANDLED = f"ticketstream_events_handled_total{{{TENANT}}}"
_DEAD = f'ticketstream_events_handled_total{{{TENANT}, outcome="dead_letter"}}'
_PUBLISHED = "ticketstream_publish_seconds_count"

STAGES_ROW = Row(
    "Stages",
    (
        Graph(
            About(
                "Events by stage and outcome",
                "What the stages did: emit (sent on), drop (nothing to do, with a reason), hold (put back until "
                "something outside works), dead_letter (given up). A stage without emit while it has a backlog does "
                "nothing: see its log.",
            ),
            "eps",
            (Query(rate(_HANDLED, "stage, outcome"), "{{stage}} {{outcome}}"),),
        ),
        Graph(
            About(
                "Handling time p95",
                "One try of one event. synthesize takes as long as the model (10 to 45 s), enrich at most 10 s, "
                "deliver as long as the desk.",
                "TicketsWaitTooLong",
            ),
            "s",
            (Query(quantile(0.95, "ticketstream_event_handling_seconds", "stage"), "{{stage}}"),),
        ),
        Graph(
            About(
                "Dropped events by reason",
                "Events that needed no note: unchanged (our own note raises a webhook too), superseded by a newer "
                "edit, a copy. Many more than usual: somebody changes tickets in bulk.",
            ),
            "eps",
            (
                Query(
                    rate(f'ticketstream_events_handled_total{{{TENANT}, outcome="drop"}}', "stage, reason"),
                    "{{stage}} {{reason}}",
                ),
            ),
        ),
        Graph(
            About(
                "Dead letters by reason",
                "Events that were given up, within each interval. Each is a ticket without a note. `ticketstream "
                "dead-letters list` names them, `ticketstream dead-letters show` tells why; cure the cause, then "
                "`ticketstream dead-letters replay`. internal_error is a bug of ours: escalate.",
                "DeadLetters",
            ),
            "short",
            (Query(total(_DEAD, "stage, reason", "$__rate_interval"), "{{stage}} {{reason}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Redelivered events",
                "Events that Kafka gave a second time: after a worker died or workers changed places. It does no "
                "harm; all the time it means that workers die or that rebalances don't end.",
                "WorkerFailures",
            ),
            "eps",
            (Query(rate("ticketstream_events_redelivered_total", "stage"), "{{stage}}"),),
        ),
        Graph(
            About(
                "Time until Kafka acknowledges, p95",
                "How long a record takes until all its copies are written. Above 0.5 s: a broker is slow or away.",
                "KafkaPublishErrors",
            ),
            "s",
            (Query(quantile(0.95, "ticketstream_publish_seconds", "topic"), "{{topic}}"),),
        ),
        Graph(
            About(
                "Publish errors",
                "Records that Kafka didn't acknowledge in time. Nothing is lost: the edge answers 503, stages try "
                "again. See the brokers.",
                "KafkaPublishErrors",
            ),
            "eps",
            (
                Query(
                    f"{rate('ticketstream_publish_errors_total', 'topic')} or 0 * {rate(_PUBLISHED, 'topic')}",
                    "{{topic}}",
                ),
            ),
        ),
        Graph(
            About(
                "Closed lanes",
                "Circuit breakers of tenants that aren't closed: 2 open (nothing is tried), 1 half open (one event "
                "at a time). It closes by itself once the tenant's desk works again.",
                "TenantHeld",
            ),
            "short",
            (
                Query(
                    f"max by (stage, tenant_id) (ticketstream_lane_breaker_state{{{TENANT}}}) > 0",
                    "{{stage}} {{tenant_id}}",
                ),
            ),
        ),
    ),
)
