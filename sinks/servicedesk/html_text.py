"""A desk's HTML as plain text: tags dropped, blocks as lines, scripts and styles gone. One pass a step, whatever the input.

`html.parser` takes quadratic time on some malformed documents (CVE-2025-6069), so hostile HTML is met with expressions that
can't backtrack. What comes out is text, not safe HTML: who writes it into a page must escape it.
"""

from __future__ import annotations

import html
import re

MAX_SOURCE_CHARACTERS = 512 * 1024

_ATTRIBUTES = r"(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+"
# Starts with a literal, so that the search skips from one "<" to the next. A name must end there: <jane@site.example> is no tag.
_MARKUP = re.compile(
    r"<(?:!--.*?(?:-->|\Z)"
    r"|(script|style|head|title|template|noscript)\b[^<>]*+>.*?(?:</\1\s*+>|\Z)"
    rf"|(/?[a-z][a-z0-9]*+)(?=[\s/>]){_ATTRIBUTES}>"
    rf"|[!?][a-z]{_ATTRIBUTES}>)",
    re.DOTALL | re.IGNORECASE,
)
_BLOCKS = (
    *("p", "div", "br", "hr", "tr", "table", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"),
    *("section", "article", "dl", "dt", "dd"),
)
_STANDS_FOR = {form: "\n" for name in _BLOCKS for form in (name, f"/{name}")} | {
    "li": "\n- ",
    "/td": " | ",
    "/th": " | ",
    **dict.fromkeys(("b", "/b", "i", "/i", "u", "/u", "a", "/a", "em", "/em", "span", "/span", "font", "/font"), ""),
}
_ENDLESS_REFERENCE = re.compile(r"&#[0-9]{1000,}+;?")
_BLANK_LINES = re.compile(r"\n{3,}")


def to_text(source: str) -> tuple[str, bool]:
    """The text, and whether some of an overlong source was left out."""
    if "<" not in source and "&" not in source:
        return source.strip(), False
    cut = len(source) > MAX_SOURCE_CHARACTERS
    source = source[:MAX_SOURCE_CHARACTERS]
    # In HTML a line break is a space, but in preformatted text; without tags it isn't HTML ("R&D", a log line with an arrow).
    flowing = source if "<pre" in source or "<PRE" in source else " ".join(source.split())
    text, tags = _MARKUP.subn(_stands_for, flowing)
    if not tags:
        return _unescaped(source).replace("\u00a0", " ").strip(), cut
    if "&" in text:
        text = _unescaped(text)
    text = "\n".join([" ".join(line.split()) for line in text.split("\n")]).strip()
    return _BLANK_LINES.sub("\n\n", text) if "\n\n\n" in text else text, cut


def cut_to_bytes(text: str, limit: int) -> tuple[str, bool]:
    """At most `limit` bytes of UTF-8, cut between characters, and whether it was cut."""
    if len(text) * 4 <= limit:
        return text, False
    data = text.encode()
    if len(data) <= limit:
        return text, False
    return data[:limit].decode("utf-8", "ignore"), True


def _unescaped(text: str) -> str:
    """Character references as characters. Python reads no number of more than 4,300 digits, and none means a character."""
    try:
        return html.unescape(text)
    except ValueError:
        return html.unescape(_ENDLESS_REFERENCE.sub("\ufffd", text))


def _stands_for(markup: re.Match[str]) -> str:
    name = markup[2]
    if name is None:
        return " "
    return _STANDS_FOR.get(name) or _STANDS_FOR.get(name.lower(), "")
