"""The gaps between each two side effects of every stage, by the call after (or before) which a process is killed."""

from __future__ import annotations

from typing import NamedTuple

INGEST = "ingest"
ENRICH, SYNTHESIZE, DELIVER, FEEDBACK = "enrich", "synthesize", "deliver", "feedback_aggregate"
PUBLISHED = ("infra.runtime.kafka.publisher", "Publisher", "publish")
HANDLED = ("infra.runtime.stream.handler", "EventHandler", "handle")


class Gap(NamedTuple):
    """`call` is module, class and method; `when` is before or after it. `model`: whether the ticket's tenant agreed to it."""

    service: str
    name: str
    call: tuple[str, str, str]
    when: str = "after"
    model: bool = True

    def __str__(self) -> str:
        return f"{self.service}, {self.name}"


GAPS = (
    Gap(INGEST, "published, sender not answered", PUBLISHED),
    Gap(ENRICH, "nothing done yet", ("sinks.postgres.arrivals", "Arrivals", "take_in"), "before"),
    Gap(ENRICH, "taken in, not published", ("sinks.postgres.arrivals", "Arrivals", "take_in")),
    Gap(ENRICH, "published, not marked", PUBLISHED),
    Gap(ENRICH, "marked, not handled", ("sinks.postgres.received_events", "ReceivedEvents", "mark")),
    Gap(ENRICH, "handled, not committed", HANDLED),
    Gap(SYNTHESIZE, "lease taken, model not called", ("sinks.postgres.answers", "Answers", "take")),
    Gap(SYNTHESIZE, "model answered, not stored", ("sinks.postgres.answers", "Answers", "store"), "before"),
    Gap(SYNTHESIZE, "answer stored, not published", ("sinks.postgres.answers", "Answers", "store")),
    Gap(SYNTHESIZE, "built-in answer kept, not published", ("sinks.postgres.answers", "Answers", "keep"), model=False),
    Gap(SYNTHESIZE, "published, not handled", PUBLISHED),
    Gap(SYNTHESIZE, "handled, not committed", HANDLED),
    Gap(DELIVER, "ticket read, nothing claimed", ("sinks.postgres.note_intents", "NoteIntents", "claim"), "before"),
    Gap(DELIVER, "claimed and noted as sent, not posted", ("sinks.postgres.note_intents", "NoteIntents", "claim")),
    Gap(DELIVER, "posted, not noted down", ("sinks.servicedesk.notes", "ServiceDeskNotes", "post")),
    Gap(DELIVER, "done, not published", ("sinks.postgres.note_intents", "NoteIntents", "done")),
    Gap(DELIVER, "published, not handled", PUBLISHED),
    Gap(DELIVER, "handled, not committed", HANDLED),
    Gap(FEEDBACK, "nothing done yet", ("sinks.postgres.feedback", "Feedback", "store"), "before"),
    Gap(FEEDBACK, "stored, not published", ("sinks.postgres.feedback", "Feedback", "store")),
    Gap(FEEDBACK, "published, not handled", PUBLISHED),
    Gap(FEEDBACK, "handled, not committed", HANDLED),
)
PAID_AGAIN = "model answered, not stored"
"""The only gap in which a model's answer is lost with the process."""
