"""The pages that people read: handbook, runbooks, README and the chart's README, as GitHub reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[4]
HANDBOOK = ROOT / "infra/handbook"
RUNBOOK_FOLDER = ROOT / "infra/runbooks"
CHART_README = ROOT / "helm/ticketstream/README.md"
README = ROOT / "README.md"

RUNBOOKS = sorted(file for file in RUNBOOK_FOLDER.glob("*.md") if file.name != "README.md")
RUNBOOK_PAGES = [*RUNBOOKS, RUNBOOK_FOLDER / "README.md"]
HANDBOOK_PAGES = sorted(HANDBOOK.rglob("*.md"))
WITH_COMMANDS = [*HANDBOOK_PAGES, *RUNBOOK_PAGES, README]
PAGES = [*WITH_COMMANDS, CHART_README]

_NO_WORD = re.compile(r"[^\w\- ]")
_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(page: Path) -> str:
    """The page's name in a test's report."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Block:
    """A code block. `language` is empty where none is named."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a page. `inline` is inline code, `links` are those of links and pictures, `anchors` what links may name."""

    file: Path
    blocks: tuple[Block, ...]
    inline: tuple[str, ...]
    links: tuple[str, ...]
    anchors: frozenset[str]


@cache
def page(file: Path) -> Page:
    tokens = _READER.parse(file.read_text(encoding="utf-8"))
    children = [child for token in tokens for child in token.children or ()]
    blocks = [
        Block(one.info.strip(), one.content, one.map[0] + 1 if one.map else 0)
        for one in tokens
        if one.type in ("fence", "code_block")
    ]
    links = [child.attrs.get("href") or child.attrs.get("src") for child in children]
    return Page(
        file,
        tuple(blocks),
        tuple(" ".join(child.content.split()) for child in children if child.type == "code_inline"),
        tuple(str(link) for link in links if link),
        frozenset(_anchors(tokens)),
    )


def _anchors(tokens: list[Token]) -> Iterator[str]:
    """As GitHub makes them of headings: small letters, hyphens for spaces, no punctuation; a second one of a name gets `-1`."""
    seen: dict[str, int] = {}
    for before, token in pairwise(tokens):
        if before.type != "heading_open":
            continue
        words = "".join(child.content for child in token.children or () if child.type in ("text", "code_inline"))
        anchor = _NO_WORD.sub("", words.lower()).replace(" ", "-")
        number = seen[anchor] = seen.get(anchor, -1) + 1
        yield f"{anchor}-{number}" if number else anchor
