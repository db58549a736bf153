"""Processes that can't begin, and those that come to a sudden end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from infra.ops.local.stack.service import ServiceState
from schemas.topics import Stage
from tests.integration.canaries import places
from tests.integration.canaries.buggy_stage import UNREADY
from tests.integration.canaries.flock import DEBUG, PATIENCE, Flock
from tests.integration.chain.polling import until

REFUSED, FAUSTS_WORDS = b"refuses the login", b'"logger":"aiokafka'


async def a_process_that_refuses_its_settings(flock: Flock) -> None:
    ring, short = flock.plant("a ring without an id"), b64encode(flock.plant("a short ring").encode()).decode()
    for value in (ring, f"k1:{short}"):
        given = {"TICKETSTREAM_CREDENTIAL_KEYS": value, "TICKETSTREAM_LINK_KEYS": value}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "processors.deliver",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**flock.chain.environment, **given},
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 2 and b"CREDENTIAL_KEYS" in out, out
        flock.needles.look("processes:settings", out)


async def a_process_dies(flock: Flock, service: str) -> None:
    supervisor = flock.chain.stack.supervisor
    before = supervisor.status(service)
    assert before.pid
    os.kill(before.pid, signal.SIGABRT)

    def again() -> bool:
        now = supervisor.status(service)
        known = flock.chain.stack.endpoints.internal.get(service)
        return now.state is ServiceState.RUNNING and now.restarts > before.restarts and known is not None

    await until(again, f"{service} runs again", seconds=PATIENCE)


async def kafka_refuses_a_login(flock: Flock) -> None:
    """Wrong passwords, of commands and of every process, by each of the client libraries."""
    wrong = DEBUG | {"KAFKA_SASL_PASSWORD": flock.plant("a wrong Kafka password")}
    unknown = DEBUG | {"KAFKA_SASL_MECHANISM": "GSSAPI"}
    ensure, show = ("topics", "ensure", "--single-node"), ("lag", "show")
    bug = ("tests.integration.canaries.buggy_stage", Stage.ENRICH.value, UNREADY)
    async with asyncio.TaskGroup() as together:
        good = together.create_task(flock.run((DEBUG | flock.aviary.login("admin"), ensure), (DEBUG, show)))
        refused = [together.create_task(flock.run((unknown, words), (wrong, words))) for words in (ensure, show)]
        for service, says, *module in (
            (Stage.ENRICH.value, REFUSED, f"processors.{Stage.ENRICH}"),
            (Stage.ENRICH.value, FAUSTS_WORDS, *bug),
            ("ingest", REFUSED, "ingest"),
            ("lag", REFUSED, "infra.ops.lag"),
            ("reconcile", REFUSED, "infra.ops.reconcile"),
        ):
            together.create_task(_turned_away(flock, wrong, service, says, *module))
    assert good.result() == [0, 0]
    assert all(code in (1, 2) for task in refused for code in task.result())


async def _turned_away(flock: Flock, wrong: Mapping[str, str], service: str, says: bytes, *module: str) -> None:
    """Runs a service that knows all it must but its password, until it says so."""
    pid = flock.chain.stack.supervisor.status(service).pid
    assert pid
    own = {"TICKETSTREAM_PORTS_FILE": flock.file(f"{module[0]}.ports", ""), "TICKETSTREAM_RUN_DIR": str(flock.folder)}
    ports = {"TICKETSTREAM_INGEST_PORT": "0", "TICKETSTREAM_LAG_PORT": "0"}
    log = Path(flock.file(f"{module[0]}.log", ""))
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *module, stdout=out, stderr=out,
            env={**places.environment_of(pid), **own, **ports, **wrong},
        )  # fmt: skip
    try:
        await until(lambda: says in log.read_bytes(), f"{module[0]} is refused", seconds=PATIENCE)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)
        flock.needles.look("processes:refused logins", log.read_bytes())
