"""Where Kafka, PostgreSQL and the secrets are: the environment's variables, else those of the local stack in the state folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.ops.cli.failure import Failure, WrongUse

if TYPE_CHECKING:
    from infra.ops.local.stack.endpoints import Endpoints

STATE_DIR = "TICKETSTREAM_STATE_DIR"
DEFAULT_STATE_DIR = ".state"
OPERATOR_URL = "DATABASE_URL_OPERATOR"
NO_STACK = "set it, or start the local stack with: ticketstream up"
TOPIC_PREFIX = "TICKETSTREAM_TOPIC_PREFIX"
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,60}")
_DSN_FORM = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with / in a password as %2F and @ as %40"


def state_dir(chosen: Path | None = None) -> Path:
    """The folder of the local stack: what was chosen, else `TICKETSTREAM_STATE_DIR`, else `.state`."""
    return (chosen or Path(os.environ.get(STATE_DIR) or DEFAULT_STATE_DIR)).resolve()


@dataclass(frozen=True)
class Surroundings:
    """Variables as a process would see them; one that is set in the environment goes before the local stack's."""

    folder: Path
    given: Mapping[str, str]

    @classmethod
    def find(cls, folder: Path | None = None) -> Surroundings:
        return cls(state_dir(folder), {name: value for name, value in os.environ.items() if value})

    @cached_property
    def endpoints(self) -> Endpoints | None:
        """Where the local stack of the folder is; None where none runs."""
        if not (self.folder / "endpoints.json").exists():  # most commands need none of what is imported below
            return None
        from infra.ops.local.stack.endpoints import NoStack, read_endpoints

        try:
            return read_endpoints(self.folder)
        except NoStack:
            return None

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The environment, completed by the local stack's where one was started in the folder."""
        return {**self._local(), **self.given}

    def need(self, variable: str) -> str:
        """A variable's value. Raises Failure that says how to come by it."""
        value = self.variables.get(variable)
        if not value:
            raise Failure(f"{variable} is not set, and no local stack runs in {self.folder}", NO_STACK)
        return value

    def database_url(self) -> str:
        """The operator's DSN, or else the console's, which may do less. Raises WrongUse for one that is none."""
        known = (name for name in (OPERATOR_URL, "DATABASE_URL_CONSOLE") if self.variables.get(name))
        return self.dsn(next(known, OPERATOR_URL))

    def dsn(self, variable: str) -> str:
        """A variable's DSN. Raises WrongUse for one that is none, without a word of its value, which holds a password."""
        value = self.need(variable)
        if wrong := _wrong_in_dsn(value):
            raise WrongUse(f"{variable} {wrong}", _DSN_FORM)
        return value

    def public_url(self) -> str:
        """The edge as senders reach it, without a slash at the end."""
        return self.need("TICKETSTREAM_PUBLIC_URL").rstrip("/")

    def webhook_url(self, tenant_id: str) -> str:
        return f"{self.public_url()}/api/v1/webhooks/{tenant_id}"

    @property
    def topic_prefix(self) -> str:
        """Stands before every topic's name. Raises WrongUse for what Kafka takes in no name."""
        prefix = self.variables.get(TOPIC_PREFIX, "")
        if not _PREFIX.fullmatch(prefix):
            raise WrongUse(f"{TOPIC_PREFIX} can't begin a topic's name", "use at most 60 of A-Z a-z 0-9 . _ -")
        return prefix

    def _local(self) -> Mapping[str, str]:
        if self.endpoints is None:
            return {}
        from infra.ops.local.stack.endpoints import operator_environment

        return operator_environment(self.folder, self.given)


def _wrong_in_dsn(dsn: str) -> str | None:
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return "is no address"
    if parts.scheme not in ("postgresql", "postgres"):
        return "does not begin with postgresql://"
    for host in parts.netloc.rpartition("@")[2].split(","):  # there may be several
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            return "has a port that is no number from 1 to 65535"
    return None
