"""The hard output filter: what a model wrote is held against what it was given, whatever it was told in between.

Instructions in a prompt ask a model to behave; only this makes sure. Every address, URL, article or ticket number and `[n]` in the
text must be in the input. A line that names something else is removed, a link or mark that leads elsewhere is taken out. What is
looked at is what a person would read: digits of other widths and `[.]` for a dot hide nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from processors.synthesize.writer.citation_marks import cited_in, with_known
from processors.synthesize.writer.guard_facts import (
    Facts,
    addresses,
    article_ids,
    folded,
    named_articles,
    read,
    ticket_numbers,
    urls,
)
from processors.synthesize.writer.masking.email_addresses import email_addresses
from processors.synthesize.writer.masking.masker import found
from processors.synthesize.writer.masking.phones import phones
from processors.synthesize.writer.writer import MAX_NOTE_BYTES

REQUIRED = ("problem in short", "steps")
LEAST_WORDS = 40
_IMAGE = re.compile(r"!\[([^\]\n]{0,500})\](?:\([^)\n]{0,2000}\)|\[[^\]\n]{0,200}\])")
_LINK = re.compile(r"(?<!!)\[([^\]\n]{1,500})\]\(\s*<?([^)>\s]{0,2000})>?[^)\n]{0,500}\)")
_REFERENCE = re.compile(r"^\s{0,3}\[[^\]\n]{1,200}\]:\s*\S.*$")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,2000}>|<!--.{0,2000}?-->", re.DOTALL)
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_HIDDEN = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_HEADING = re.compile(r"^#{1,6}\s+(.*?)[\s#:]*$")
_NUMBERED = re.compile(r"^(\s{0,3})\d{1,3}([.)])(\s+)")


@dataclass(frozen=True, slots=True)
class Checked:
    """`removed` says in a few words what was taken out, each kind once."""

    text: str
    removed: tuple[str, ...]


def checked(text: str, facts: Facts) -> Checked | None:
    """The text with only what the input bears out; None if nothing useful is left of it."""
    removed: dict[str, None] = {}
    lines = [_line(line, facts, removed) for line in _bare(text, removed).splitlines()]
    kept = _renumbered([line for line in lines if line is not None])
    body = _cut(_without_empty_sections(kept), removed)
    if not _useful(body):
        return None
    return Checked(body, tuple(removed))


def _bare(text: str, removed: dict[str, None]) -> str:
    """Without images, tags and characters that can't be seen: a note needs none, and each can carry data out or hide text."""
    clean = folded(_HIDDEN.sub("", text.replace("\r\n", "\n")))
    for pattern, what in ((_IMAGE, "an image"), (_TAG, "HTML")):
        clean, count = _outside_code(pattern, clean) if pattern is _TAG else pattern.subn(r"\1", clean)
        if count:
            removed[what] = None
    return clean.strip()


def _outside_code(pattern: re.Pattern[str], text: str) -> tuple[str, int]:
    """In code `<name>` is a placeholder that people write into commands."""
    parts, count = _CODE.split(text), 0
    for place in range(0, len(parts), 2):
        parts[place], found_here = pattern.subn("", parts[place])
        count += found_here
    return "".join(parts), count


def _line(line: str, facts: Facts, removed: dict[str, None]) -> str | None:
    """The line as it may stay; None if it must go."""
    if not line.strip():
        return line
    if _REFERENCE.match(line):
        removed["a link definition"] = None
        return None
    if "](" in line:
        line = _LINK.sub(lambda match: _linked(match, facts, removed), line)
    if invented := _invented(line, read(line), facts):
        removed[invented] = None
        return None
    line = _without_foreign_urls(line, facts, removed)
    return _with_known_citations(line, facts, removed)


def _invented(line: str, meant: str, facts: Facts) -> str:
    """What the line names that the input doesn't. `meant` is the line as it is read."""
    if any(not facts.knows_address(address) for address in addresses(meant)):
        return "an address that no source names"
    named = named_articles(line)
    articles = article_ids(line) | (named - facts.numbers if named else named)
    if articles and articles - facts.article_ids:
        return "an article that no source names"
    if (numbers := ticket_numbers(line)) and numbers - facts.numbers:
        return "a ticket that no source names"
    if found(meant, (email_addresses, phones)):  # those of the input were masked
        return "an e-mail address or phone number that no source names"
    if meant != line and (hidden := {*urls(meant)} - {*urls(line)}) and hidden - facts.links - facts.mentioned:
        return "a link that no source has"
    return ""


def _linked(match: re.Match[str], facts: Facts, removed: dict[str, None]) -> str:
    text, url = match.groups()
    if url in facts.links:
        return match[0]
    removed["a link that no source has"] = None
    return str(text)


def _without_foreign_urls(line: str, facts: Facts, removed: dict[str, None]) -> str:
    for url in urls(line):
        if url in facts.links:
            continue
        removed["a link that no source has"] = None
        line = line.replace(url, _defused(url) if url in facts.mentioned else "(link removed)")
    return line


def _defused(url: str) -> str:
    return url.replace("http", "hxxp", 1) if "://" in url else url.replace(".", "[.]", 1)


def _with_known_citations(line: str, facts: Facts, removed: dict[str, None]) -> str | None:
    """Marks of unknown sources go, the others stay as `[n]`; a line that leant on nothing else goes with them."""
    if "[" not in line:
        return line
    numbers = cited(line)
    if not numbers <= facts.citations:
        removed["a citation without a source"] = None
        if not numbers & facts.citations:
            return None
    parts = _CODE.split(line)
    parts[::2] = [with_known(part, facts.citations) for part in parts[::2]]
    kept = "".join(parts)
    return kept if numbers <= facts.citations else kept.rstrip()


def cited(text: str) -> set[int]:
    """The numbers that the text cites. What looks like one in code is an index."""
    return cited_in(" ".join(_CODE.split(text)[::2]))


def _renumbered(lines: list[str]) -> list[str]:
    """Ordered lists count from 1 again after lines were taken out of them."""
    count, result = 0, []
    for line in lines:
        if match := _NUMBERED.match(line):
            count += 1
            line = f"{match[1]}{count}{match[2]}{match[3]}{line[match.end() :]}"
        elif _HEADING.match(line):
            count = 0
        result.append(line)
    return result


def _without_empty_sections(lines: list[str]) -> str:
    kept: list[str] = []
    for place, line in enumerate(lines):
        following = next((one for one in lines[place + 1 :] if one.strip()), "")
        if _HEADING.match(line) and (not following or _HEADING.match(following)):
            continue
        kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def _cut(text: str, removed: dict[str, None]) -> str:
    if len(text.encode()) <= MAX_NOTE_BYTES:
        return text
    removed["the end, which was too long"] = None
    head = text.encode()[: MAX_NOTE_BYTES - 1].decode(errors="ignore")
    return head.rsplit("\n", 1)[0].rstrip() + "\n"


def _useful(text: str) -> bool:
    headings = [match[1].strip().lower() for line in text.splitlines() if (match := _HEADING.match(line))]
    return all(any(one in heading for heading in headings) for one in REQUIRED) and len(text.split()) >= LEAST_WORDS
