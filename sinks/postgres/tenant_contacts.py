"""Whom to ask at a tenant: its technical and its executive contact, and the administrator of its ServiceDesk Plus."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import MASKED, Change
from sinks.postgres.tenant_settings import BadSetting

_FORM = re.compile(r"(?P<name>[^<>]+?)\s*<(?P<email>[^<>\s]+)>\s*(?P<phone>.+?)")
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\.[A-Za-z]{2,63}"
)
_PHONE = re.compile(r"\+?[0-9(][0-9 ()/.-]{1,30}")
MAX_NAME, MAX_EMAIL = 100, 254
EXAMPLE = "'Jo Doe <jo.doe@customer.example> +49 30 1234'"


class ContactKind(StrEnum):
    TECHNICAL = "technical"
    EXECUTIVE = "executive"
    SDP_ADMINISTRATOR = "sdp_administrator"


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, who is in no log: not in its text form either."""

    name: str
    email: str
    phone: str

    def __repr__(self) -> str:
        return f"Contact({MASKED})"

    @property
    def line(self) -> str:
        return f"{self.name} <{self.email}> {self.phone}"


def parse_contact(text: str) -> Contact:
    """From `Name <mail@customer.example> +49 30 1234`. Raises BadSetting, which doesn't repeat the text."""
    found = _FORM.fullmatch(text.strip())
    if found is None or not found["name"].isprintable():
        raise BadSetting(f"must be a name, an e-mail address and a telephone number, like {EXAMPLE}")
    if len(found["name"]) > MAX_NAME:
        raise BadSetting(f"the name has more than {MAX_NAME} characters")
    if len(found["email"]) > MAX_EMAIL or not _EMAIL.fullmatch(found["email"]):
        raise BadSetting("the e-mail address is none, write it like <jo.doe@customer.example>")
    if not _PHONE.fullmatch(found["phone"]):
        raise BadSetting("the telephone number is none, write it like +49 30 1234")
    return Contact(found["name"], found["email"], found["phone"])


def parse_contacts(values: Mapping[str, str]) -> dict[ContactKind, Contact | None]:
    """By kind; an empty text stands for none. Raises BadSetting for the first that isn't one."""
    kinds = ", ".join(ContactKind)
    found: dict[ContactKind, Contact | None] = {}
    for kind, text in values.items():
        if kind not in list(ContactKind):
            raise BadSetting(f"{kind[:40]!r} is no contact. There are: {kinds}")
        try:
            found[ContactKind(kind)] = parse_contact(text) if text else None
        except BadSetting as error:
            raise BadSetting(f"{kind}: {error}") from None
    return found


class TenantContacts:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(self, tenant_id: str) -> dict[ContactKind, Contact]:
        """Those that were given, in the order of ContactKind."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT kind, name, email, phone FROM tenant_contacts WHERE tenant_id = $1", tenant_id
            )
        by_kind = {row["kind"]: Contact(row["name"], row["email"], row["phone"]) for row in rows}
        return {kind: by_kind[kind] for kind in ContactKind if kind in by_kind}

    async def set(self, tenant_id: str, contacts: Mapping[ContactKind, Contact | None], change: Change) -> None:
        """Put these in place of those there are; None takes one away. The audit log says that, and not who they are."""
        before = await self.of(tenant_id)
        async with tenant_transaction(self._pool, tenant_id) as connection:
            for kind, contact in contacts.items():
                await connection.execute(
                    "DELETE FROM tenant_contacts WHERE tenant_id = $1 AND kind = $2", tenant_id, kind.value
                )
                if contact is not None:
                    await connection.execute(
                        "INSERT INTO tenant_contacts (tenant_id, kind, name, email, phone) VALUES ($1, $2, $3, $4, $5)",
                        tenant_id, kind.value, contact.name, contact.email, contact.phone,
                    )  # fmt: skip
                entry = change.entry(
                    tenant_id,
                    "tenant contacts",
                    kind.value,
                    MASKED if kind in before else None,
                    MASKED if contact is not None else None,
                )
                await audit_log.write(connection, entry)
