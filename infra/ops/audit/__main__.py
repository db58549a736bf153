"""Runs the sealer: `python -m infra.ops.audit`."""

from __future__ import annotations

import asyncio
import sys
import time

from infra.ops.audit.sealer import Sealer
from infra.ops.audit.settings import SealerSettings
from infra.ops.audit.verification import SERVICE
from infra.ops.until_told import until_told
from infra.runtime.clock import SystemClock
from infra.runtime.keys.signing import SigningKey, SigningKeyError
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.postgres.pool import open_pool_when_ready
from infra.runtime.settings import MISCONFIGURED, load
from infra.runtime.telemetry import logs
from infra.runtime.telemetry.internal_server import CheckResult, InternalServer
from infra.runtime.telemetry.ports_file import write_ports
from sinks.postgres.audit_seals import AuditSeals
from sinks.postgres.isolation_prober import probing
from sinks.postgres.service_keys import ServiceKeys

POOL_SIZE = 2
LATE_ROUNDS = 5

log = logs.get_logger(__name__)


def main() -> int:
    """0 after SIGTERM or SIGINT, 1 when it can't go on, 2 when a setting is wrong."""
    settings = load(SealerSettings)
    logs.configure(SERVICE, settings.log_level)
    try:
        key = SigningKey.load(settings.signing_key_file, service=SERVICE)
        asyncio.run(until_told(_serve(settings, key)))
    except SigningKeyError as error:
        log.error("Not started", error=f"TICKETSTREAM_SIGNING_KEY_FILE: {error}")
        return MISCONFIGURED
    except OSError as error:
        log.error("Not started", error=str(error))
        return 1
    return 0


async def _serve(settings: SealerSettings, key: SigningKey) -> None:
    """A round that is cut off leaves whole seals only: each is a transaction."""
    pool = await open_pool_when_ready(settings.database_url.get_secret_value(), service=SERVICE, size=POOL_SIZE)
    sealer = Sealer(AuditSeals(pool), ServiceKeys(pool), key, SystemClock())
    rounds = _Rounds(sealer, settings)
    probed = probing(lambda: pool, lambda: sealer.tenants, every_seconds=settings.isolation_probe_seconds)
    internal = InternalServer(checks={"rounds": rounds.check})
    try:
        await internal.start(settings.internal_host, settings.internal_port)
        write_ports(settings.ports_file, internal=internal.port)
        log.info("Listening", internal=internal.port)
        async with probed:
            await rounds.run()
    finally:
        await internal.stop()
        pool.terminate()


class _Rounds:
    def __init__(self, sealer: Sealer, settings: SealerSettings) -> None:
        self._sealer, self._settings = sealer, settings
        self._well = time.monotonic()
        self._verify_at = 0.0

    async def run(self) -> None:
        while True:
            try:
                await self._sealer.round()
                if time.monotonic() >= self._verify_at:
                    await self._sealer.verify_and_drop()
                    self._verify_at = time.monotonic() + self._settings.audit_verify_seconds
                self._well = time.monotonic()
            except UNAVAILABLE as error:
                log.warning("Not sealed, PostgreSQL is away", error=str(error))
            await asyncio.sleep(self._settings.audit_round_seconds)

    async def check(self) -> CheckResult:
        late = time.monotonic() - self._well > LATE_ROUNDS * self._settings.audit_round_seconds
        return CheckResult(not late, "no round ended well lately: see the log" if late else "", required=False)


if __name__ == "__main__":
    sys.exit(main())
