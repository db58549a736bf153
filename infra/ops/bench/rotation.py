"""`bench rotation`: a tenant's webhook secret is exchanged while its desk sends 50 webhooks a second, and none is refused.

The desk is ten senders. When `tenant rotate-secret` shows the new secret, half of them use it from that instant on; the others
follow one by one while both are in use; then `--end-old` ends the old one, and all send on. The commands are processes of their
own, as people run them; the edge is the local stack's.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from infra.ops.bench.figures import Bench
from infra.ops.cli.webhook_request import headers, new_webhook_id, send
from infra.ops.local.stack.options import StackOptions, WantedPorts
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, service_groups
from infra.ops.local.stack.stack import LocalStack

RATE = 50.0
SENDERS = 10
SECONDS = 60.0
COMMAND_SECONDS = 60.0
SEEN_SECONDS = 15.0
ACCEPTED = 202
NO_ANSWER = 0
TENANT = "bench-rotation"
OLD, NEW = "old", "new"
_PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"

Send = Callable[[bytes], Awaitable[int]]
"""One webhook signed with this raw key; the status of its answer."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Webhooks a second, and for how long: with the old secret only, with both, and with the new one only."""

    rate: float = RATE
    before: float = SECONDS / 6
    both: float = SECONDS / 2
    after: float = SECONDS / 6


@dataclass(slots=True)
class RotatingDesk:
    """Senders that share a rate. `answered` counts by secret and status, 0 for no answer at all."""

    send: Send
    key: bytes
    rate: float = RATE
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    _keys: list[tuple[str, bytes]] = field(default_factory=list)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._keys = [(OLD, self.key)] * SENDERS

    @property
    def refused(self) -> dict[str, int]:
        """How many were not accepted, by `secret status`."""
        return {f"{name} {status}": n for (name, status), n in self.answered.items() if status != ACCEPTED}

    def accepted(self, name: str) -> int:
        return self.answered[name, ACCEPTED]

    def switch(self, senders: Sequence[int], key: bytes) -> None:
        """From the next webhook on these senders sign with the new key."""
        for number in senders:
            self._keys[number] = (NEW, key)

    async def run(self) -> None:
        """Send at the rate, whatever the answers take, until cancelled; then await those under way."""
        started, sent = time.monotonic(), 0
        try:
            while True:
                await asyncio.sleep(max(0.0, started + sent / self.rate - time.monotonic()))
                name, key = self._keys[sent % SENDERS]
                task = asyncio.create_task(self._one(name, key))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
                sent += 1
        finally:
            await asyncio.gather(*self._under_way)

    async def _one(self, name: str, key: bytes) -> None:
        try:
            status = await self.send(key)
        except (aiohttp.ClientError, TimeoutError):
            status = NO_ANSWER
        self.answered[name, status] += 1


async def rotate_under_load(
    desk: RotatingDesk, rotate: Callable[[], Awaitable[bytes]], end_old: Callable[[], Awaitable[object]], pace: Pace
) -> bytes:
    """The whole exchange; the new raw key. `rotate` returns it the instant that it is shown."""
    sending = asyncio.create_task(desk.run())
    try:
        await asyncio.sleep(pace.before)
        key = await rotate()
        desk.switch(range(0, SENDERS, 2), key)
        for number in range(1, SENDERS, 2):
            await asyncio.sleep(2 * pace.both / SENDERS)
            desk.switch([number], key)
        await asyncio.sleep(1)  # the last sender's webhooks that are under way
        await end_old()
        await asyncio.sleep(pace.after)
    finally:
        sending.cancel()
        await asyncio.wait([sending])
    return key


async def bench_rotation(tell: Callable[[str], None]) -> Bench:
    """Raises RuntimeError where the exchange itself fails; what was refused is a figure."""
    with tempfile.TemporaryDirectory(prefix="ticketstream-bench-") as folder:
        options = StackOptions(state_dir=Path(folder), ports=WantedPorts.any_free())
        async with LocalStack(options, tell=tell, groups=_edge_only), aiohttp.ClientSession() as session:
            return await _measure(Path(folder), session, tell)


async def _measure(folder: Path, session: aiohttp.ClientSession, tell: Callable[[str], None]) -> Bench:
    desk_key = folder / "desk.key"
    desk_key.write_text("unused")
    made = await _command(
        folder, "tenant", "create", TENANT, "--servicedesk-url", "http://127.0.0.1:9", "--servicedesk-key-file",
        str(desk_key), "--set", "webhook_rate_per_second=1000", "--set", "webhook_burst=10000",
    )  # fmt: skip

    async def post(key: bytes) -> int:
        webhook_id = new_webhook_id()
        body = json.dumps({"ticket_id": webhook_id, "subject": "Labels are cut in half"}).encode()
        return (await send(session, made["webhook_url"], body, headers(key, webhook_id, body))).status

    async def rotate() -> bytes:
        shown = await _command(folder, "tenant", "rotate-secret", TENANT)
        tell(f"the new secret is shown, after {time.monotonic() - started:.0f} s")
        return shown["webhook_key"].encode()

    async def end_old() -> None:
        await _command(folder, "tenant", "rotate-secret", TENANT, "--end-old", "--yes")
        tell(f"the old secret is ended, after {time.monotonic() - started:.0f} s")

    old = made["webhook_key"].encode()
    await _until(lambda: post(old), ACCEPTED)
    desk, started = RotatingDesk(post, old), time.monotonic()
    await rotate_under_load(desk, rotate, end_old, Pace())
    seconds = time.monotonic() - started
    await _until(lambda: post(old), 403)
    if refused := desk.refused:
        tell(f"refused, by secret and status: {refused}")
    return Bench(
        "rotation",
        figures={
            "webhooks": desk.answered.total(),
            "per_second": round(desk.answered.total() / seconds, 1),
            "seconds": round(seconds),
            "accepted_with_old": desk.accepted(OLD),
            "accepted_with_new": desk.accepted(NEW),
            "refused": sum(desk.refused.values()),
        },
        compared={
            "old": "the secret before; half of the senders use it on after the new one is shown, the last one for 30 s",
            "new": "the secret of tenant rotate-secret, used from the instant that it is shown",
            "refused": "answers other than 202, or none at all",
        },
    )


def _edge_only(site: Site) -> list[list[ServiceSpec]]:
    return [service_groups(site)[-1]]


async def _command(folder: Path, *words: str) -> dict[str, str]:
    """What `ticketstream WORDS --json` prints. Raises RuntimeError where it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, *words, "--json",
        env=os.environ | {"TICKETSTREAM_STATE_DIR": str(folder)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    if process.returncode:
        raise RuntimeError(f"ticketstream {' '.join(words[:2])}: {err.decode().strip()}")
    found: dict[str, str] = json.loads(out)
    return found


async def _until(post: Callable[[], Awaitable[int]], status: int) -> None:
    deadline = time.monotonic() + SEEN_SECONDS
    while (answered := await post()) != status:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the edge answers {answered} and not {status}")
        await asyncio.sleep(0.2)
