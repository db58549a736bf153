"""The commands in the runbooks: as code blocks, or inline."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "infra/runbooks"
RUNBOOKS = sorted(file for file in FOLDER.glob("*.md") if file.name != "README.md")
PAGES = [*RUNBOOKS, FOLDER / "README.md"]

_BLOCK = re.compile(r"^ *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+(?:\n +[^`\n]+)?)`")


def commands(page: Path, program: str) -> list[list[str]]:
    """The words of each command of this program on a page. What follows the `--` of kubectl's exec is a command, too."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    lines += [" ".join(inline.split()) for inline in _INLINE.findall(_BLOCK.sub("", text))]
    parts = [part.strip() for line in lines for part in line.split(" -- ")]
    return [shlex.split(part)[1:] for part in parts if part.startswith(f"{program} ")]
