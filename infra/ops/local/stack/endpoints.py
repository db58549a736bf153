"""Where a running stack is: `endpoints.json` in its state folder, and what a command needs to work with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import orjson

from infra.ops.local.stack.database import OPERATOR, service_dsns
from infra.ops.local.stack.lock import is_locked
from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.services import ALL_RINGS, RECONCILE

FILE = "endpoints.json"


class NoStack(Exception):
    """No stack runs on the state folder."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """URLs, Kafka's bootstrap servers and the migrator's DSN; None for what isn't there. `internal` is by process."""

    ingest: str | None = None
    console: str | None = None
    lag: str | None = None
    registry: str | None = None
    kafka: str | None = None
    postgres: str | None = None
    servicedesk: str | None = None
    prometheus: str | None = None
    alertmanager: str | None = None
    internal: Mapping[str, str] = field(default_factory=dict)

    def write(self, state_dir: Path) -> None:
        """Whole or not at all, readable by its owner only: the DSN has a password."""
        part = state_dir / f"{FILE}.part"
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))
        part.replace(state_dir / FILE)


def read_endpoints(state_dir: Path) -> Endpoints:
    """The running stack's. Raises NoStack, also when the file was left behind by a stack that was killed."""
    try:
        written = orjson.loads((state_dir / FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        written = None
    if written is None or not is_locked(state_dir):
        raise NoStack(f"No stack runs on {state_dir}. Start one with: ticketstream up (or set TICKETSTREAM_STATE_DIR)")
    known = {f.name for f in fields(Endpoints)}
    return Endpoints(**{name: value for name, value in written.items() if name in known})


def operator_environment(state_dir: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with which an operator's command works on the running stack, those that `environment` sets itself left out.
    Raises NoStack."""
    endpoints = read_endpoints(state_dir)
    secrets = LocalSecrets(state_dir / "secrets")
    found = {f"TICKETSTREAM_{name.upper()}": secrets.key_ring(name) for name in ALL_RINGS}
    found |= {"KAFKA_BOOTSTRAP_SERVERS": endpoints.kafka or "", "DATABASE_URL": endpoints.postgres or ""}
    own = service_dsns(endpoints.postgres or "", secrets, {})[OPERATOR]
    found |= {"DATABASE_URL_OPERATOR": own}
    if environment.get("DATABASE_URL_OPERATOR", own) == own:  # it is no token of another database
        found |= {"TICKETSTREAM_OPERATOR_TOKEN": secrets.operator_token()}
    found |= {"TICKETSTREAM_REPLAY_SIGNING_KEY_FILE": str(secrets.signing_key_file("replay"))}
    found |= {"TICKETSTREAM_PUBLIC_URL": endpoints.ingest or "", "TICKETSTREAM_LOCAL": "1"}
    found |= {"TICKETSTREAM_PROMETHEUS_URL": endpoints.prometheus or ""}
    return {name: value for name, value in found.items() if value and not environment.get(name)}


def reconcile_environment(state_dir: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What reconciling by hand needs beyond `operator_environment`: the role and the signing key of the stack's own process."""
    endpoints, secrets = read_endpoints(state_dir), LocalSecrets(state_dir / "secrets")
    found = {
        "DATABASE_URL_RECONCILE": service_dsns(endpoints.postgres or "", secrets, environment)[RECONCILE],
        "TICKETSTREAM_RECONCILE_SIGNING_KEY_FILE": str(secrets.signing_key_file(RECONCILE)),
    }
    return {name: value for name, value in found.items() if not environment.get(name)}
