"""The table of all values in the chart's README, from values.yaml. `python -m tests.contract.helm.values_table` writes it anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.helm.chart import CHART, values

README = CHART / "README.md"
HEAD = "| value | default | what it is |\n|---|---|---|\n"
_LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_]+):")
_COMMENT = re.compile(r"^ *# -- (?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class Row:
    """A value by its path, and what values.yaml says above it."""

    path: tuple[str, ...]
    text: str

    def line(self, all_values: Any) -> str:
        found = all_values
        for part in self.path:
            found = found[part]
        return f"| `{'.'.join(self.path)}` | `{json.dumps(found, ensure_ascii=False)}` | {self.text} |"


def rows(text: str) -> Iterator[Row]:
    """The values that have a comment `# --`, in their order."""
    path: list[tuple[int, str]] = []
    comment: str | None = None
    for line in text.splitlines():
        if said := _COMMENT.match(line):
            comment = said["text"]
        elif key := _LINE.match(line):
            depth = len(key["indent"])
            path = [(indent, name) for indent, name in path if indent < depth] + [(depth, key["key"])]
            if comment is not None:
                yield Row(tuple(name for _, name in path), comment)
                comment = None


def leaves(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every value that isn't a map of others."""
    if isinstance(found, dict) and found:
        for name, below in found.items():
            yield from leaves(below, (*path, name))
    else:
        yield path


def table() -> str:
    all_values = values()
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    return HEAD + "".join(f"{row.line(all_values)}\n" for row in rows(text))


def write(readme: Path = README) -> None:
    before, found, after = readme.read_text(encoding="utf-8").partition(HEAD)
    if not found:
        raise SystemExit(f"{readme}: there is no table that begins with {HEAD!r}")
    rest = after.splitlines(keepends=True)
    while rest and rest[0].startswith("|"):
        rest.pop(0)
    readme.write_text(before + table() + "".join(rest), encoding="utf-8")


if __name__ == "__main__":
    write()
