"""What we depend on: desks, context sources, the model, the database."""

from __future__ import annotations

from infra.monitoring.dashboards import limits
from infra.monitoring.dashboards.page import Row
from infra.monitoring.dashboards.panels import About, Graph, Number, Query
from infra.monitoring.dashboards.promql import TENANT, quantile, rate, total

_MODEL_CALLS = f"ticketstream_model_calls_total{{{TENANT}}}"
_COST = f"ticketstream_model_cost_usd_total{{{TENANT}}}"
_TOKENS = f"ticketstream_model_tokens_total{{{TENANT}}}"
_REQUESTS = f"ticketstream_desk_requests_total{{{TENANT}}}"

DESK_ROW = Row(
    "Desks and context",
    (
        Graph(
            About(
                "Desk calls by status",
                "Answers of the tenants' desks. 4xx but 429: a credential or a setting; 429: we are asked to wait "
                "and do; 5xx, timeout: the desk is down. Whose: the panel beside.",
                "TenantHeld",
            ),
            "reqps",
            (Query(rate(_REQUESTS, "status"), "{{status}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Failing desk calls by tenant",
                "Whose desk refuses or doesn't answer. `ticketstream tenant verify TENANT` tries it now; "
                "`ticketstream tenant replace-credential TENANT` if the key is the reason.",
                "TenantHeld",
            ),
            "reqps",
            (
                Query(
                    rate(f'ticketstream_desk_requests_total{{{TENANT}, status!="2xx"}}', "tenant_id, status"),
                    "{{tenant_id}} {{status}}",
                ),
            ),
        ),
        Graph(
            About(
                "Desk call p95",
                "How long desks take. About 5 s for a note is usual for the cloud; more slows that tenant only.",
                "TicketsWaitTooLong",
            ),
            "s",
            (Query(quantile(0.95, "ticketstream_desk_request_seconds", "operation"), "{{operation}}"),),
        ),
        Graph(
            About(
                "Context source p95",
                "How long each source of context takes. Each has 3 s, all together 10 s; a late one is named as "
                "missing in the note.",
            ),
            "s",
            (Query(quantile(0.95, "ticketstream_source_seconds", "source"), "{{source}}"),),
        ),
        Graph(
            About(
                "Failing context sources",
                "Sources that failed or came late: notes get weaker, none is lost. PostgreSQL slow is the usual "
                "reason.",
                "LowQualityRatings",
            ),
            "eps",
            (
                Query(
                    f"{rate('ticketstream_source_failures_total', 'source')} "
                    f"or 0 * {rate('ticketstream_source_seconds_count', 'source')}",
                    "{{source}}",
                ),
            ),
        ),
        Graph(
            About(
                "Tickets fed in by reconcile",
                "Tickets that reconcile found at the desk and of which no webhook told, per minute. More than a few "
                "of one tenant: its webhooks don't arrive or are refused.",
                "WebhooksLost",
            ),
            "short",
            (
                Query(
                    f"{rate(f'ticketstream_reconcile_tickets_total{{{TENANT}}}', 'outcome')} * 60",
                    "{{outcome}}",
                ),
            ),
            stacked=True,
        ),
    ),
    closed=True,
)

MODEL_ROW = Row(
    "Model",
    (
        Graph(
            About(
                "Model calls by status",
                "Calls to the outside model. Not ok: the provider refuses, is slow or away; then the built-in "
                "writer composes the note.",
                "ModelUnavailable",
            ),
            "reqps",
            (Query(rate(_MODEL_CALLS, "status"), "{{status}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Model call time",
                "10 to 45 s are usual. Above 90 s tickets miss their minute: choose another model for the tenants "
                "concerned (`ticketstream tenant set TENANT gpt4_model=…`).",
                "ModelUnavailable",
            ),
            "s",
            (
                Query(quantile(0.5, "ticketstream_model_call_seconds"), "p50"),
                Query(quantile(0.95, "ticketstream_model_call_seconds"), "p95"),
            ),
        ),
        Graph(
            About(
                "Notes by writer",
                "Who wrote the notes. Built-in ones of tenants that have a model mean that it was away or refused: "
                "see why at the left.",
                "ModelUnavailable",
            ),
            "eps",
            (
                Query(
                    rate(f"ticketstream_notes_written_total{{{TENANT}}}", "writer, degraded"),
                    "{{writer}} degraded={{degraded}}",
                ),
            ),
            stacked=True,
        ),
        Graph(
            About(
                "Tokens",
                "What goes to the model (prompt) and comes back (completion).",
                "ModelCostRunaway",
            ),
            "short",
            (Query(rate(_TOKENS, "kind"), "{{kind}} tokens/s"),),
            stacked=True,
        ),
        Graph(
            About(
                "Cost by tenant, per hour",
                "What the provider says the calls cost, if it went on like this for an hour. A tenant far above its "
                "usual: a flood of tickets, or a dearer model.",
                "ModelCostRunaway",
            ),
            "currencyUSD",
            (Query(f"{rate(_COST, 'tenant_id')} * 3600", "{{tenant_id}}"),),
        ),
        Number(
            About(
                "Cost",
                "What the provider says all calls in the chosen time cost.",
                "ModelCostRunaway",
                width=4,
            ),
            "currencyUSD",
            Query(total(_COST)),
            decimals=2,
        ),
        Number(
            About(
                "Models given up",
                "Models that aren't asked now since calls failed. They are tried again by themselves; if not, see "
                "the provider's status page.",
                "ModelUnavailable",
                width=4,
            ),
            "short",
            Query("sum(max by (model) (ticketstream_model_breaker_state) > bool 0)"),
            limits.ANY_IS_BAD,
        ),
    ),
    closed=True,
)

DATABASE_ROW = Row(
    "Database",
    (
        Graph(
            About(
                "Connections in use, of each process's pool",
                "Agreed: below 80 %; at 100 % events wait for a connection. Slow queries, or too many slots for the "
                "pool.",
                "DatabaseConnectionIssues",
            ),
            "percentunit",
            (
                Query(
                    'max by (job) (ticketstream_database_pool_connections{state="in_use"} '
                    "/ ignoring (state) ticketstream_database_pool_max_connections)",
                    "{{job}}",
                ),
            ),
            limits.CONNECTIONS,
            at_most=1,
        ),
        Graph(
            About(
                "Connections of the server",
                "Of all that PostgreSQL allows. Agreed: below 80 %. Above it, too many replicas: lower their "
                "maximum, or raise max_connections.",
                "DatabaseConnectionIssues",
            ),
            "percentunit",
            (
                Query(
                    "max(ticketstream_database_server_connections) / max(ticketstream_database_server_max_connections)",
                    "in use",
                ),
            ),
            limits.CONNECTIONS,
            at_most=1,
        ),
        Graph(
            About(
                "Waiting for a connection, p95",
                "How long a process waits until a connection of its pool is free. Above 0.1 s the pool is too small "
                "or queries are slow.",
                "DatabaseConnectionIssues",
            ),
            "s",
            (Query(quantile(0.95, "ticketstream_database_wait_seconds", "job"), "{{job}}"),),
        ),
        Graph(
            About(
                "Database errors",
                "Calls that failed since PostgreSQL was away or cut them off. Stages hold and go on by themselves, "
                "the edge accepts meanwhile.",
                "DatabaseConnectionIssues",
            ),
            "eps",
            (Query(rate("ticketstream_database_errors_total", "job"), "{{job}}"),),
        ),
    ),
    closed=True,
)
