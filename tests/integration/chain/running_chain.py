"""The whole chain as it runs: where its parts are, and the command line that works on it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.ops.cli.surroundings import Surroundings
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack import LocalStack
from infra.runtime.postgres.pool import Pool
from schemas.topics import Stage
from tests.integration.chain.tap import Tap

PREFIX = "chain."
PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
HANDLED = re.compile(r"^ticketstream_events_handled_total\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


class CommandFailed(AssertionError):
    """A command ended with another exit code than 0."""


@dataclass(frozen=True, slots=True)
class RunningChain:
    """`environment` is what the services inherited and what commands get. `pool` has the operator's role."""

    stack: LocalStack
    environment: Mapping[str, str]
    session: aiohttp.ClientSession
    pool: Pool
    desks: SimulatorControl
    tap: Tap

    @property
    def ingest(self) -> str:
        assert self.stack.endpoints.ingest
        return self.stack.endpoints.ingest

    @property
    def registry(self) -> str:
        assert self.stack.endpoints.registry
        return self.stack.endpoints.registry

    @property
    def kafka(self) -> str:
        assert self.stack.endpoints.kafka
        return self.stack.endpoints.kafka

    def surroundings(self) -> Surroundings:
        return Surroundings(self.stack.state_dir, self.environment)

    async def command(self, *words: str) -> dict[str, Any]:
        """What `ticketstream WORDS --json` prints, run as a process of its own. Raises CommandFailed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *words, "--json",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**self.environment, "TICKETSTREAM_STATE_DIR": str(self.stack.state_dir)},
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode != 0:
            raise CommandFailed(f"ticketstream {' '.join(words)}: exit code {process.returncode}\n{err.decode()}")
        found: dict[str, Any] = json.loads(out)
        return found

    def lines(self, ticket_id: str) -> list[dict[str, Any]]:
        """What the processes logged about a ticket, in the order of time."""
        files = (self.stack.state_dir / "logs").glob("*.log")
        written = [line for file in files for line in file.read_text(errors="replace").splitlines()]
        found = [json.loads(line) for line in written if line.startswith("{") and f'"{ticket_id}"' in line]
        return sorted((line for line in found if line.get("ticket_id") == ticket_id), key=lambda one: one["timestamp"])

    async def handled(self, stage: Stage, tenant_id: str) -> dict[tuple[str, str], int]:
        """How many of a tenant's events a stage handled, by outcome and reason, as Prometheus sees it."""
        async with self.session.get(f"{self.stack.endpoints.internal[stage.value]}/metrics") as answer:
            text = await answer.text()
        counts: dict[tuple[str, str], int] = {}
        for match in HANDLED.finditer(text):
            labels = dict(LABEL.findall(match["labels"]))
            if labels["tenant_id"] == tenant_id:
                counts[labels["outcome"], labels["reason"]] = int(float(match["count"]))
        return counts
