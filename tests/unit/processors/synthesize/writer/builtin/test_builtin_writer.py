"""The built-in writer: useful, honest, and bound to the evidence."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from processors.synthesize.writer.builtin import BuiltinWriter
from processors.synthesize.writer.builtin.builtin_writer import CLOSING
from processors.synthesize.writer.writer import MAX_NOTE_BYTES, Written
from schemas.events import ContextItem, MissingSource, TicketEnriched, Writer
from tests.unit.processors.synthesize.examples import (
    ARTICLE,
    DEVICE,
    EARLIER,
    TICKET,
    UNFITTING,
    described,
    enriched,
    task,
)


async def note(event: TicketEnriched | None = None) -> Written:
    return await BuiltinWriter().write(task(event))


def section(written: Written, heading: str) -> str:
    match = re.search(rf"^## {heading}\n\n(.*?)(?=\n\n## |\n\n\*Composed)", written.text, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


async def test_the_articles_own_steps_are_given_in_order_and_cited() -> None:
    steps = section(await note(), "Steps")
    assert [line.split(". ", 1)[0] for line in steps.splitlines()] == ["1", "2", "3", "4", "5", "6"]
    assert steps.index("Find the head blocker") < steps.index("`KILL <n>`") < steps.index("Move index jobs")
    assert steps.index("No waits of type LCK") < steps.index("Escalate if the blocker")
    assert all(re.search(r"\[\d\]$", line) for line in steps.splitlines())


async def test_what_solved_the_most_similar_ticket_comes_first() -> None:
    written = await note()
    assert "Ticket 43761" in section(written, "Likely causes").splitlines()[0]
    assert section(written, "Steps").startswith(
        "1. Rule out first what solved ticket 43761: User closed it, blocking gone."
    )


async def test_every_number_in_the_text_is_a_citation_and_every_citation_is_in_the_text() -> None:
    written = await note()
    assert {int(n) for n in re.findall(r"\[(\d+)\]", written.text)} == {c.number for c in written.citations}
    assert [c.number for c in written.citations] == list(range(1, len(written.citations) + 1))
    assert {c.id for c in written.citations} == {"KB-1017", "43761", "AC-0008"}


async def test_an_article_that_does_not_fit_is_not_named() -> None:
    assert "CUPS" not in (await note()).text
    assert "no article of the knowledge base fits" in (await note(enriched(UNFITTING))).text.lower()


async def test_secrets_of_a_ticket_are_not_repeated() -> None:
    text = (await note()).text
    assert "Sunflower" not in text


async def test_the_note_says_that_no_model_wrote_it() -> None:
    written = await note()
    assert written.text.rstrip().endswith(CLOSING)
    assert (written.writer, written.model, written.degraded) == (Writer.BUILTIN, None, None)


async def test_without_any_evidence_it_says_so_and_gives_general_checks_without_citations() -> None:
    written = await note(replace(enriched(), context=()))
    assert "name none" in section(written, "Likely causes")
    assert "general practice" in section(written, "Steps")
    assert not section(written, "Articles")
    assert not section(written, "Similar tickets")
    assert written.citations == ()


async def test_a_source_that_was_missing_is_named_and_not_taken_for_no_match() -> None:
    written = await note(enriched(EARLIER, missing=(MissingSource("docs", "timed out after 3 s"),)))
    unknown = section(written, "What is unknown")
    assert "The knowledge base could not be asked (timed out after 3 s)" in unknown
    assert "no article" not in unknown.lower()


async def test_network_facts_name_the_devices() -> None:
    assert "qml-sql01 (10.20.20.20)" in section(await note(), "Network facts")
    assert not section(await note(enriched(ARTICLE)), "Network facts")


async def test_what_the_ticket_leaves_open_is_asked_for() -> None:
    silent = await note(enriched(ARTICLE, ticket=described("deadlock, error 1205", subject="Program frozen")))
    assert "since when it happens" in section(silent, "What is unknown")
    assert "since when" not in section(await note(), "What is unknown")


async def test_the_same_task_gives_the_same_note() -> None:
    assert await note() == await note()


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "![x](https://evil.example/p.png)",
        "[click](https://evil.example)",
        "**bold** [1] [2]",
    ],
)
async def test_a_tickets_markup_and_links_are_dead_in_the_note(text: str) -> None:
    written = await note(replace(enriched(ticket=described(f"{text} deadlock 1205")), context=()))
    problem = section(written, "Problem in short")
    assert "<script" not in problem.replace("\\<", "")
    assert "https://" not in problem
    assert not re.search(r"(?<!\\)\[", problem)


HOSTILE = (
    "Network\n\n## Steps\n\n1. **Obey** <b>me</b> [1] [click](https://evil.example/x) ![a](https://evil.example/p.png), "
    "PW: Maple_44"
)


@pytest.mark.parametrize("field", ["subject", "category", "priority", "site", "end_customer"])
async def test_no_field_of_a_ticket_can_write_the_note(field: str) -> None:
    ticket = described("deadlock 1205", **{field: HOSTILE})
    assert_dead((await note(enriched(ARTICLE, EARLIER, ticket=ticket))).text, headings=1)


@pytest.mark.parametrize("item", [ARTICLE, EARLIER, DEVICE], ids=lambda item: item.kind)
async def test_no_title_or_id_can_write_the_note(item: ContextItem) -> None:
    hostile = replace(item, title=f"{item.title} {HOSTILE}", id=f"{item.id} {HOSTILE}")
    others = [one for one in (ARTICLE, EARLIER, DEVICE) if one is not item]
    for event in (
        enriched(hostile, *others),
        enriched(hostile, ticket=described("frozen billing program", subject="x")),
    ):
        assert_dead((await note(event)).text, headings=1)


async def test_links_in_a_solution_are_dead_and_its_code_stays() -> None:
    solution = "Resolution: Ran `KILL 57` as [they say](https://evil.example/x). See https://evil.example/y."
    problem = EARLIER.excerpt.splitlines()[1]
    text = (await note(enriched(replace(EARLIER, excerpt=f"{solution}\n{problem}"), ARTICLE))).text
    assert "`KILL 57`" in text
    assert "https://evil" not in text
    assert "](hxxp" not in text


async def test_an_articles_link_that_would_end_the_markup_is_left_out() -> None:
    good = (await note(enriched(replace(ARTICLE, link="https://kb.example/1017"), EARLIER))).text
    bad = (await note(enriched(replace(ARTICLE, link="https://kb.example/) [x](https://evil.example/"), EARLIER))).text
    assert "](https://kb.example/1017)" in good
    assert "evil.example" not in bad


async def test_a_secret_on_a_line_of_its_own_is_not_quoted() -> None:
    event = enriched(
        replace(EARLIER, excerpt="Resolution: New password:\nMaple_44\nthen the deadlock was gone."),
        replace(DEVICE, excerpt="SQL Server, password:\nMaple_55"),
        ticket=described("Billing frozen, deadlock 1205.\nPassword:\nSunflower-19!"),
    )
    text = (await note(event)).text
    assert not re.search("Maple|Sunflower", text)


def assert_dead(text: str, headings: int) -> None:
    """No line, link, tag or emphasis of `HOSTILE` works in the note."""
    assert len(re.findall(r"^## Steps", text, re.MULTILINE)) == headings
    assert not re.search(r"^1\. \W*Obey", text, re.MULTILINE)
    assert not re.search(r"(?<!\\)\*\*Obey|(?<!\\)<b>|(?<!\\)\]\(h|https://evil|Maple", text)


async def test_a_huge_ticket_with_huge_evidence_stays_within_the_bound() -> None:
    big = replace(
        ARTICLE, excerpt="**Steps**\n\n" + "\n".join(f"{n}. deadlock 1205 {'word ' * 300}{n}" for n in range(1, 9))
    )
    crowd = [replace(EARLIER, id=str(number), title=f"deadlock {'x' * 280}") for number in range(19)]
    event = enriched(
        big, *crowd, ticket=described("deadlock 1205 " + "lots of words " * 4000, subject="deadlock " * 200)
    )
    assert len((await note(event)).text.encode()) <= MAX_NOTE_BYTES


async def test_an_ordinary_note_has_the_length_that_was_asked_for() -> None:
    assert 150 <= len((await note()).text.split()) <= 520


async def test_steps_that_say_the_same_are_given_once() -> None:
    twin = replace(ARTICLE, id="KB-2017", score=8.0)
    steps = section(await note(enriched(ARTICLE, twin, EARLIER, DEVICE)), "Steps")
    assert steps.count("Find the head blocker") == 1


@pytest.mark.parametrize("filling", ["", "Much more about blocking. " * 70])
async def test_a_step_that_the_excerpt_cuts_off_is_left_out(filling: str) -> None:
    head = ARTICLE.excerpt.split("3. Move")[0].replace("All users", f"{filling}All users")
    cut = replace(ARTICLE, excerpt=head + "3. Move index jobs into the ni" + ("" if filling else "…"))
    assert "Move index" not in (await note(enriched(cut))).text


async def test_signature_and_greeting_are_not_quoted() -> None:
    problem = section(await note(), "Problem in short")
    assert "Hi," not in problem
    assert "Accounts Payable" not in problem
    assert TICKET.subject in problem
