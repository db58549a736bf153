"""DSNs: who logs in with one."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit, urlunsplit


def as_role(dsn: str, role: str, password: str) -> str:
    """The same server and database for another role."""
    parts = urlsplit(dsn)
    where = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{where}"))


def with_password(dsn: str, password: str) -> str:
    """The same, with it where there is a role without one."""
    parts = urlsplit(dsn)
    return dsn if parts.password or not parts.username else as_role(dsn, unquote(parts.username), password)
