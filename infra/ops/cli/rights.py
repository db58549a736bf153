"""Who may use which command, in one table. A command that isn't in it is for engineers of all tenants: forgotten means refused.

`acting` enforces it; what a command refuses beyond it (engineering's settings, a whole window) it asks `Acting.need_engineer` for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import click

from infra.ops.cli.served import command_path
from sinks.postgres.operator_tokens import Role


class Reach(StrEnum):
    """Which tenants a person must have been given."""

    NAMED = "the tenant that is named, or all tenants where none is"
    OWN = "of any, only one's own tenants"
    ALL = "all tenants"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Right:
    """`role` is the least that may, None where no operator acts: then what counts is in `beyond`."""

    role: Role | None
    reach: Reach
    beyond: str = ""


_UNCHECKED = "whoever may read the configuration that it runs with"
_SUPPORT = Right(Role.SUPPORT, Reach.NAMED)
_LISTS = Right(Role.SUPPORT, Reach.OWN)
_PLATFORM = Right(Role.ENGINEER, Reach.ALL)
FORGOTTEN = _PLATFORM

RIGHTS: dict[str, Right] = {
    "up": Right(None, Reach.NONE, "whoever starts it"),
    "demo": Right(None, Reach.NONE, "whoever starts it, on the local stack"),
    "drill": Right(None, Reach.NONE, "whoever starts it, on a local stack of its own"),
    "bench": Right(None, Reach.NONE, "whoever starts it, on the local stack"),
    "ingest": Right(None, Reach.NONE, _UNCHECKED),
    "process": Right(None, Reach.NONE, _UNCHECKED),
    "lag serve": Right(None, Reach.NONE, _UNCHECKED),
    "topics ensure": Right(None, Reach.NONE, "whoever has Kafka's administrator's login"),
    "database migrate": Right(None, Reach.NONE, "whoever has the migrator's login"),
    "key create": Right(Role.ENGINEER, Reach.ALL, "--ring only prints"),
    "key list": Right(Role.SUPPORT, Reach.NONE),
    "key rotate": _PLATFORM,
    "key revoke": _PLATFORM,
    "tenant create": Right(Role.SUPPORT, Reach.NAMED, "engineering's settings: engineers"),
    "tenant list": _LISTS,
    "tenant show": _SUPPORT,
    "tenant set": Right(Role.SUPPORT, Reach.NAMED, "engineering's settings: engineers"),
    "tenant enable": _SUPPORT,
    "tenant disable": _SUPPORT,
    "tenant verify": _SUPPORT,
    "tenant contacts": _SUPPORT,
    "tenant refusals": _SUPPORT,
    "tenant handover": _SUPPORT,
    "tenant rotate-secret": _SUPPORT,
    "tenant replace-credential": _SUPPORT,
    "tenant export": _SUPPORT,
    "tenant erase": Right(Role.ENGINEER, Reach.NAMED),
    "token create": Right(
        Role.SUPPORT, Reach.OWN, "--person: engineers, for tenants of their own; the first: everybody"
    ),
    "token list": _SUPPORT,
    "token revoke": Right(Role.SUPPORT, Reach.NAMED, "--person: engineers"),
    "webhook send": _SUPPORT,
    "knowledge import": _SUPPORT,
    "inventory import": _SUPPORT,
    "history import": _SUPPORT,
    "reconcile": _SUPPORT,
    "investigate": _SUPPORT,
    "replay": Right(Role.SUPPORT, Reach.OWN, "--yes without --ticket: engineers"),
    "dead-letters list": _LISTS,
    "dead-letters show": _LISTS,
    "dead-letters replay": _SUPPORT,
    "lag show": _LISTS,
    "health": _LISTS,
    "tail": _LISTS,
    "export": _SUPPORT,
    "report": _SUPPORT,
    "audit": _LISTS,
}


def told(command: str) -> tuple[str, str, str]:
    """For people: who may, for which tenants, and what else is to be known."""
    right = right_to(command)
    who = {None: "", Role.SUPPORT: "support, engineer", Role.ENGINEER: "engineer"}[right.role]
    return who, right.reach.value, right.beyond


def running_command() -> str:
    """The command that runs, as in RIGHTS; empty where none does."""
    return command_path(click.get_current_context(silent=True))


def right_to(command: str) -> Right:
    return RIGHTS.get(command, FORGOTTEN)
