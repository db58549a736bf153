"""Settings: environment variables, read once at start into one typed object a process, and checked with the cure named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MISCONFIGURED = 2
"""Exit code of a process whose settings are wrong: a restart won't help."""

S = TypeVar("S", bound="ProcessSettings")


def _file_exists(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}. Make a key with: ticketstream key create SERVICE --out FILE")
    return path


KeyFile = Annotated[Path, AfterValidator(_file_exists)]
CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class ProcessSettings(BaseSettings):
    """What every process reads. Subclasses add their own; a field's alias is the variable's whole name."""

    model_config = SettingsConfigDict(
        env_prefix="TICKETSTREAM_", extra="ignore", populate_by_name=True, frozen=True, env_ignore_empty=True
    )

    kafka_bootstrap_servers: str = Field(alias="KAFKA_BOOTSTRAP_SERVERS", min_length=3)
    schema_registry_url: str | None = Field(None, alias="SCHEMA_REGISTRY_URL", pattern=r"^https?://")
    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,60}$")
    internal_port: int = Field(0, ge=0, le=65535)
    internal_host: str = "127.0.0.1"
    ports_file: Path | None = None
    isolation_probe_seconds: float = Field(300.0, ge=0.1, le=300)
    """How often a process with a database role asks for rows that it must not see. The alert on missing probes counts on 5 min."""
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")
    otlp_endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT", pattern=r"^https?://")
    """Where traces go, by OTLP over HTTP: a collector's address without a path. None: there are none."""
    local: bool = False
    """Set by the local stack: desks may be reached by http and on loopback."""


class SigningSettings(ProcessSettings):
    """Of a process that signs with a key of its own."""

    signing_key_file: KeyFile


def load(cls: type[S]) -> S:
    """The settings, or exit code 2 with a line per variable that is missing or wrong."""
    try:
        return cls()
    except ValidationError as error:
        for line in explain(cls, error):
            sys.stderr.write(f"{line}\n")
        sys.exit(MISCONFIGURED)


def explain(cls: type[ProcessSettings], error: ValidationError) -> list[str]:
    """`VARIABLE: what is wrong` for each fault, without the values, which may be secret."""
    return [f"{variable(cls, item['loc'])}: {_wrong(item)}" for item in error.errors(include_input=False)]


def variable(cls: type[ProcessSettings], location: tuple[Any, ...]) -> str:
    """The environment variable behind a validation error's location."""
    name = str(location[0]) if location else ""
    for field_name, field in cls.model_fields.items():
        if name in (field_name, field.alias):
            return field.alias or f"TICKETSTREAM_{field_name.upper()}"
    return name or "settings"


def _wrong(item: Any) -> str:
    if item["type"] == "missing":
        return "is not set. .env.example says what it is for."
    return str(item["msg"]).removeprefix("Value error, ")
