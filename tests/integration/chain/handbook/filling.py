"""What stands in capitals on a page, and the few examples of tenants, desks and files, as words of a command that runs here.

The handbook's README tells people the same: a test compares its table with PLACEHOLDERS.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.contract.sinks.servicedesk.authority import authority
from tests.integration.chain.shelf import ARTICLE

PLACEHOLDERS = (
    "TENANT", "TICKET", "CASE", "LETTER", "FILE", "FOLDER", "TOKEN_ID", "KEY", "SERVICE", "NAME", "TOOL", "RUN", "RECEIPT",
    "SEALER_LOG", "N", "NAME=VALUE", "KIND='NAME <E-MAIL> PHONE'",
)  # fmt: skip
TEXTS = {
    "CASE": "TS-1",
    "TOOL": "a tool",
    "NAME": "Somebody",
    "SERVICE": "replay",
    "N": "7",
    "NAME=VALUE": "gpt4_temperature=0.6",
    "KIND=NAME <E-MAIL> PHONE": "technical=Test Contact <contact@customer.example> +49 30 1",
}
EXAMPLES = {
    "msp-acme-corp": "TENANT",
    "msp-harbor-it": "TENANT",
    "my-msp": "TENANT",
    "key.txt": "FILE",
    "ticket.json": "FILE",
    "articles/": "FOLDER",
    "handover/": "FOLDER",
    "203.0.113.7,198.51.100.0/24": "127.0.0.1",  # from where the desk sends
}
DESKS = ("https://desk.customer.example", "https://desk.example.com:8443")
_WORD = re.compile(r"(?<![A-Za-z_])(?:[A-Z]+(?:_[A-Z]+)?)(?![A-Za-z_])")

_files = itertools.count(1)


class Filling:
    """For one tenant. `known` are placeholders that only the test can know; `url` is the tenant's desk."""

    def __init__(self, folder: Path, known: Mapping[str, str], url: str = "") -> None:
        self._folder, self._known, self._url = folder, known, url

    def words(self, command: Sequence[str]) -> list[str]:
        """A command as it runs here. Waits for what comes are cut short."""
        filled = [self._filled(word, command) for word in command]
        if "--seconds" in filled:
            filled[filled.index("--seconds") + 1] = "1"
        return filled

    def _filled(self, word: str, command: Sequence[str]) -> str:
        if word in TEXTS:
            return TEXTS[word]
        if word in DESKS:
            return self._url
        return _WORD.sub(lambda found: self._value(found[0], command), EXAMPLES.get(word, word))

    def _value(self, name: str, command: Sequence[str]) -> str:
        if name in ("FILE", "RECEIPT"):
            return str(self._file(tuple(command[:2]), new="--out" in command or name == "RECEIPT"))
        if name == "FOLDER":
            return str(self._a_folder(tuple(command[:2])))
        return {**TEXTS, **self._known}.get(name, name)

    def _file(self, command: tuple[str, ...], *, new: bool) -> Path:
        file = self._folder / f"{next(_files)}.jsonl"
        if not new:
            file.write_text(self._contents(command) + "\n", encoding="utf-8")
        return file

    def _contents(self, command: tuple[str, ...]) -> str:
        ticket = {"ticket_id": "1", "subject": "Printer", "description": "Jams", "resolution": "Roller cleaned"}
        request = {"request": {"id": self._known["TICKET"], "subject": "Printer", "description": "Jams"}}
        contents: dict[tuple[str, ...], str] = {
            ("tenant", "set"): authority("A client's own CA").pem,
            ("history", "import"): json.dumps(ticket),
            ("inventory", "import"): json.dumps({"asset_id": "A-1", "address": "10.0.0.1", "kind": "pc"}),
            ("webhook", "send"): json.dumps(request),
        }
        return contents.get(command, f"authtoken-of-{self._known['TENANT']}")

    def _a_folder(self, command: tuple[str, ...]) -> Path:
        folder = self._folder / str(next(_files))
        if command == ("knowledge", "import"):
            folder.mkdir()
            front = f"---\nid: {ARTICLE.article_id}\ntitle: {ARTICLE.title}\n---\n"
            (folder / "a.md").write_text(front + "Clean the roller.\n", encoding="utf-8")
        return folder
