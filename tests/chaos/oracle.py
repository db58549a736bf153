"""The oracle: holds the sender's ledger against the desks'. It knows nothing of how the chain works, only what it owes.

- Each ticket's newest accepted content has exactly one note, each earlier content at most one (a newer one may have overtaken it).
- A note stands on the ticket of the tenant that it speaks of, and holds no word of another tenant.
- A bad webhook gets the refusal that the contracts name, and nothing of it ever shows.
- Dead letters are exactly those that were provoked; no answer of the model is paid for again unless a kill explains it.
- No lag is left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.ledgers import Answered, Evidence, NoteAtDesk, PaidAnswer, Said
from tests.chaos.tickets import TOKEN

Where = tuple[str, str]
"""Tenant and ticket."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be."""

    tenant_id: str
    ticket_id: str
    what: str


@dataclass(slots=True)
class Verdict:
    accepted: int = 0
    notes: int = 0
    paid: int = 0
    lost: list[Finding] = field(default_factory=list)
    doubled: list[Finding] = field(default_factory=list)
    crossed: list[Finding] = field(default_factory=list)
    never_accepted: list[Finding] = field(default_factory=list)
    wrong_refusals: list[Finding] = field(default_factory=list)
    wrong_dead_letters: list[Finding] = field(default_factory=list)
    paid_again: list[Finding] = field(default_factory=list)
    paid_again_excused: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)

    def findings(self) -> dict[str, list[Finding]]:
        """By kind, those that there are."""
        kinds = {
            "lost": self.lost, "doubled": self.doubled, "crossed": self.crossed, "never accepted": self.never_accepted,
            "wrong refusals": self.wrong_refusals, "wrong dead letters": self.wrong_dead_letters, "paid again": self.paid_again,
        }  # fmt: skip
        return {kind: found for kind, found in kinds.items() if found}

    @property
    def right(self) -> bool:
        return not self.findings() and not any(self.lag.values())


def judge(evidence: Evidence) -> Verdict:
    """What is wrong, if anything."""
    verdict = Verdict(
        accepted=len({(one.tenant_id, one.ticket_id) for one in evidence.said if one.accepted}),
        notes=len(evidence.notes),
        paid=len(evidence.paid),
        dead_letters=dict(Counter(letter.reason for letter in evidence.letters)),
        lag=dict(evidence.lag),
    )
    contents = _by_ticket(evidence.said)
    about = _attributed(evidence, contents, verdict)
    for where, said in contents.items():
        _count_notes(where, said, about[where], verdict)
    verdict.wrong_refusals += _wrong(evidence.answered)
    verdict.wrong_dead_letters += _unprovoked(evidence)
    _look_at_payments(evidence, verdict)
    return verdict


def _by_ticket(said: tuple[Said, ...]) -> dict[Where, list[Said]]:
    contents: defaultdict[Where, list[Said]] = defaultdict(list)
    for one in sorted(said, key=lambda one: one.number):
        contents[one.tenant_id, one.ticket_id].append(one)
    return contents


def _attributed(evidence: Evidence, contents: dict[Where, list[Said]], verdict: Verdict) -> dict[Where, Counter[int]]:
    """How many notes each content of each ticket has; notes that are where they don't belong go into the verdict."""
    owners = {token: one.tenant_id for one in evidence.said for token in one.tokens}
    owners |= dict.fromkeys(evidence.strangers, "")
    about: defaultdict[Where, Counter[int]] = defaultdict(Counter)
    for note in evidence.notes:
        found = set(TOKEN.findall(note.text))
        verdict.crossed += _strange(note, found, owners)
        mine = [one.number for one in contents.get((note.tenant_id, note.ticket_id), ()) if one.tokens[0] in found]
        if mine:
            about[note.tenant_id, note.ticket_id][max(mine)] += 1
        else:
            verdict.crossed.append(_at(note, f"note {note.note_id} says nothing that this ticket says"))
    return about


def _strange(note: NoteAtDesk, found: set[str], owners: dict[str, str]) -> Iterator[Finding]:
    for token in sorted(found):
        owner = owners.get(token)
        if owner != note.tenant_id:
            whose = {None: "nobody", "": "a refused webhook"}.get(owner, owner)
            yield _at(note, f"note {note.note_id} holds {token} of {whose}")


def _at(note: NoteAtDesk, what: str) -> Finding:
    return Finding(note.tenant_id, note.ticket_id, what)


def _count_notes(where: Where, said: list[Said], notes: Counter[int], verdict: Verdict) -> None:
    verdict.never_accepted += [
        Finding(*where, f"content {one.number} never answered 2xx") for one in said if not one.accepted
    ]
    verdict.doubled += [
        Finding(*where, f"{count} notes for content {number}") for number, count in sorted(notes.items()) if count > 1
    ]
    newest = max((one.number for one in said if one.accepted), default=None)
    if newest is not None and not notes[newest] and all(one.accepted for one in said):
        verdict.lost.append(Finding(*where, f"no note for content {newest} of {len(said)}"))


def _wrong(answered: tuple[Answered, ...]) -> list[Finding]:
    return [
        Finding(one.tenant_id, one.ticket_id, f"{one.kind}: answered {one.status}, expected {' or '.join(map(str, one.expected))}")
        for one in answered
        if one.status not in one.expected
    ]  # fmt: skip


def _unprovoked(evidence: Evidence) -> list[Finding]:
    """Those too many, and those missing. A record that was written twice may have two."""
    expected = evidence.expected_letters
    there = {(letter.tenant_id, letter.ticket_id, letter.reason): letter for letter in evidence.letters}
    found = [
        Finding(letter.tenant_id, letter.ticket_id, f"{letter.reason}: {letter.error[:200]}")
        for key, letter in there.items()
        if key not in expected | evidence.permitted_letters
    ]
    return found + [
        Finding(tenant, ticket, f"{why} is missing") for tenant, ticket, why in sorted(expected - there.keys())
    ]


def _look_at_payments(evidence: Evidence, verdict: Verdict) -> None:
    owners = {one.tokens[0]: one for one in evidence.said}
    by_token: defaultdict[str, list[PaidAnswer]] = defaultdict(list)
    for answer in evidence.paid:
        by_token[answer.token].append(answer)
    for token, answers in by_token.items():
        answers.sort(key=lambda answer: answer.started)
        for first, second in pairwise(answers):
            if any(first.started <= at <= second.started for at in evidence.excuses):
                verdict.paid_again_excused += 1
                continue
            owner = owners.get(token)
            where = (owner.tenant_id, owner.ticket_id) if owner else ("", "")
            apart = second.started - first.ended
            verdict.paid_again.append(
                Finding(*where, f"{token} answered again {apart:.1f} s after its answer, no kill between")
            )
