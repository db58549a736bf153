"""Secrets of a local stack: made at its first start, kept in its state folder, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from infra.runtime.keys.rings import new_ring_key
from infra.runtime.keys.signing import SigningKey
from sinks.postgres.operator_tokens import new_token

OPERATOR_TOKEN = "operator.token"  # noqa: S105 - a file's name


class LocalSecrets:
    """Files of mode 0600 in a folder of mode 0700. Only the process that holds the state folder's lock makes new ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "signing").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def role_password(self, service: str) -> str:
        """The database password of a service's role."""
        return self._kept(f"role_{service}.password", lambda: secrets.token_urlsafe(24))

    def key_ring(self, name: str) -> str:
        """A ring of one key, `id:base64`, for `webhook_keys`, `credential_keys`, `link_keys` or `console_keys`."""
        return self._kept(f"{name}.ring", lambda: new_ring_key("local1"))

    def operator_token(self) -> str:
        """The engineer's token of whoever uses commands on this stack. The stack sees to it that the database knows it."""
        return self._kept(OPERATOR_TOKEN, new_token)

    def forget_operator_token(self) -> None:
        """The next is another: this one has ended."""
        (self._folder / OPERATOR_TOKEN).unlink(missing_ok=True)

    def signing_key_file(self, service: str) -> Path:
        """The PEM file of the service's private signing key."""
        file = self._folder / "signing" / f"{service}.pem"
        if not file.exists():
            part = file.with_suffix(".part")
            part.unlink(missing_ok=True)
            SigningKey.create(service).save(part)
            part.replace(file)
        return file

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        file = self._folder / name
        if not file.exists():
            part = file.with_name(f"{name}.part")
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(make())
            part.replace(file)
        return file.read_text().strip()
