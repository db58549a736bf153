"""The review as Markdown and as a page: what others wrote stays text, and the page needs nothing but itself."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from infra.ops.report import markdown, page
from infra.ops.report.charts import Chart
from infra.ops.report.criteria import percent
from infra.ops.report.review import review
from tests.unit.infra.ops.report.planted import HOSTILE, full, rows

MAY_STAND = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p", "div", "table", "caption", "thead",
    "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "desc", "line", "polyline", "circle", "text", "details", "summary",
    "blockquote", "pre", "ul", "li",
}  # fmt: skip


class Seen(HTMLParser):
    """Elements, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html() -> str:
    return review(full()).as_html()


def test_the_page_is_well_formed_and_runs_and_fetches_nothing(html: str) -> None:
    seen = Seen(html)

    assert seen.open == []
    assert set(seen.elements) <= MAY_STAND
    assert not {name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "href", "style")}
    assert "url(" not in html and "@import" not in html
    assert "default-src &#x27;none&#x27;" in html


def test_what_others_wrote_is_text_on_the_page(html: str) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html and "<img" not in html


def test_every_chart_has_its_name_and_its_values_in_words(html: str) -> None:
    assert html.count('role="img"') == 4
    ids = re.findall(r'id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) == 8
    for names in re.findall(r'aria-labelledby="([^"]+)"', html):
        assert set(names.split()) <= set(ids)
    assert "2026-W47 98" in html
    assert "2026-W42 no data" in html


def test_all_tenants_make_one_page_with_a_table_of_all_and_ids_of_their_own() -> None:
    text = page.document([review(full()), review(replace(rows(), tenant_id="msp-two"))])

    assert "Weekly review 2026-W47: 2 tenants" in text
    assert "<h2>msp-two</h2>" in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == 16


def test_markdown_keeps_what_others_wrote_as_text() -> None:
    text = review(full()).as_markdown()
    outside_code = re.sub(r"(`{3,})text\n.*?\n\1\n", "", text, flags=re.DOTALL)

    for dangerous in ("<script", "<img", "![", "*b*", "https://"):
        assert dangerous not in outside_code
    assert re.findall(r"(?<!\\)[\[\]]", outside_code) == []
    for line in outside_code.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in (5, 7, 8, 11), line


def test_a_notes_text_cannot_end_its_own_fence() -> None:
    text = review(full()).as_markdown()

    fence = re.search(r"^(`+)text$", text, re.MULTILINE)
    assert fence and len(fence[1]) == 4
    assert text.count(fence[1] + "\n") == 1


def test_texts_are_not_told_where_they_were_not_asked_for() -> None:
    planted = full()
    without = replace(
        planted,
        comments=None,
        worst=tuple(replace(one, note=replace(one.note, comments=()), text=None) for one in planted.worst),
    )
    for text in (review(without).as_markdown(), review(without).as_html()):
        assert "Wrong site" not in text
        assert "wrong site" not in text
        assert "8 comments were written. ticketstream report --with-text --reason CASE shows" in text
        assert "80017" in text


def test_markdown_of_all_tenants_begins_with_a_table_of_all() -> None:
    text = markdown.document([review(full()), review(replace(rows(), tenant_id="msp-two"))])

    assert text.index("| tenant | success |") < text.index("## msp")
    assert "| msp-two | 98 % |" in text


def test_a_chart_has_a_gap_where_a_week_has_no_data() -> None:
    chart = Chart(
        "c", "<b>", ["2026-W45", "2026-W46", "2026-W47", "2026-W48", "2026-W49"], [1.0, 0.9, None, 0.8, 0.9], percent
    )

    assert chart.svg().count("<polyline") == 2
    assert chart.svg().count("<circle") == 4
    assert "&lt;b&gt;" in chart.svg()


@pytest.mark.parametrize("values", [[None], [0.5], [None, None], [0.7, 0.7]])
def test_a_chart_of_little_is_a_chart(values: list[float | None]) -> None:
    svg = Chart("c", "c", [f"2026-W{number:02}" for number in range(1, len(values) + 1)], values, percent).svg()

    assert "nan" not in svg and "inf" not in svg


def test_hostile_text_is_one_line_of_plain_text() -> None:
    assert "\n" not in markdown.plain("a\nb\r\nc")
    assert re.findall(r"(?<!\\)[<>|*\[\]`]", markdown.plain(HOSTILE)) == []
    assert markdown.plain("_a_ desk_refused http://x www.x.y") == r"\_a\_ desk_refused http\://x www\.x.y"
