"""baseline metrics: does each tenant get what was agreed? Against the targets, over days."""

from __future__ import annotations

from infra.monitoring.dashboards import limits
from infra.monitoring.dashboards.page import Page, Row
from infra.monitoring.dashboards.panels import About, Graph, Number, Query, Table
from infra.monitoring.dashboards.promql import TENANT, increase, quantile_over, share, total

BY = "tenant_id"
LATELY = "6h"
"""Each point of a line is about so much time: few tickets make a jagged line."""
FEEDBACK_TIME = "1d"

_NOTE_SECONDS = "ticketstream_webhook_to_note_seconds"
_DONE = f'ticketstream_enhancements_total{{{TENANT}, outcome=~"success|failed"}}'
_SUCCESS = f'ticketstream_enhancements_total{{{TENANT}, outcome="success"}}'
_NOTES = f"{_NOTE_SECONDS}_count{{{TENANT}}}"
_QUICK = f'{_NOTE_SECONDS}_bucket{{{TENANT}, le=~"60([.]0)?"}}'
_RATINGS = f"ticketstream_feedback_ratings_total{{{TENANT}}}"
_THUMBS = f'ticketstream_feedback_answers_total{{{TENANT}, feedback_type=~"thumbs_up|thumbs_down"}}'
_UP = f'ticketstream_feedback_answers_total{{{TENANT}, feedback_type="thumbs_up"}}'
_MINUTES = f"ticketstream_feedback_minutes_saved_total{{{TENANT}}}"
_MINUTES_ANSWERS = f"ticketstream_feedback_minutes_saved_answers_total{{{TENANT}}}"


def success(by: str = "", over: str = "$__range") -> str:
    return f"{increase(_SUCCESS, by, over)} / ({increase(_DONE, by, over)} > 0)"


def within_a_minute(by: str = "", over: str = "$__range") -> str:
    return share(total(_QUICK, by, over), total(_NOTES, by, over))


def thumbs_up(by: str = "", over: str = "$__range") -> str:
    return share(total(_UP, by, over), total(_THUMBS, by, over))


def rating(by: str = "", over: str = "$__range") -> str:
    """The average of the answers' ratings: each rating has a series of its own, which counts as often as it says."""
    grouping = f" by ({by})" if by else ""
    stars = " or ".join(
        f'{number} * {total(f"""ticketstream_feedback_ratings_total{{{TENANT}, rating="{number}"}}""", _with(by), over)}'
        for number in range(1, 6)
    )
    return f"sum{grouping} ({stars}) / ({total(_RATINGS, by, over)} > 0)"


def minutes_saved(by: str = "", over: str = "$__range") -> str:
    return f"{total(_MINUTES, by, over)} / ({total(_MINUTES_ANSWERS, by, over)} > 0)"


def _with(by: str) -> str:
    return f"rating, {by}" if by else "rating"


_AGAINST = Row(
    "Against the targets",
    (
        Number(
            About(
                "Success rate",
                "Enhancements whose note is on the ticket, of those that ended. Target: above 95 %. Below: "
                "Operations, dead letters by reason.",
                "LowSuccessRate",
                width=4,
            ),
            "percentunit",
            Query(success()),
            limits.SUCCESS,
            decimals=1,
        ),
        Number(
            About(
                "Webhook to note, p95",
                "Target: below 60 s. Above: Operations, age of the oldest event by stage and model call time.",
                "LatencyBudgetBurn",
                width=4,
            ),
            "s",
            Query(quantile_over(0.95, _NOTE_SECONDS, match=TENANT)),
            limits.NOTE_SECONDS,
            decimals=1,
        ),
        Number(
            About(
                "Notes within 60 s",
                "Target: above 95 %, the same as p95 below 60 s, exact also where p95 lies between two edges of the "
                "histogram.",
                "LatencyBudgetBurn",
                width=4,
            ),
            "percentunit",
            Query(within_a_minute()),
            limits.WITHIN_A_MINUTE,
            decimals=1,
        ),
        Number(
            About(
                "Average rating",
                "Of 5. Target: above 4. Below: read the answers (`GET /api/v1/feedback`), see whether the tenant's "
                "documentation covers its tickets, add articles.",
                "LowQualityRatings",
                width=4,
            ),
            "short",
            Query(rating()),
            limits.RATING,
            decimals=2,
        ),
        Number(
            About(
                "Thumbs up",
                "Of thumbs up and down. Target: above 70 %. Below: as for the rating.",
                "LowQualityRatings",
                width=4,
            ),
            "percentunit",
            Query(thumbs_up()),
            limits.THUMBS_UP,
            decimals=0,
        ),
        Number(
            About(
                "Notes",
                "Notes that were posted in the chosen time. None although tickets came: Operations, at a glance.",
                "NoTraffic",
                width=4,
            ),
            "short",
            Query(total(_NOTES)),
            decimals=0,
        ),
        Number(
            About(
                "Minutes saved, per answer",
                "What technicians say a note saved them, as an average. Believe it only with the number of answers "
                "beside it.",
                width=4,
            ),
            "m",
            Query(minutes_saved()),
            decimals=1,
        ),
        Number(
            About(
                "Answers on minutes saved",
                "From so many answers the average beside was made. Few: ask the client to tell its technicians "
                "about the feedback page.",
                width=4,
            ),
            "short",
            Query(total(_MINUTES_ANSWERS)),
            decimals=0,
        ),
        Number(
            About("Minutes saved, all", "The sum of what technicians said.", width=4),
            "m",
            Query(total(_MINUTES)),
            decimals=0,
        ),
        Number(
            About("Ratings", "From so many answers the average rating was made.", width=4),
            "short",
            Query(total(_RATINGS)),
            decimals=0,
        ),
        Number(
            About("Thumbs", "From so many answers the share of thumbs up was made.", width=4),
            "short",
            Query(total(_THUMBS)),
            decimals=0,
        ),
        Number(
            About("Tenants", "Tenants with a note in the chosen time, of those chosen above.", width=4),
            "short",
            Query(f"count({total(_NOTES, BY)} > 0)"),
        ),
        Table(
            About(
                "Tenants against the targets",
                "Each tenant's figures in the chosen time; red misses the target by far, yellow a little. Begin "
                "with the one with most notes, and choose it above for its lines.",
                width=24,
            ),
            (
                Query(total(_NOTES, BY), "Notes", decimals=0),
                Query(success(BY), "Success", "percentunit", limits.SUCCESS, 1),
                Query(quantile_over(0.95, _NOTE_SECONDS, BY, TENANT), "p95", "s", limits.NOTE_SECONDS, 1),
                Query(within_a_minute(BY), "Within 60 s", "percentunit", limits.WITHIN_A_MINUTE, 1),
                Query(rating(BY), "Rating", limits=limits.RATING, decimals=2),
                Query(thumbs_up(BY), "Thumbs up", "percentunit", limits.THUMBS_UP, 0),
                Query(minutes_saved(BY), "Minutes saved", "m", decimals=1),
                Query(total(_MINUTES_ANSWERS, BY), "Answers", decimals=0),
            ),
            labels=(BY,),
        ),
    ),
)

_OVER_TIME = Row(
    "Over time, by tenant",
    (
        Graph(
            About(
                "Success rate",
                "Each point is of the 6 hours before it. Target: above 95 %.",
                "LowSuccessRate",
            ),
            "percentunit",
            (Query(success(BY, LATELY), "{{tenant_id}}"),),
            limits.SUCCESS,
            at_most=1,
        ),
        Graph(
            About(
                "Webhook to note, p95",
                "Each point is of the 6 hours before it. Target: below 60 s. A peak each morning: the tenant is at "
                "its cap, see Operations.",
                "LatencyBudgetBurn",
            ),
            "s",
            (Query(quantile_over(0.95, _NOTE_SECONDS, BY, TENANT, LATELY), "{{tenant_id}}"),),
            limits.NOTE_SECONDS,
        ),
        Graph(
            About(
                "Notes within 60 s",
                "Each point is of the 6 hours before it. Target: above 95 %.",
                "LatencyBudgetBurn",
            ),
            "percentunit",
            (Query(within_a_minute(BY, LATELY), "{{tenant_id}}"),),
            limits.WITHIN_A_MINUTE,
            at_most=1,
        ),
        Graph(
            About(
                "Notes per hour",
                "How much comes through, of the last hour at each point. A tenant without a line sent nothing: see "
                "its webhooks in Operations.",
                "NoTraffic",
            ),
            "short",
            (Query(total(_NOTES, BY, "1h"), "{{tenant_id}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Average rating",
                "Of 5, each point is of the day before it. Target: above 4. In a tenant's first week there is "
                "little history to draw on.",
                "LowQualityRatings",
            ),
            "short",
            (Query(rating(BY, FEEDBACK_TIME), "{{tenant_id}}"),),
            limits.RATING,
            at_most=5,
        ),
        Graph(
            About(
                "Rating of the last ten",
                "The average of a tenant's last 10 ratings that are at most a day old; below 3 of at least 5 is an "
                "alert.",
                "LowQualityRatings",
            ),
            "short",
            (Query(f"max by (tenant_id) (ticketstream_feedback_recent_rating{{{TENANT}}})", "{{tenant_id}}"),),
            limits.RATING,
            at_most=5,
        ),
        Graph(
            About(
                "Thumbs up",
                "Share of thumbs up, each point is of the day before it. Target: above 70 %.",
                "LowQualityRatings",
            ),
            "percentunit",
            (Query(thumbs_up(BY, FEEDBACK_TIME), "{{tenant_id}}"),),
            limits.THUMBS_UP,
            at_most=1,
        ),
        Graph(
            About(
                "Minutes saved, per answer",
                "What technicians say, each point is of the day before it. Look at the number of answers, too.",
            ),
            "m",
            (Query(minutes_saved(BY, FEEDBACK_TIME), "{{tenant_id}}"),),
        ),
        Graph(
            About(
                "Answers on minutes saved",
                "Of the day before each point: how much the average beside is worth.",
            ),
            "short",
            (Query(total(_MINUTES_ANSWERS, BY, FEEDBACK_TIME), "{{tenant_id}}"),),
            stacked=True,
        ),
    ),
)

BASELINE_METRICS = Page(
    title="Baseline Metrics",
    text="Does each tenant get what was agreed: success, time, quality, use? Against the targets.",
    rows=(_AGAINST, _OVER_TIME),
    since="now-7d",
    refresh="5m",
)
