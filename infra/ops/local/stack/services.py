"""The services of a local stack, and what each of them gets to know: its own role, its own signing key, its own key rings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra.ops.local.stack.secrets import LocalSecrets
from infra.ops.local.stack.service import ServiceSpec
from schemas.topics import SIGNED_BY, Stage

SIMULATOR = "servicedesk"
INGEST = "ingest"
RECONCILE = "reconcile"
SEALER = "sealer"
LAG = "lag"
CONSOLE = "console"
RINGS: Mapping[str, tuple[str, ...]] = {
    INGEST: ("webhook_keys", "link_keys"),
    Stage.ENRICH.value: ("credential_keys",),  # for tenants in bearer mode
    Stage.DELIVER.value: ("credential_keys", "link_keys"),
    RECONCILE: ("credential_keys",),
    CONSOLE: ("console_keys", "webhook_keys", "credential_keys"),  # its own, and those of the commands
}
ALL_RINGS = ("webhook_keys", "credential_keys", "link_keys")
MODEL_SECRETS = ("OPENROUTER_API_KEY",)
MODEL_PACKAGE = "litellm"
_PRIVATE = frozenset(
    {
        "TICKETSTREAM_SIGNING_KEY_FILE",
        "TICKETSTREAM_REPLAY_SIGNING_KEY_FILE",
        "TICKETSTREAM_RECONCILE_SIGNING_KEY_FILE",
        "TICKETSTREAM_STATE_DIR",
        "TICKETSTREAM_OPERATOR_TOKEN",
        "TICKETSTREAM_OPERATOR_TOKEN_FILE",
        "TICKETSTREAM_CONSOLE_KEYS",
        "TICKETSTREAM_CONSOLE_PORT",
        "TICKETSTREAM_CONSOLE_URL",
        "TICKETSTREAM_PORTS_FILE",
        "TICKETSTREAM_INTERNAL_PORT",
        "TICKETSTREAM_INGEST_PORT",
        "TICKETSTREAM_LAG_PORT",
        *(f"TICKETSTREAM_{ring.upper()}" for ring in ALL_RINGS),
    }
)
_INHERITED = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "SCHEMA_REGISTRY_URL", "SSL_CERT_FILE"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)
_INHERITED_PREFIXES = ("LC_", "PYTHON", "KAFKA_", "OTEL_", "TICKETSTREAM_")


@dataclass(frozen=True, slots=True)
class Site:
    """Where things are. `databases` are DSNs by service, each with the service's own role."""

    state_dir: Path
    inherited: Mapping[str, str]
    kafka: str
    databases: Mapping[str, str]
    secrets: LocalSecrets
    ingest_port: int
    servicedesk_port: int
    lag_port: int = 0
    console_port: int = 0

    @property
    def public_url(self) -> str:
        return self.inherited.get("TICKETSTREAM_PUBLIC_URL") or f"http://127.0.0.1:{self.ingest_port}"

    @property
    def servicedesk_url(self) -> str:
        return f"http://127.0.0.1:{self.servicedesk_port}"

    def ring(self, name: str) -> str:
        """A key ring: the environment's, else the stack's own."""
        return self.inherited.get(f"TICKETSTREAM_{name.upper()}") or self.secrets.key_ring(name)


def service_groups(site: Site) -> list[list[ServiceSpec]]:
    """The services in their order of starting; the services of a group start together. Stopped from the last group on, the edge
    first."""
    stages = [_process(site, stage.value, "-m", f"processors.{stage.value}") for stage in Stage]
    reconcile = _process(site, RECONCILE, "-m", "infra.ops.reconcile")
    sealer = _process(site, SEALER, "-m", "infra.ops.audit")
    lag = _process(site, LAG, "-m", "infra.ops.lag")
    console = _process(site, CONSOLE, "-m", "infra.ops.console")
    return [[_simulator(site)], [*stages, reconcile, sealer, lag, console], [_process(site, INGEST, "-m", "ingest")]]


def environment(site: Site, service: str) -> dict[str, str]:
    """All that a service's process gets."""
    result = _inherited(site.inherited)
    result["KAFKA_BOOTSTRAP_SERVERS"] = site.kafka
    result["TICKETSTREAM_LOCAL"] = "1"
    result["TICKETSTREAM_INTERNAL_PORT"] = "0"
    result["TICKETSTREAM_PORTS_FILE"] = str(ports_file(site.state_dir, service))
    result["TICKETSTREAM_RUN_DIR"] = str(site.state_dir / "run")
    result["TICKETSTREAM_PUBLIC_URL"] = site.public_url
    result["PYTHONUNBUFFERED"] = "1"
    if service in site.databases:
        result[f"DATABASE_URL_{service.upper()}"] = site.databases[service]
    if service in SIGNED_BY:
        result["TICKETSTREAM_SIGNING_KEY_FILE"] = str(site.secrets.signing_key_file(service))
    for name in RINGS.get(service, ()):
        result[f"TICKETSTREAM_{name.upper()}"] = site.ring(name)
    if service == INGEST:
        result["TICKETSTREAM_INGEST_PORT"] = str(site.ingest_port)
    if service == LAG:
        result["TICKETSTREAM_LAG_PORT"] = str(site.lag_port)
    if service == CONSOLE:
        result |= _of_the_console(site)
    if service == Stage.SYNTHESIZE.value and not model_without_package(site.inherited):
        result |= {name: site.inherited[name] for name in MODEL_SECRETS if name in site.inherited}
    return result


def _of_the_console(site: Site) -> dict[str, str]:
    """Its commands need what the command line needs, which finds the rest by the state folder."""
    return {
        "TICKETSTREAM_CONSOLE_PORT": str(site.console_port),
        "DATABASE_URL_OPERATOR": site.databases["operator"],
        "DATABASE_URL_RECONCILE": site.databases[RECONCILE],
        "TICKETSTREAM_REPLAY_SIGNING_KEY_FILE": str(site.secrets.signing_key_file("replay")),
        "TICKETSTREAM_STATE_DIR": str(site.state_dir),
    }


def model_without_package(inherited: Mapping[str, str]) -> bool:
    """Whether a model's key is there but not what it takes to call a model: then the stack goes on with the built-in writer."""
    return any(inherited.get(name) for name in MODEL_SECRETS) and find_spec(MODEL_PACKAGE) is None


def ports_file(state_dir: Path, service: str) -> Path:
    """Where the service writes its addresses when it is ready."""
    return state_dir / "run" / f"{service}.ports.json"


def _process(site: Site, name: str, *arguments: str) -> ServiceSpec:
    return ServiceSpec(
        name=name,
        command=(sys.executable, *arguments),
        environment=environment(site, name),
        ports_file=ports_file(site.state_dir, name),
    )


def _simulator(site: Site) -> ServiceSpec:
    folder = site.state_dir / SIMULATOR
    options = ("--port", str(site.servicedesk_port), "--state-dir", str(folder))
    return ServiceSpec(
        name=SIMULATOR,
        command=(sys.executable, "-m", "infra.ops.local.servicedesk_simulator", *options),
        environment={**_inherited(site.inherited), "PYTHONUNBUFFERED": "1"},
        health_url=f"{site.servicedesk_url}/_simulator/health",
        stop_seconds=5.0,
    )


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What every service may know of the surroundings: settings, no secrets but Kafka's own."""
    return {
        name: value
        for name, value in environment.items()
        if (name in _INHERITED or name.startswith(_INHERITED_PREFIXES)) and name not in _PRIVATE
    }
