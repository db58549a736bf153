"""The output filter: nothing leaves that the input doesn't bear out."""

from __future__ import annotations

import pytest

from processors.synthesize.writer.guard import Checked, checked, cited
from processors.synthesize.writer.guard_facts import Facts, addresses
from processors.synthesize.writer.writer import MAX_NOTE_BYTES

FACTS = Facts.of(
    records=(
        "[1] Article KB-1017: SQL Server blocking\nsee https://kb.example/1017, 10.20.20.20 and 2001:db8::17\n"
        "[2] Earlier ticket 43761, solved: frozen"
    ),
    ticket="52103\nopen https://evil.example/login or evil.example/login now, 192.0.2.7",
    citations=frozenset({1, 2}),
)
INVENTED_MARKS = (
    *(
        "[7-9]",
        "[7–9]",
        "[ 9 ]",
        "[#9]",
        "[8/9]",
        "[8 and 9]",
        "[Source 9]",
        "[sources 8, 9]",
        "[^9]",
        "【9】",
        "［９］",
    ),
    *("\\[9\\]", "[9.]", "[**9**]", "[see 9]", "[9 to 12]", "[9‑10]", "[[9]]", "[٩]"),
)
FRAME = """## Problem in short

The billing program stands still for everybody in the team since this morning, as the ticket says and the monitor confirms.

## Steps

1. Look for the head blocker with the query of the article and write down the session. [1]
{line}
3. Ask that person to finish before anything is ended by force, then watch for an hour. [2]
"""


def check(line: str) -> Checked:
    result = checked(FRAME.format(line=line), FACTS)
    assert result is not None
    return result


@pytest.mark.parametrize(
    "line",
    [
        "2. Ping 10.20.20.20 and 2001:DB8:0:0::17 from the jump host. [1]",
        "2. Read KB-1017 and ticket 43761, then ticket #52103. [1][2]",
        "2. See https://kb.example/1017 for the query. [1, 2]",
        "2. `$rows[100]` and `KILL <n>` are typed as they stand. [1]",
        "2. Mask 255.255.255.0, loopback 127.0.0.1, no answer 169.254.1.1. [1]",
        "2. FortiOS 7.4.8, error 1205, port 1433, 12:30:45, MAC 00:1a:2b:3c:4d:5e. [1]",
        "2. Write to {EMAIL_1} or ring {PHONE_1}. [1]",
        "2. General advice needs no number.",
        "2. At [12:30] on [2026-11-02] in build [7.4.8] press [F5], then [ ] tick. [1]",
        "2. Read article 1017 and sys.dm_exec_requests, then setup.exe/quiet, AD/DNS or and/or. [1]",
        "2. A dump has 512 KB 4242 times. [1]",
    ],
)
def test_what_the_input_has_stays_as_it_is(line: str) -> None:
    assert check(line) == Checked(FRAME.format(line=line), ())


@pytest.mark.parametrize(
    "line",
    [
        "2. Log in at 10.66.6.6 and look. [1]",
        "2. Ping 2001:db8::bad. [1]",
        "2. Install KB5005033 first. [1]",
        "2. The same as ticket 99999. [2]",
        "2. The same as #99999. [2]",
        "2. Ring +44 20 7946 0018 for help. [1]",
        "2. Write to support@evil.example. [1]",
        "2. An invented case says so. [9]",
        *(f"2. An invented case says so. {mark}" for mark in INVENTED_MARKS),
        "2. Log in at 10.66.6[.]6 and look. [1]",
        "2. Log in at 10(.)66(.)6(.)6 and look. [1]",
        "2. Log in at 10．66．6．6 and look. [1]",
        "2. Log in at １０.66.6.٦ and look. [1]",
        "2. Log in at 10.66.6.06 and look. [1]",
        "2. Log in at hxxps://new[.]example/login and look. [1]",
        "2. Read article 4242 first. [1]",
        "2. Read article no. 4242 first. [1]",
        "2. Read KB#1042 first. [1]",
        "2. Read KB_1042 first. [1]",
        "2. Read KB 99 first. [1]",
        "2. The same as request ID=99999. [2]",
        "[click]: https://evil.example/x",
    ],
)
def test_a_line_that_names_something_invented_goes_and_is_noted(line: str) -> None:
    result = check(line)
    assert line.removeprefix("2. ").rsplit(" [", 1)[0] not in result.text
    assert result.text.count("\n1. ") == result.text.count("\n2. ") == 1, "the list counts on without a gap"
    assert len(result.removed) == 1


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("2. Open [the portal](https://evil.example/login). [1]", "2. Open the portal. [1]"),
        ("2. Open https://new.example/x. [1]", "2. Open (link removed). [1]"),
        ("2. Open https://evil.example/login. [1]", "2. Open hxxps://evil.example/login. [1]"),
        ("2. Look ![at](https://evil.example/?d=1) it. [1]", "2. Look at it. [1]"),
        ("2. Bold <b onclick=x()>text</b>. [1]", "2. Bold text. [1]"),
        ("2. Borne out by one of two. [1][9]", "2. Borne out by one of two. [1]"),
        ("2. Borne out by one of two. [1, 9]", "2. Borne out by one of two. [1]"),
        ("2. Borne out by one of two. [1/9]", "2. Borne out by one of two. [1]"),
        ("2. Borne out by one of two. [1 and 9]", "2. Borne out by one of two. [1]"),
        ("2. Borne out by two. [1–2]", "2. Borne out by two. [1][2]"),
        ("2. Borne out by two. [Source 1] 【2】", "2. Borne out by two. [1] [2]"),
        ("2. Borne out by two. [#1] [ 2 ]", "2. Borne out by two. [1] [2]"),
        ("2. Open new.example/login. [1]", "2. Open (link removed). [1]"),
        ("2. Open evil.example/login. [1]", "2. Open evil[.]example/login. [1]"),
        ("2. half \ud83d of one. [1]", "2. half  of one. [1]"),
        ("2. hid\u200bden\u202e text. [1]", "2. hidden text. [1]"),
    ],
)
def test_links_images_tags_and_foreign_marks_are_taken_out_of_a_line(line: str, left: str) -> None:
    assert f"\n{left}\n" in check(line).text


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("ping 10.66.6[.]6 or 10.66.6.7: both", "2. Log in at 10.66.6.6, then 10.66.6.7. [1]"),
        ("kept at\n１０.66.6.٦", "2. Log in at 10.66.6.6 and look. [1]"),
        ("2001:DB8:0::bad/64", "2. Ping 2001:db8::bad. [1]"),
        ("Kb no. 5005033", "2. Install KB5005033 first. [1]"),
        ("known as INC-99999", "2. The same as ticket 99999. [1]"),
        ("build 4242", "2. Read article 4242 first. [1]"),
        ("see (WWW.new.example/a)", "2. See WWW.new.example/a for more. [1]"),
        ("see new.example/a, then go on", "2. See new.example/a for more. [1]"),
    ],
)
def test_a_source_bears_out_what_it_names_in_whatever_form(source: str, line: str) -> None:
    text = FRAME.format(line=line)
    facts = Facts.of(records=f"much text before it {source} and after", ticket="52103", citations=frozenset({1, 2}))
    assert checked(text, facts) == Checked(text, ())


def test_a_link_of_the_records_stays_live() -> None:
    line = "2. Open [the article](https://kb.example/1017). [1]"
    assert line in check(line).text


def test_a_section_of_which_nothing_is_left_goes_with_its_heading() -> None:
    result = checked(FRAME.format(line="2. Wait. [1]") + "\n## Articles\n\n- KB-9999 says all. [7]\n", FACTS)
    assert result is not None
    assert "Articles" not in result.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't help with that.",
        FRAME.format(line="2. x").replace("## Steps", "## Poem"),
        "## Problem in short\n\nShort.\n\n## Steps\n\n1. Wait.\n",
        "## Problem in short\n\nx\n\n## Steps\n\n" + "1. Go to 10.66.6.6 and then do many more things there. [1]\n" * 9,
    ],
)
def test_a_text_of_which_nothing_useful_is_left_is_none(text: str) -> None:
    assert checked(text, FACTS) is None


def test_a_text_that_is_too_long_ends_at_a_line() -> None:
    text = FRAME.format(line="2. " + "and so on " * 20) + "- äöü more words [1]\n" * 1000
    result = checked(text, FACTS)
    assert result is not None
    assert MAX_NOTE_BYTES - 100 < len(result.text.encode()) <= MAX_NOTE_BYTES
    assert result.text.endswith("more words [1]\n")
    assert result.removed == ("the end, which was too long",)


def test_addresses_are_compared_by_value() -> None:
    assert addresses("10.01.1.001") == {"10.1.1.1"}
    assert addresses("2001:0DB8::0017, 10.1.1.1:443, v1.2.3, 1.2.3.4.5, 999.1.1.1") == {"2001:db8::17", "10.1.1.1"}


def test_cited_numbers_are_read_in_all_forms() -> None:
    assert cited("a [1], b [2][3], c [4, 5], `x[6]`") == {1, 2, 3, 4, 5}
    assert cited("a [1-3], b [#4] [ 5 ], c [Source 6 and 7] [^8]") == set(range(1, 9))
    assert cited("[2026-11-02] [12:30] [10.20.20.20] [52101] [x] [F5] [Article 1017]") == set()
    assert cited("[1-9999]") == {1, 9999}, "a range is not expanded without end"
