"""The secrets that are looked for, and commands that know them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from infra.ops.cli.tenancy import create_tenant
from infra.ops.local.servicedesk_simulator import DeskSettings
from infra.runtime.keys.signing import SigningKey
from sinks.postgres.tenants import Change, NewTenant
from tests.integration.canaries.conftest import Aviary
from tests.integration.canaries.needles import Needles
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import Tenant

PATIENCE = 60.0
DEBUG = {"TICKETSTREAM_LOG_LEVEL": "DEBUG"}
Command = tuple[Mapping[str, str], tuple[str, ...]]
"""What it finds in its environment beside the rest, and its words."""
COMMANDS = """
import json, os, sys
from infra.ops.cli.main import run
surroundings, codes = dict(os.environ), []
for environment, words in json.loads(sys.stdin.read()):
    os.environ.clear()
    os.environ.update(surroundings | environment)
    print("$", *words, flush=True)
    codes.append(run(words))
print("codes", *codes)
"""


@dataclass
class Flock:
    """What was planted, and what plants more."""

    aviary: Aviary
    folder: Path
    needles: Needles = field(default_factory=Needles)

    @property
    def chain(self) -> RunningChain:
        return self.aviary.chain

    def plant(self, name: str) -> str:
        """A new secret, which will be looked for."""
        secret = f"canary-{token_hex(16)}"
        self.needles.add(name, secret)
        return secret

    async def tenant(self, name: str, settings: DeskSettings, credential: str, **own: Any) -> Tenant:
        """With settings of its `own`."""
        tenant_id = f"canary-{name}"
        base = await self.chain.desks.put_desk(tenant_id, settings)
        new = NewTenant(tenant_id, base, credential, settings.kind, settings=own)
        change = Change("tests", "signed order", agreed_by="Head of IT")
        created = await create_tenant(self.chain.surroundings(), self.chain.pool, new, change)
        self.needles.add(f"webhook secret of {tenant_id}", created.secret.raw)
        self.needles.add(f"webhook secret of {tenant_id} as whsec", created.secret.whsec)
        return Tenant(self.chain, tenant_id, created.settings.partition, created.secret.whsec)

    async def run(self, *commands: Command) -> list[int]:
        """The exit codes of commands; what they print is searched."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMANDS,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**self.chain.environment, "TICKETSTREAM_STATE_DIR": str(self.chain.stack.state_dir)},
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(json.dumps(commands).encode()), PATIENCE)
        self.needles.look("commands:stdout and stderr", out)
        return [int(code) for code in out.decode().rpartition("codes ")[2].split()]

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.write_text(content)
        return str(path)


def plant_what_the_stack_made(flock: Flock) -> None:
    needles, stack, environment = flock.needles, flock.chain.stack, flock.chain.environment
    for name, secret in flock.aviary.chosen.items():
        needles.add(name, secret)
    for name, dsn in environment.items():
        if name.startswith("DATABASE_URL"):
            password = urlsplit(dsn).password
            assert password, name
            needles.add(f"password in {name}", password)
    folder = stack.state_dir / "secrets"
    for file in folder.glob("*.ring"):
        encoded = file.read_text().strip().partition(":")[2]
        needles.add(f"{file.name}, raw", b64decode(encoded))
        needles.add(file.name, encoded)
    for file in (folder / "signing").glob("*.pem"):
        needles.add(f"private key of {file.stem}", SigningKey.load(file)._private.private_bytes_raw())
        body = "".join(line for line in file.read_text().splitlines() if re.fullmatch(r"[A-Za-z0-9+/=]+", line))
        needles.add(f"PEM of {file.stem}", body)
