"""Knowledge articles: CSV or JSON lines with `id,title,body,topic,keywords,end_customer,link`, or Markdown with front matter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.ops.cli.imports.fields import collect, optional, required, text, words
from infra.ops.cli.imports.records import Record, read_records


@dataclass(frozen=True, slots=True)
class Article:
    """`body` is Markdown."""

    article_id: str
    title: str
    body: str
    topic: str | None = None
    keywords: tuple[str, ...] = ()
    end_customer: str | None = None
    link: str | None = None


def read_articles(path: Path) -> list[Article]:
    """Every article of a file or folder. Raises BadRows with all that is wrong."""
    return collect(read_records(path, markdown=True), _article, lambda article: article.article_id, path)


def _article(record: Record) -> Article:
    return Article(
        article_id=required(record, "id", longest=200),
        title=required(record, "title"),
        body=text(record, "body"),
        topic=optional(record, "topic"),
        keywords=words(record, "keywords"),
        end_customer=optional(record, "end_customer"),
        link=optional(record, "link", longest=2000),
    )
