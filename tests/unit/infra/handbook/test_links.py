"""Every link and picture on the pages leads somewhere: the file is there, and the heading in it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.unit.infra.handbook.pages import HANDBOOK, HANDBOOK_PAGES, PAGES, ROOT, RUNBOOK_FOLDER, RUNBOOKS, page, shown

CODE = ("infra", "ingest", "processors", "schemas", "sinks")
EXAMPLES = ("example.com", "example.org", "127.0.0.1")


def broken(file: Path) -> list[str]:
    """Links of the page that lead nowhere."""
    return [link for link in page(file).links if not _leads_somewhere(file, link)]


def _leads_somewhere(file: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme == "https" and "." in parts.netloc and parts.hostname not in EXAMPLES
    target = (file.parent / parts.path).resolve() if parts.path else file
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not parts.fragment or (target.suffix == ".md" and parts.fragment in page(target).anchors)


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_links_lead_somewhere(file: Path) -> None:
    assert broken(file) == []


def test_the_indexes_lead_to_every_page() -> None:
    """Nobody has to know that a page is there."""
    reached, left = set[Path](), [HANDBOOK / "README.md"]
    while left:
        file = left.pop()
        reached.add(file)
        targets = {(file.parent / urlsplit(link).path).resolve() for link in page(file).links if "://" not in link}
        left += [one for one in targets if one.suffix == ".md" and one.is_relative_to(HANDBOOK) and one not in reached]

    assert {shown(file) for file in HANDBOOK_PAGES} - {shown(file) for file in reached} == set()


def test_the_index_leads_to_every_runbook() -> None:
    linked = {urlsplit(link).path for link in page(RUNBOOK_FOLDER / "README.md").links}

    assert {file.name for file in RUNBOOKS} - linked == set()


def test_pages_that_the_code_names_are_there() -> None:
    """In messages, remedies and docstrings."""
    named = re.compile(r"(?:infra/handbook|\{_HANDBOOK\})/([\w/-]+\.md)|(?:infra/runbooks|\{_RUNBOOKS\})/(\w+\.md)")
    suffixes = (".py", ".toml", ".html", ".txt")
    files = [file for folder in CODE for file in (ROOT / folder).rglob("*") if file.suffix in suffixes]
    found = {match.groups() for file in files for match in named.finditer(file.read_text(encoding="utf-8"))}

    targets = {HANDBOOK / page if page else RUNBOOK_FOLDER / runbook for page, runbook in found}
    assert len(targets) > 10
    assert {shown(file) for file in targets if not file.exists()} == set()


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    index = HANDBOOK / "README.md"
    assert not _leads_somewhere(index, "no-such-page.md")
    assert not _leads_somewhere(index, "lag.md#no-such-heading")
    assert not _leads_somewhere(index, "http://www.standardwebhooks.com")
    assert _leads_somewhere(index, "lag.md#the-service")
    assert _leads_somewhere(index, "https://www.standardwebhooks.com")


def test_anchors_are_githubs(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# P1: what `now`?\n## A.\n## A\n### Über uns (*neu*) & mehr\n", encoding="utf-8")

    assert page(file).anchors == {"p1-what-now", "a", "a-1", "über-uns-neu--mehr"}
