"""The note as HTML. The text comes from a language model that read what strangers wrote, so nothing in it is trusted.

No raw HTML reaches the Markdown reader, so every tag that it writes is its own; links that are neither a citation's nor our own,
and all pictures, become plain text there; what comes out is cleaned once more against a short list of tags. Desks, and the mail
that they send of a note, make links of bare addresses: those that are no citation's are written with brackets, as security teams
write them (https[:]//evil[.]example), so that nobody follows one without meaning to. Source: OWASP, "LLM01 prompt injection" (a
picture or link can carry ticket content away), CommonMark 0.31.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from html import escape, unescape
from itertools import accumulate
from urllib.parse import urlsplit

import nh3
from pyromark import Markdown, Options

from processors.deliver.marker import shown, without_markers
from processors.deliver.ports import Ending, FeedbackLinks
from schemas.events import Citation, EnhancementSynthesized, Writer
from sinks.servicedesk.types import Note

MAX_TEXT_CHARS = 12_000
"""Three times what a writer is asked for."""

MAX_NOTE_BYTES = 60 * 1024
MAX_CITATIONS = 20
MAX_LABEL_CHARS = 200
CUT = "\n\n(The text was cut here because of its length.)"

_TAGS = (
    {"a", "b", "strong", "em", "small", "code", "pre", "br", "hr", "p", "blockquote", "ul", "ol", "li"}
    | {"h3", "h4", "h5", "h6"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
_MARKDOWN = Markdown(options=Options.ENABLE_TABLES)
_HEADING_LEVELS = {"1": "3", "2": "4", "3": "5", "4": "6", "5": "6", "6": "6"}

MAX_DEPTH = 20
"""How deep lists, quotations and emphasis may stand in each other: browsers and desks were not made for thousands."""

# What might begin an HTML tag; "<https://...>" and "<name@...>" are Markdown's own.
_MIGHT_BE_HTML = re.compile(r"<(?!(?:https?://[^\s<>]*|[^\s<>@]+@[^\s<>]+)>)")
_LESS_THAN = "\ufdd0"  # stands for it while Markdown is read: a code point that is never a character
_PICTURE = re.compile(r'<img src="[^"]*" alt="([^"]*)"[^>]*>')
_LINK = re.compile(r'<a href="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
_BETWEEN = "(?:<[^<>]*>)*"  # tags, which a reader doesn't see
_ADDRESS = re.compile(
    rf"<[^<>]*>"
    rf"|(?P<scheme>[a-z0-9+.-]*)(?P<colon>:?)(?P<slashes>{_BETWEEN}/{_BETWEEN}/)(?P<host>(?={_BETWEEN}[^\s<>/])[^\s<>/?#]*)(?P<rest>[^\s<>]*)"
    rf"|(?P<www>\bwww{_BETWEEN}\.)(?P<site>[^\s<>/?#]*)",
    re.IGNORECASE,
)
_DOT = re.compile(r"\.(?=\w)")
_GOES_ON = re.compile(r"(?:</?(?:a|em|strong|code)\b[^<>]*>)+[^\s\w<]?\w")  # for a reader, who doesn't see tags
_ENDS_SENTENCE = ".,;:!?)]}\"'*"
_HEADING = re.compile("<(/?)h([1-6])>")
_NESTING = re.compile("<(/?)(?:ul|ol|blockquote|em|strong)[ >]")


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
                return Note(html, shown(marker), event.tenant_id)
            limit //= 2


def markdown_to_html(text: str, allowed: frozenset[str]) -> str:
    """Markdown as HTML without raw HTML, pictures, or links that aren't in `allowed`; headings begin at the third level. What
    stands deeper in each other than 20 levels is shown as it is written."""
    plain = text.replace(_LESS_THAN, "\ufffd").replace("\0", "\ufffd")
    html = _MARKDOWN.html(_MIGHT_BE_HTML.sub(_LESS_THAN, plain)).replace(_LESS_THAN, "&lt;")
    if _depth(html) > MAX_DEPTH:
        return f"<pre>{escape(plain, quote=False)}</pre>"
    html = _PICTURE.sub(r"\1", html)
    html = _LINK.sub(partial(_harmless, allowed=allowed), html)
    html = _without_addresses(html, allowed)
    return _HEADING.sub(lambda found: f"<{found[1]}h{_HEADING_LEVELS[found[2]]}>", html)


def _without_addresses(html: str, allowed: frozenset[str]) -> str:
    """Addresses that stand between the tags in a form that no reader makes a link of, unless they are allowed."""

    def written(found: re.Match[str]) -> str:
        whole = found.group()
        if whole.startswith("<"):
            return whole
        if unescape(whole).rstrip(_ENDS_SENTENCE) in allowed and not _GOES_ON.match(html, found.end()):
            return whole
        if found["www"]:
            return f"{found['www'][:-1]}[.]{_DOT.sub('[.]', found['site'])}"
        begin = f"{found['scheme']}[:]{found['slashes']}" if found["colon"] else f"{found['scheme']}[//]"
        return begin + f"{_DOT.sub('[.]', found['host'])}{found['rest']}".replace("://", "[:]//")

    return _ADDRESS.sub(written, html)


def _depth(html: str) -> int:
    """How many lists, quotations and emphases stand in each other at most."""
    return max(accumulate(-1 if slash else 1 for slash in _NESTING.findall(html)), default=0)


def _harmless(link: re.Match[str], allowed: frozenset[str]) -> str:
    """A link without its title if it is allowed, else its words. No link stands in another."""
    href, words = link.groups()
    return f'<a href="{href}">{words}</a>' if unescape(href) in allowed else words


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
    return _without_addresses(without_markers(escape((text or "").strip()[:MAX_LABEL_CHARS])), frozenset())


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
