"""Weeks as tests plant them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.ops.report.rows import EdgeFigures, Rows, Troubles, WeekFigures, WorstNote
from infra.ops.report.week import Week
from sinks.postgres.period_figures import CategoryFeedback, Comment, EnhancementFigures, FeedbackFigures, RatedNote

WEEK = Week.parse("2026-W47")
MADE = datetime(2026, 11, 23, 8, tzinfo=UTC)
HOSTILE = (
    '<script>alert(1)</script> "><img src=x onerror=alert(1)> ![p](https://evil.example/p) [click](javascript:x) | *b*'
)
DONE = EnhancementFigures(980, 20, 5, 0, 12, 9.5, 21.0, 51.2)
SAID = FeedbackFigures(60, 40, 4.25, 15, 5, 300, 20, 8)
EDGE = EdgeFigures(0.21, 0.002, 14)
NOTHING_DONE = EnhancementFigures(0, 0, 0, 0, 0, None, None, None)
NOTHING_SAID = FeedbackFigures(0, 0, None, 0, 0, None, 0, 0)
NOTE = RatedNote(
    "80017",
    "model",
    "gpt-4-turbo",
    None,
    "Network",
    MADE - timedelta(days=3),
    1.5,
    2,
    0,
    1,
    "an id",
    ("Wrong site.", HOSTILE),
)


def week(back: int = 0, *, said: FeedbackFigures = SAID, edge: EdgeFigures = EDGE, **done: Any) -> WeekFigures:
    """So many weeks before the one of the review."""
    return WeekFigures(WEEK.before(back), replace(DONE, **done), said, edge)


def empty(back: int = 0) -> WeekFigures:
    """One in which nothing happened."""
    return WeekFigures(WEEK.before(back), NOTHING_DONE, NOTHING_SAID)


def comment(text: str, rating: int | None = None, ticket_id: str = "80001") -> Comment:
    return Comment(ticket_id, "Network", rating, "rating" if rating else "thumbs_down", text, MADE - timedelta(days=2))


def rows(*weeks: WeekFigures, **more: Any) -> Rows:
    """By default of one good week."""
    return Rows("msp-one", MADE, weeks or (week(),), **more)


def full() -> Rows:
    """Everything that a review can have, some of it hostile."""
    weeks = [week(8 - number, succeeded=900 + 10 * number, p95_seconds=70.0 - 3 * number) for number in range(9)]
    weeks[3] = empty(5)
    troubles = Troubles(
        failures={"desk_refused": 20},
        dead_letters={("deliver", "desk_refused"): 18, ("enrich", "internal_error"): 2},
        missing={("docs", "timeout"): 31, ("ip_data", "empty"): 7},
        refused={HOSTILE: 4},
        held={("deliver", "desk_unavailable"): 3},
        secret_due=MADE + timedelta(days=6),
    )
    comments = (
        comment("The DHCP scope was right, thank you", 5),
        comment("DHCP scope was not the problem, wrong site", 2, "80002"),
        comment("Wrong site again!", 1, "80003"),
        comment(HOSTILE, 1, "80004"),
    )
    return rows(
        *weeks,
        worst=(
            WorstNote(NOTE, ("docs (timeout)",), f"# Note\n\n```\nx\n```\n{HOSTILE}"),
            WorstNote(replace(NOTE, ticket_id="80018")),
        ),
        categories=(CategoryFeedback("Network", 12, 9, 2.9, 4), CategoryFeedback("", 3, 3, 4.5, 0)),
        comments=comments,
        troubles=troubles,
        unknown=("sources that were missing: their topic keeps 14 days",),
    )
