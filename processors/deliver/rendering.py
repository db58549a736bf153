"""The note as HTML. The text comes from a language model that read what strangers wrote, so nothing in it is trusted.

Markdown is read with raw HTML switched off; links that are neither a citation's nor our own, and all pictures, become plain text
while it is still a token tree; what comes out is cleaned once more against a short list of tags. Source: OWASP, "LLM01 prompt
injection" (a picture or link can carry ticket content away), CommonMark 0.31.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from processors.deliver.marker import shown, without_markers
from processors.deliver.ports import Ending, FeedbackLinks
from schemas.events import Citation, EnhancementSynthesized, Writer
from sinks.servicedesk.types import Note

MAX_TEXT_CHARS = 12_000
"""Three times what a writer is asked for. Reading Markdown can take time with the square of its length: here at most 0.2 s."""

MAX_NOTE_BYTES = 60 * 1024
MAX_CITATIONS = 20
MAX_LABEL_CHARS = 200
CUT = "\n\n(The text was cut here because of its length.)"

_TAGS = (
    {"a", "b", "strong", "em", "small", "code", "pre", "br", "hr", "p", "blockquote", "ul", "ol", "li"}
    | {"h3", "h4", "h5", "h6"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 20}).enable("table")


class NoteRenderer:
    """Renders is its Protocol. A note is at most 60 KiB of HTML."""

    def __init__(self, links: FeedbackLinks) -> None:
        self._links = links

    def render(self, event: EnhancementSynthesized, marker: str, earlier: Ending | None) -> Note:
        feedback = self._links.url(event)
        limit = MAX_TEXT_CHARS
        while True:
            body = _cut(event.text, limit)
            html = cleaned(_page(event, body, feedback, marker, earlier), _allowed(event.citations) | {feedback})
            if len(html.encode()) <= MAX_NOTE_BYTES or limit < 500:
                return Note(html, shown(marker))
            limit //= 2


def markdown_to_html(text: str, allowed: frozenset[str]) -> str:
    """Markdown as HTML without raw HTML, pictures, or links that aren't in `allowed`; headings begin at the third level."""
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        token.tag = _HEADINGS.get(token.tag, token.tag)
        if token.children:
            token.children = list(_harmless(token.children, allowed))
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def _harmless(tokens: Sequence[Token], allowed: frozenset[str]) -> Iterator[Token]:
    """The inline tokens with pictures as their alternative text and strange links as theirs."""
    kept: list[bool] = []
    for token in tokens:
        if token.type == "image":
            yield Token("text", "", 0, content=token.content)
        elif token.type == "link_open":
            kept.append(str(token.attrs.get("href", "")) in allowed)
            token.attrs.pop("title", None)
            if kept[-1]:
                yield token
        elif token.type != "link_close" or (kept and kept.pop()):
            yield token


def _page(event: EnhancementSynthesized, body: str, feedback: str, marker: str, earlier: Ending | None) -> str:
    return "\n".join(
        [
            f"<p><b>ticketstream</b>: suggestions for this ticket, written by {_writer(event)}. "
            "Check them before you act on them.</p>",
            *_degraded(event),
            *_replaces(event, earlier),
            "<hr>",
            without_markers(markdown_to_html(body, _allowed(event.citations))),
            *_sources(event.citations),
            "<hr>",
            f'<p>Was this any good? <a href="{escape(feedback)}">Tell us</a>, it takes ten seconds.</p>',
            f"<p><small>{escape(shown(marker))}</small></p>",
        ]
    )


def _writer(event: EnhancementSynthesized) -> str:
    if event.writer is Writer.BUILTIN:
        return "the built-in writer, without a language model"
    return f"the language model {_label(event.model)}" if event.model else "a language model"


def _degraded(event: EnhancementSynthesized) -> list[str]:
    if not event.degraded:
        return []
    return [f"<p><b>Less than usual:</b> {_label(event.degraded)}</p>"]


def _replaces(event: EnhancementSynthesized, earlier: Ending | None) -> list[str]:
    if earlier is None or earlier.note_id is None:
        return []
    note = f"our note of {earlier.at:%Y-%m-%d %H:%M} UTC"
    if event.again:
        return [f"<p>This replaces {note}, at the request of an operator.</p>"]
    return [f"<p>The ticket has changed: this replaces {note}.</p>"]


def _sources(citations: Sequence[Citation]) -> list[str]:
    if not citations:
        return []
    lines = [f"<li>[{citation.number}] {_source(citation)}</li>" for citation in citations[:MAX_CITATIONS]]
    return ["<p><b>Sources</b></p>", "<ul>", *lines, "</ul>"]


def _source(citation: Citation) -> str:
    title = _label(citation.title or citation.id)
    if citation.link and _is_web(citation.link):
        title = f'<a href="{escape(citation.link)}">{title}</a>'
    return f"{title} ({_label(citation.source)})"


def _label(text: str | None) -> str:
    """A short text of somebody else's, as HTML."""
    return escape(without_markers((text or "").strip())[:MAX_LABEL_CHARS])


def _allowed(citations: Sequence[Citation]) -> frozenset[str]:
    return frozenset(c.link for c in citations[:MAX_CITATIONS] if c.link and _is_web(c.link))


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and url.isprintable()
        and not set(url) & set(" \"'<>`\\")
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + CUT


def cleaned(html: str, allowed: frozenset[str]) -> str:
    """The second net, should the first one have a hole: only these tags, no attribute but an allowed link."""

    def attribute(tag: str, name: str, value: str) -> str | None:
        return value if (tag, name) == ("a", "href") and value in allowed else None

    return nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href"}},
        attribute_filter=attribute,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
