"""The result of an investigation: for scripts, for people, and as the summary that support pastes for a client."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra.ops.investigate.causes import Diagnosis
from infra.ops.investigate.facts import Facts
from infra.ops.investigate.journey import Place
from infra.ops.investigate.refused import fed_in
from infra.ops.investigate.summary import Finding, findings, note_id
from infra.ops.investigate.timeline import Happening, timeline
from infra.ops.investigate.verdict import clock
from infra.ops.onboarding.refusal_causes import cause
from schemas.times import rfc3339

MOST_REFUSALS = 5


@dataclass(frozen=True)
class Investigation:
    """`facts` is what was found, `diagnosis` what follows from it."""

    facts: Facts
    diagnosis: Diagnosis

    @cached_property
    def timeline(self) -> tuple[Happening, ...]:
        return tuple(timeline(self.facts))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        return findings(self.facts, self.diagnosis)

    @property
    def status(self) -> str:
        return self.diagnosis.place.status.value

    @property
    def where(self) -> str:
        """Where the ticket is now, for people."""
        return where(self.diagnosis.place)

    @property
    def note_id(self) -> str | None:
        return note_id(self.facts, self.diagnosis.journey)

    @property
    def trace_id(self) -> str | None:
        journey = self.diagnosis.journey
        record = journey.arrival.record if journey else None
        if record is not None and record.trace_id:
            return record.trace_id
        return next((one.trace_id for one in reversed(self.facts.letters) if one.trace_id), None)

    def as_json(self) -> dict[str, Any]:
        """What the contract promises, and more."""
        facts, found = self.facts, self.diagnosis
        content = found.journey.content if found.journey else None
        gathered = found.journey.gathered if found.journey else None
        return {
            "tenant_id": facts.tenant_id,
            "ticket_id": facts.ticket_id,
            "subject": facts.subject,
            "events": [one.as_json() for one in self.timeline],
            "status": self.status,
            "where": self.where,
            "stage": found.place.stage.value if found.place.stage else None,
            "waiting_before": found.place.before,
            "cause": found.cause.value,
            "root_cause": found.words,
            "next_command": found.next_command,
            "resolution": found.resolution,
            "follow_up": found.follow_up,
            "findings": [{"name": one.name, "good": one.good, "detail": one.detail} for one in self.findings],
            "note_id": self.note_id,
            "note_at_desk": facts.desk.note_there if facts.desk else None,
            "ticket_at_desk": facts.desk.ticket.value if facts.desk else None,
            "trace_id": self.trace_id,
            "sources": {"answered": dict(gathered.found), "missing": dict(gathered.missing)} if gathered else None,
            "writer": content.writer if content else None,
            "model": content.model if content else None,
            "tokens": (content.prompt_tokens or 0) + (content.completion_tokens or 0) if content else None,
            "cost_usd": content.cost_usd if content else None,
            "feedback": [
                {"at": rfc3339(one.at), "feedback_type": one.kind.value, "rating": one.rating} for one in facts.opinions
            ],
            "contacts": {kind.value: one.line for kind, one in facts.contacts.items()},
            "refusals": [
                {
                    "at": rfc3339(one.at),
                    "status": one.status,
                    "reason": one.reason,
                    "ticket_id": one.ticket_id,
                    "cause": cause(one),
                }
                for one in facts.refusals[:MOST_REFUSALS]
            ],
            "reconcile": fed_in(facts) if not facts.arrivals else None,
            "missing": dict(facts.missing),
            "looked": list(facts.looked),
        }

    def as_text(self) -> str:
        """For people, to read in a terminal."""
        facts, found = self.facts, self.diagnosis
        lines = [
            f"Ticket {facts.ticket_id} of {facts.tenant_id}" + (f": {facts.subject}" if facts.subject else ""),
            "",
            f"Status      {self.status.replace('_', ' ')}",
            f"Where       {self.where}",
            f"Root cause  {found.words}",
            f"Next        {found.next_command or 'nothing is to be done'}",
            "",
            *(f"{one.mark} {one.name}: {one.detail}" for one in self.findings),
            "",
            *self._events(),
            *self._more(),
        ]
        return "\n".join(lines)

    def as_markdown(self) -> str:
        """The summary to paste: findings, root cause, resolution, follow-up."""
        facts, found = self.facts, self.diagnosis
        subject = f"\n\n**Subject:** {escaped(facts.subject)}" if facts.subject else ""
        lines = [
            f"## Ticket investigation: {facts.tenant_id} #{escaped(facts.ticket_id)}{subject}",
            "",
            f"**Investigated:** {clock(facts.now)}  ",
            f"**Status:** {self.status.replace('_', ' ')} ({self.where})  ",
            f"**Trace id:** {self.trace_id or 'unknown'}",
            "",
            "**Findings**",
            "",
            *(f"{number}. {one.mark} {one.name}: {escaped(one.detail)}" for number, one in enumerate(self.findings, 1)),
            "",
            f"**Root cause:** {escaped(found.words)}",
            "",
            f"**Resolution:** {found.resolution}" + (f" Next: `{found.next_command}`" if found.next_command else ""),
            "",
            f"**Follow-up:** {found.follow_up}",
            *([f"\n**Feedback:** {self._feedback()}"] if facts.opinions else []),
            *(f"\n**Missing:** {name}: {escaped(why)}" for name, why in facts.missing.items()),
        ]
        return "\n".join(lines)

    def _events(self) -> list[str]:
        if not self.timeline:
            return []
        rows = []
        for one in self.timeline:
            at = f"{one.at:%m-%d %H:%M:%S.%f}"[:-3] if one.at else ""
            place = f" [{one.position.topic} {one.position.partition}/{one.position.offset}]" if one.position else ""
            detail = f": {one.detail}" if one.detail else ""
            rows.append(f"{at:<18} {one.stage:<10} {one.what}{place}{detail}")
        return ["What happened (UTC)", *rows, ""]

    def _more(self) -> list[str]:
        facts = self.facts
        lines = [f"Trace id    {self.trace_id}"] if self.trace_id else []
        if facts.opinions:
            lines.append(f"Feedback    {self._feedback()}")
        if not facts.arrivals:
            lines.append(f"Reconcile   {fed_in(facts)}")
            lines += [
                f"Refused     {clock(one.at)} {one.status} ticket {one.ticket_id or 'unknown'}: {cause(one)}"
                for one in facts.refusals[:MOST_REFUSALS]
            ]
        lines += [f"Contact     {kind.value.replace('_', ' ')}: {one.line}" for kind, one in facts.contacts.items()]
        lines += [f"Missing     {name}: {why}" for name, why in facts.missing.items()]
        lines += [f"Looked      {words}" for words in facts.looked]
        return lines

    def _feedback(self) -> str:
        told = []
        for one in self.facts.opinions:
            rating = f" {one.rating} of 5" if one.rating is not None else ""
            told.append(f"{one.kind.value.replace('_', ' ')}{rating} at {clock(one.at)}")
        return "; ".join(told)


def where(place: Place) -> str:
    if place.stage is None:
        return "nowhere in the stages" if place.status.value in ("refused", "never_received") else "unknown"
    if place.status.value == "answered":
        return "on the ticket"
    if place.before is None:
        return f"at {place.stage}"
    before = f", {place.before} before it" if place.before else ", next in its lane"
    return f"at {place.stage}{before}"


def escaped(text: str) -> str:
    """For Markdown: what others wrote is text, not markup."""
    for sign in "\\`*[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
