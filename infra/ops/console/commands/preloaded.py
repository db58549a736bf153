"""Importing this imports what commands need: the fork server does so once, and each command's process has it."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

from infra.ops.cli.main import COMMANDS

USED_LATE = (
    "aiohttp",
    "confluent_kafka",
    "infra.ops.audit.reading",
    "infra.ops.cli.acting",
    "infra.ops.cli.imports.importing",
    "infra.ops.cli.kafka_reader",
    "infra.ops.cli.tenancy",
    "infra.ops.cli.tenant_export",
    "infra.ops.cli.webhook_request",
    "infra.ops.console.commands.child",
    "infra.ops.lag.reading",
    "infra.ops.onboarding.verification",
    "infra.ops.reconcile.site",
    "infra.ops.replay.letter_room",
    "infra.ops.replay.window_replay",
    "rich.table",
)
"""What commands import when they are used."""

for _name in (*USED_LATE, *(f"infra.ops.cli.commands.{module}" for module, _ in COMMANDS.values())):
    with suppress(ImportError):  # an extra that isn't installed: the command says so
        import_module(_name)
