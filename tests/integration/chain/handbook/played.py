"""The training's hands-on modules, played line by line as a participant does. What takes seconds to show is tried again."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.chain.handbook.filling import TEXTS
from tests.integration.chain.handbook.runners import Runners
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import Tenant
from tests.unit.infra.handbook.commands import SHELL, expected
from tests.unit.infra.handbook.pages import page

SEEN_TOKEN = re.compile(r"\btso_[\w-]{20,}")
SEEN_TICKET = re.compile(r"^Ticket (\S+) is now at", re.MULTILINE)
PATIENCE = 60.0
LOCAL_DESK = re.compile(r"http://127\.0\.0\.1:8090")


def lines(file: Path) -> Iterator[str]:
    """What a participant types."""
    for block in page(file).blocks:
        if block.language in SHELL:
            yield from block.text.splitlines()


@dataclass(slots=True)
class Participant:
    """With a tenant and a folder of their own. `known` grows as they go: the last ticket, its dead letter, variables."""

    tenant: Tenant
    runners: Runners
    folder: Path
    known: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    async def play(self, file: Path) -> None:
        """Raises AssertionError with the line that ends otherwise than the page says."""
        (self.folder / ".state").symlink_to(self.tenant.chain.stack.state_dir)
        for line in lines(file):
            filled = await self._filled(line)
            if filled.startswith("export "):
                name, _, value = filled.removeprefix("export ").partition("=")
                self.variables[name] = value
            elif " ticketstream " in f" {filled}":
                await self._command(filled)
            else:
                await self._shell(filled)

    async def _command(self, line: str) -> None:
        variables, _, rest = line.rpartition("ticketstream ")
        words, codes = shlex.split(rest, comments=True), expected(line)
        if words[-1] == "--watch":
            return
        given = dict(one.split("=", 1) for one in variables.split())
        said = ""

        async def ends_as_told() -> bool:
            nonlocal said
            result = await (self.runners.apart(words, given) if given else self.runners.run(words, self.folder))
            said = result.told()
            if found := SEEN_TOKEN.findall(result.said):
                self.known["tso_…"] = found[-1]
            if found := SEEN_TICKET.findall(result.said):
                self.known["TICKET"] = found[-1]
            return result.code in codes

        try:
            await until(ends_as_told, line, seconds=PATIENCE)
        except AssertionError:
            raise AssertionError(f"exit codes {codes} were told, but: {said}") from None

    async def _shell(self, line: str) -> None:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", line, cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, (line, said.decode())

    async def _filled(self, line: str) -> str:
        if "LETTER" in line:
            await self._letter()
        for name, value in {**TEXTS, "TENANT": self.tenant.tenant_id, **self.known}.items():
            line = re.sub(rf"(?<![A-Z_]){re.escape(name)}(?![A-Z_])", value, line)
        for name, value in self.variables.items():
            line = line.replace(f"${name}", value)
        assert self.tenant.chain.stack.endpoints.servicedesk
        return LOCAL_DESK.sub(self.tenant.chain.stack.endpoints.servicedesk.rstrip("/"), line)

    async def _letter(self) -> None:
        async def there() -> str | None:
            listed = await self.tenant.chain.command("dead-letters", "list", "--tenant", self.tenant.tenant_id)
            letters = [str(one["letter"]) for one in listed["dead_letters"]]
            return letters[-1] if letters else None

        self.known["LETTER"] = str(await until(there, f"a dead letter of {self.tenant.tenant_id}"))
