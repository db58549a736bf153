"""Reading excerpts: the parts of an article, of an earlier ticket, and sentences."""

from __future__ import annotations

import pytest

from processors.synthesize.writer.builtin import article, earlier_ticket
from processors.synthesize.writer.builtin.wording import from_records, from_ticket, sentences, shortened


def test_the_parts_of_an_article_are_told_apart() -> None:
    found = article.parsed(
        "**Symptom.** Bar stops.\n\n**What the number tells**\n\n- 10 %: not reached.\n- 40 %: TLS.\n\n"
        "**Steps, in this order**\n\n1. First\n   goes on.\n2) Second.\n\n**Check.** Works.\n\n**Escalate** if not."
    )
    assert found.symptom == "Bar stops."
    assert found.other.splitlines() == ["10 %: not reached.", "40 %: TLS."]
    assert found.steps == ["First goes on.", "Second."]
    assert (found.check, found.escalate) == ("Works.", "if not.")


def test_markdown_headings_serve_as_well_as_bold_words() -> None:
    found = article.parsed("## Cause\n\nA cable.\n\n## Solution\n\n1. Pull it.\n2. Push it.\n")
    assert (found.causes, found.steps) == ("A cable.", ["Pull it.", "Push it."])


def test_an_article_without_structure_has_no_steps() -> None:
    assert article.parsed("Just some prose. And more.").steps == []


@pytest.mark.parametrize(
    "excerpt",
    [
        "Resolution: Closed the workbook.\nIt stayed away.\nProblem: frozen again,\nsince eight.",
        "Problem: frozen again,\nsince eight.\n\nResolution: Closed the workbook.\nIt stayed away.",
        "frozen again,\nsince eight.\n\n**Resolution:** Closed the workbook.\nIt stayed away.",
    ],
)
def test_problem_and_resolution_of_a_ticket_are_told_apart_in_any_order(excerpt: str) -> None:
    found = earlier_ticket.parsed(excerpt)
    assert found.reported == "frozen again,\nsince eight."
    assert found.resolution == "Closed the workbook.\nIt stayed away."


def test_a_ticket_without_resolution_has_none() -> None:
    assert earlier_ticket.parsed("Problem: the resolution of the screen is bad").resolution == ""


def test_abbreviations_and_numbers_do_not_end_a_sentence() -> None:
    assert sentences("Use e.g. 10.20.20.20 now. Then go! At 14:00 done") == [
        "Use e.g. 10.20.20.20 now.",
        "Then go!",
        "At 14:00 done",
    ]


def test_text_is_shortened_at_a_sentence_else_at_a_word() -> None:
    assert shortened("One two three. Four five six.", 4) == "One two three."
    assert shortened("one two three four five", 3) == "one two three …"
    assert shortened("see `lpstat -p -d` now", 2).count("`") % 2 == 0


def test_text_of_a_ticket_has_no_live_markup_and_text_of_records_keeps_its_code() -> None:
    assert from_ticket("a [1] <b> *x* http://e.example") == "a (1) \\<b\\> \\*x\\* hxxp://e.example"
    assert from_records("run `KILL <n>` <b>now</b> [3]") == "run `KILL <n>` \\<b>now\\</b> (3)"
