"""Where the console is, and the token for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.served import CONSOLE_URL as URL

TOKEN = "TICKETSTREAM_OPERATOR_TOKEN"  # noqa: S105 - a variable's name
TOKEN_FILE = "TICKETSTREAM_OPERATOR_TOKEN_FILE"  # noqa: S105 - a variable's name
MOST_TOKEN_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Console:
    """`path` is what stands before /api, mostly nothing."""

    https: bool
    host: str
    port: int
    path: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Console:
        """From the variables, of which TICKETSTREAM_CONSOLE_URL is set. Raises WrongUse, and Failure for an unreadable file."""
        url = environment[URL].strip()
        parts, port = _parts(url)
        if parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
            raise WrongUse(f"{URL} begins with http://, and your token would be seen on the way", "use https://")
        token = _token(environment)
        if not token:
            raise WrongUse(
                f"{URL} is set, but not {TOKEN}",
                "set it to your operator token: ticketstream token create --person shows it, to an engineer",
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise WrongUse(f"{TOKEN} is no token", "it is one word that begins with tso_")
        return cls(parts.scheme == "https", parts.hostname or "", port, parts.path.rstrip("/"), token)

    @property
    def told(self) -> str:
        return f"{'https' if self.https else 'http'}://{self.host}:{self.port}{self.path}"


def _parts(url: str) -> tuple[SplitResult, int]:
    wrong = WrongUse(f"{URL} is no address", "write it like https://console.example.com")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise wrong
    if not (parts.hostname.isascii() and parts.path.isascii() and parts.path.isprintable() and " " not in parts.path):
        raise wrong
    return parts, port or (443 if parts.scheme == "https" else 80)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _token(environment: Mapping[str, str]) -> str:
    if given := environment.get(TOKEN, "").strip():
        return given
    file = environment.get(TOKEN_FILE)
    if not file:
        return ""
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MOST_TOKEN_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        raise Failure(f"{TOKEN_FILE}: {file}: {error.strerror}", "name a file that holds your token") from None
