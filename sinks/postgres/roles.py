"""The database's roles, as the migrator makes them: one that owns, two that own functions, and one login a service."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Mapping
from typing import TypeAlias

import asyncpg

OWNER = "ticketstream_owner"
FUNCTION_OWNERS = ("ticketstream_directory", "ticketstream_search")
LOGINS = (
    "ticketstream_ingest",
    "ticketstream_enrich",
    "ticketstream_synthesize",
    "ticketstream_deliver",
    "ticketstream_feedback_aggregate",
    "ticketstream_console",
    "ticketstream_lag",
    "ticketstream_sync",
    "ticketstream_reconcile",
    "ticketstream_sealer",
    "ticketstream_operator",
)
SCRAM_ITERATIONS = 4096

_PUBLIC_HAS = """
SELECT EXISTS (
    SELECT FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g
    WHERE d.datname = current_database() AND g.grantee = 0
    UNION ALL
    SELECT FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) g WHERE n.nspname = 'public' AND g.grantee = 0)
"""

RawConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def ensure_roles(connection: RawConnection, passwords: Mapping[str, str]) -> None:
    """Make what is missing, set the passwords given, let the migrator act as the roles that own things.

    Roles belong to the whole server: another database's migration may be making the same ones at this moment. A superuser is
    refused nothing; a migrator with CREATEROLE owns the roles that it made.
    """
    if unknown := sorted(set(passwords) - set(LOGINS)):
        raise ValueError(f"no such login role: {', '.join(unknown)}. There are: {', '.join(LOGINS)}")
    for role in (OWNER, *FUNCTION_OWNERS):
        await _create(connection, role, "NOLOGIN")
        await _act_as(connection, role)
    for role in LOGINS:
        await _create(connection, role, "LOGIN")
    for role, password in passwords.items():
        await connection.execute(f"ALTER ROLE {role} PASSWORD '{scram_verifier(password)}'")


async def admit_no_others(connection: RawConnection) -> None:
    """Take from everybody what PostgreSQL gives to everybody in a new database: to connect, to make temporary tables, to look names
    up in the schema `public`. Our roles get what they need of it: services may connect, and no role may make temporary tables.

    The database and its schema are the migrator's or a superuser's, so this is no numbered migration, which the owner runs.
    """
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    if await connection.fetchval(_PUBLIC_HAS):
        await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for role in LOGINS:
        if not await connection.fetchval("SELECT has_database_privilege($1, current_database(), 'CONNECT')", role):
            await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {role}")
    for role in (*FUNCTION_OWNERS, *LOGINS):
        if not await connection.fetchval("SELECT has_schema_privilege($1, 'public', 'USAGE')", role):
            await connection.execute(f"GRANT USAGE ON SCHEMA public TO {role}")


def scram_verifier(password: str, *, salt: bytes | None = None) -> str:
    """What PostgreSQL stores for a password (RFC 5803), made here so that the password itself reaches no server log."""
    if not password.isascii() or not password.isprintable() or not password:
        raise ValueError("a database password must be printable ASCII")
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"


async def _create(connection: RawConnection, role: str, login: str) -> None:
    await connection.execute(
        f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} {login} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )


async def _act_as(connection: RawConnection, role: str) -> None:
    """Since PostgreSQL 16 making a role doesn't imply being able to SET ROLE to it; superusers always can."""
    allowed = "pg_has_role($1, 'SET')" if connection.get_server_version().major >= 16 else "pg_has_role($1, 'MEMBER')"
    if not await connection.fetchval(f"SELECT {allowed}", role):
        await connection.execute(f"GRANT {role} TO CURRENT_USER")
