"""The oracle on ledgers made by hand: everything that must not be turns it red, each under its own name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.evidence import paid_answers
from tests.chaos.ledgers import Answered, Evidence, Letter, NoteAtDesk, PaidAnswer, Said
from tests.chaos.oracle import Verdict, judge

ONE, EDITED, OTHER, FORGED = "zq" + "a" * 14, "zq" + "b" * 14, "zq" + "c" * 14, "zq" + "d" * 14

TICKET = Said("acme", "1", 0, (ONE, "zq" + "h" * 14), accepted=True)
EDIT = Said("acme", "1", 1, (EDITED,), accepted=True)
STRANGER = Said("harbor", "1", 0, (OTHER,), accepted=True)
NOTE = NoteAtDesk("acme", "1", "n1", f"The requester reports: printer {ONE} is out of paper")
NOTE_OF_EDIT = NoteAtDesk("acme", "1", "n2", f"The requester reports: printer {EDITED} burns")
OTHERS_NOTE = NoteAtDesk("harbor", "1", "n3", f"problem with {OTHER}")
RIGHT = Evidence(said=(TICKET, STRANGER), notes=(NOTE, OTHERS_NOTE), strangers=frozenset({FORGED}))


def kinds(verdict: Verdict) -> list[str]:
    return list(verdict.findings())


def test_one_note_for_each_ticket_is_right() -> None:
    verdict = judge(RIGHT)

    assert verdict.right and (verdict.accepted, verdict.notes) == (2, 2)


def test_a_ticket_without_note_is_lost() -> None:
    verdict = judge(replace(RIGHT, notes=(NOTE,)))

    assert kinds(verdict) == ["lost"] and verdict.lost[0].tenant_id == "harbor" and not verdict.right


def test_a_second_note_about_the_same_content_is_doubled() -> None:
    assert kinds(judge(replace(RIGHT, notes=(NOTE, replace(NOTE, note_id="n9"), OTHERS_NOTE)))) == ["doubled"]


@pytest.mark.parametrize("earlier", [(NOTE,), ()], ids=["both noted", "superseded"])
def test_an_edit_may_have_a_further_note_or_replace_the_first(earlier: tuple[NoteAtDesk, ...]) -> None:
    assert judge(replace(RIGHT, said=(TICKET, EDIT), notes=(*earlier, NOTE_OF_EDIT))).right


def test_an_edit_whose_content_has_no_note_is_lost() -> None:
    assert kinds(judge(replace(RIGHT, said=(TICKET, EDIT), notes=(NOTE,)))) == ["lost"]


def test_the_earlier_content_noted_twice_is_doubled() -> None:
    notes = (NOTE, replace(NOTE, note_id="n9"), NOTE_OF_EDIT)

    assert kinds(judge(replace(RIGHT, said=(TICKET, EDIT), notes=notes))) == ["doubled"]


@pytest.mark.parametrize(
    "word", [OTHER, FORGED, "zq" + "x" * 14], ids=["of another tenant", "of a forger", "of nobody"]
)
def test_a_word_of_anybody_else_is_crossed(word: str) -> None:
    crossed = replace(NOTE, text=f"{NOTE.text}, as with {word}")

    assert kinds(judge(replace(RIGHT, notes=(crossed, OTHERS_NOTE)))) == ["crossed"]


def test_a_word_of_the_same_tenants_other_ticket_is_context() -> None:
    other = Said("acme", "2", 0, (EDITED,), accepted=True)
    notes = (replace(NOTE, text=f"{NOTE.text}; earlier: {EDITED}"), replace(NOTE_OF_EDIT, ticket_id="2"), OTHERS_NOTE)

    assert judge(replace(RIGHT, said=(*RIGHT.said, other), notes=notes)).right


def test_a_note_on_the_ticket_of_the_same_number_of_another_tenant_is_crossed_and_its_ticket_lost() -> None:
    assert kinds(judge(replace(RIGHT, notes=(NOTE, replace(OTHERS_NOTE, tenant_id="acme"))))) == ["lost", "crossed"]


def test_a_note_without_a_word_of_its_ticket_is_crossed() -> None:
    assert kinds(judge(replace(RIGHT, notes=(NOTE, OTHERS_NOTE, replace(NOTE, text="restart it"))))) == ["crossed"]


def test_a_ticket_that_was_never_accepted_is_told() -> None:
    assert kinds(judge(replace(RIGHT, said=(replace(TICKET, accepted=False), STRANGER)))) == ["never accepted"]


@pytest.mark.parametrize("status", [202, 400, None])
def test_any_other_answer_than_the_contracts_is_a_wrong_refusal(status: int | None) -> None:
    right = Answered("acme", "1", "wrong secret", (403,), 403)

    assert judge(replace(RIGHT, answered=(right,))).right
    assert kinds(judge(replace(RIGHT, answered=(replace(right, status=status),)))) == ["wrong refusals"]


def test_dead_letters_are_exactly_those_provoked() -> None:
    letter = Letter("acme", "1", "conflicting_duplicate")
    expected = frozenset({("acme", "1", "conflicting_duplicate")})

    assert judge(replace(RIGHT, letters=(letter, letter), expected_letters=expected)).right
    assert kinds(judge(replace(RIGHT, letters=(letter,)))) == ["wrong dead letters"]
    assert kinds(judge(replace(RIGHT, expected_letters=expected))) == ["wrong dead letters"]


def test_an_answer_paid_twice_needs_a_kill_between() -> None:
    paid = (PaidAnswer(ONE, 10.0, 11.0), PaidAnswer(ONE, 20.0, 21.0))

    assert kinds(judge(replace(RIGHT, paid=paid, excuses=(9.0, 20.5)))) == ["paid again"]
    excused = judge(replace(RIGHT, paid=paid, excuses=(10.5,)))
    assert excused.right and excused.paid_again_excused == 1


def test_lag_that_is_left_is_not_right() -> None:
    assert not judge(replace(RIGHT, lag={"deliver": 1})).right


@pytest.mark.parametrize(
    ("status", "fault", "paid"),
    [
        (200, "", True),
        (200, "latency", True),
        (200, "latency+garbage", False),
        (200, "error_in_200", False),
        (429, "latency+rate_limit", False),
        (0, "latency", True),
        (0, "latency+hang", False),
        (0, "reset", False),
    ],
)
def test_an_answer_is_paid_when_it_is_whole_or_was_not_waited_for(
    status: int, fault: str, paid: bool, tmp_path: Path
) -> None:
    journal = tmp_path / "model.jsonl"
    call = {"subject": f"Printer {ONE} burns", "status": status, "fault": fault, "started": 1.0, "ended": 2.0}
    journal.write_text(json.dumps(call) + "\n")

    assert bool(paid_answers(journal)) is paid
