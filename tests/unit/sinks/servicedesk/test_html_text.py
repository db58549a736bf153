"""A desk's HTML as text."""

from __future__ import annotations

import time

import pytest

from sinks.servicedesk.html_text import cut_to_bytes, to_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain text", "plain text"),
        ("  line one\nline two  ", "line one\nline two"),
        ("<div>Hi,<br><br>up to <b>98&nbsp;%</b></div>", "Hi,\n\nup to 98 %"),
        ("a < b and b > c", "a < b and b > c"),
        ("R&amp;D\n  indented", "R&D\n  indented"),
        ("<p>one\ntwo</p><p>three</p>", "one two\n\nthree"),
        ("<pre>one\ntwo</pre>", "one\ntwo"),
        ("before<script>alert('<b>x</b>')</script>after", "before after"),
        ("x<STYLE type='a'>p{}</sTyLe >y", "x y"),
        ("x<!-- <b>no</b> -->y", "x y"),
        ("x<script>never closed", "x"),
        ("x<!-- never closed", "x"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n\n- two"),
        ("<table><tr><td>host</td><td>10.0.0.1</td></tr></table>", "host | 10.0.0.1 |"),
        ("<a title=\"a > b\" href='x'>link</a>", "link"),
        ("&lt;script&gt;kept as text&lt;/script&gt; <b>b</b>", "<script>kept as text</script> b"),
        ("&#0;&#xD800;<br>x", "\ufffd\ufffd\nx"),
        ("<img src=x onerror=alert(1)>seen", "seen"),
        ("1 <2 and <3", "1 <2 and <3"),
    ],
)
def test_html_becomes_text(source: str, text: str) -> None:
    assert to_text(source) == (text, False)


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<a",
        "<a ",
        '<a "',
        "<a '\"",
        "<!--",
        "<script",
        "<script>",
        "</script ",
        "<![CDATA[",
        "&",
        "&#",
        "&lt",
        "<b>",
        " \n",
        "<a\"'",
        "<li <",
    ],
)
def test_no_hostile_html_takes_long(unit: str) -> None:
    source = "<b>" + unit * (1024 * 1024 // len(unit))
    started = time.perf_counter()
    to_text(source)
    assert time.perf_counter() - started < 2


def test_an_overlong_source_is_cut_and_says_so() -> None:
    text, cut = to_text("<b>" + "x" * 1024 * 1024)
    assert cut
    assert len(text) < 1024 * 1024


def test_text_is_cut_between_characters() -> None:
    assert cut_to_bytes("äää", 6) == ("äää", False)
    assert cut_to_bytes("äää", 5) == ("ää", True)
    assert cut_to_bytes("\U0001f600" * 3, 11) == ("\U0001f600" * 2, True)


@pytest.mark.parametrize("around", ["{}", "<p>{}</p>", "a &amp; {} b"])
def test_a_reference_too_long_to_be_a_number_is_no_character(around: str) -> None:
    text, _ = to_text(around.format("&#" + "1" * 5000 + ";"))
    assert "\ufffd" in text
    assert "1" not in text
