"""A finished enhancement with its feedback as one flat row: the columns of `ticketstream export`, the same in every format.

Columns are never removed, renamed or given another meaning; new ones come behind those that there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.events import EnhancementDelivered
from schemas.records import to_record
from sinks.postgres.failures import FailedEnhancement
from sinks.postgres.note_feedback import NoteFeedback


class Kind(StrEnum):
    """What a column holds; any but `tenant_id` and the like may be empty."""

    TEXT = "text"
    WHOLE = "whole number"
    REAL = "number"
    TIME = "time, UTC"
    TEXTS = "list of texts"
    CITED = "list of objects: number, source, id, title, link"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind
    says: str


PLAIN: tuple[Column, ...] = (
    Column("event_id", Kind.TEXT, "the event's id; each stands once. Of a failed one: that of the ticket's event"),
    Column("tenant_id", Kind.TEXT, "the tenant"),
    Column("ticket_id", Kind.TEXT, "the ticket's id at the desk"),
    Column("enhancement_id", Kind.TEXT, "the enhancement"),
    Column("outcome", Kind.TEXT, "posted, dropped, or with --with-failed: failed"),
    Column("reason", Kind.TEXT, "why it was dropped or failed"),
    Column("note_id", Kind.TEXT, "the note's id at the desk"),
    Column("category", Kind.TEXT, "the ticket's category at the desk"),
    Column("priority", Kind.TEXT, "the ticket's priority at the desk"),
    Column("writer", Kind.TEXT, "model or builtin"),
    Column("model", Kind.TEXT, "which model wrote it"),
    Column("prompt_version", Kind.TEXT, "of the prompt, or of the built-in writer's rules"),
    Column("prompt_tokens", Kind.WHOLE, "tokens that the model read"),
    Column("completion_tokens", Kind.WHOLE, "tokens that the model wrote"),
    Column("cost_usd", Kind.REAL, "the provider's own figure"),
    Column("degraded", Kind.TEXT, "why the text is less than it should be"),
    Column("citations", Kind.WHOLE, "how many sources the text cites"),
    Column("received_at", Kind.TIME, "the edge took the webhook"),
    Column("enriched_at", Kind.TIME, "the context was gathered"),
    Column("synthesized_at", Kind.TIME, "the text was written"),
    Column(
        "delivered_at",
        Kind.TIME,
        "the note was on the ticket, or was dropped, or it failed; --since and --until mean this",
    ),
    Column("total_ms", Kind.WHOLE, "milliseconds from webhook to note; of a failed one to its failure"),
    Column("answers", Kind.WHOLE, "technicians' answers that count; 0 where nobody said anything"),
    Column("thumbs_up", Kind.WHOLE, "of these"),
    Column("thumbs_down", Kind.WHOLE, "of these"),
    Column("ratings", Kind.WHOLE, "answers with a rating"),
    Column("average_rating", Kind.REAL, "1 to 5; empty without a rating"),
    Column("minutes_saved", Kind.WHOLE, "their sum; empty where nobody gave any"),
    Column("minutes_saved_answers", Kind.WHOLE, "answers with minutes saved"),
    Column("last_answer_at", Kind.TIME, "the newest answer"),
)
WITH_TEXT: tuple[Column, ...] = (
    *PLAIN,
    Column("text", Kind.TEXT, "the enhancement, Markdown"),
    Column("cited", Kind.CITED, "the sources that the text cites as [number]"),
    Column("comments", Kind.TEXTS, "technicians' comments, the newest first"),
)


def columns(*, text: bool) -> Sequence[Column]:
    return WITH_TEXT if text else PLAIN


def row(event: EnhancementDelivered, feedback: NoteFeedback | None, *, text: bool) -> tuple[Any, ...]:
    """A value a column: texts, numbers, times, None, and lists for the last ones."""
    times, usage, said = event.times, event.usage, feedback
    found: tuple[Any, ...] = (
        event.event_id, event.tenant_id, event.ticket_id, event.enhancement_id, event.outcome.value, event.reason, event.note_id,
        event.category, event.priority, event.writer.value, event.model, event.prompt_version, usage.prompt_tokens,
        usage.completion_tokens, usage.cost_usd, event.degraded, len(event.citations),
        times.received_at, times.enriched_at, times.synthesized_at, times.delivered_at, event.total_ms,
        *((said.answers, said.thumbs_up, said.thumbs_down, said.ratings, said.average_rating, said.minutes_saved,
           said.minutes_saved_answers, said.last_at) if said else (0, 0, 0, 0, None, None, 0, None)),
    )  # fmt: skip
    if not text:
        return found
    return (
        *found,
        event.text,
        [to_record(citation) for citation in event.citations],
        list(said.comments) if said else [],
    )


def failed_row(failed: FailedEnhancement, *, text: bool) -> tuple[Any, ...]:
    """The same of an enhancement that failed: there is no note, no text, and nothing was said of it."""
    known = {name: getattr(failed, name, None) for name in (column.name for column in columns(text=text))}
    took = (failed.failed_at - failed.received_at).total_seconds() * 1000 if failed.received_at else None
    known |= {
        "outcome": "failed",
        "delivered_at": failed.failed_at,
        "total_ms": None if took is None else max(0, round(took)),
    }
    known |= dict.fromkeys(("answers", "thumbs_up", "thumbs_down", "ratings", "minutes_saved_answers"), 0)
    known |= {"cited": [], "comments": []} if text else {}
    return tuple(known.values())
