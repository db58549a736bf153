"""A tenant's desk from what is stored of it: URL and form among its settings, the key among its credentials."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from infra.runtime.keys.rings import KeyRingError
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.credentials import NoCredential
from sinks.servicedesk.types import DeskAccount, DeskForm

log = get_logger(__name__)

REMEMBERED_SECONDS = 2.0
MOST_REMEMBERED = 1000


class DeskSettings(Protocol):
    """What a tenant's settings say of its desk."""

    @property
    def servicedesk_base_url(self) -> str: ...
    @property
    def servicedesk_form(self) -> str: ...


class Tenants(Protocol):
    def of_tenant(self, tenant_id: str) -> DeskSettings | None: ...


class Credentials(Protocol):
    async def get(self, tenant_id: str) -> str:
        """The current one, decrypted. Raises NoCredential if there is none, KeyRingError if no key of ours opens it."""


class StoredDeskAccounts:
    """DeskAccounts over tenants' settings and credentials. A credential is read again after 2 s, as settings are followed: a note
    takes several calls, and a busy tenant's notes many."""

    def __init__(
        self, tenants: Tenants, credentials: Credentials, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._tenants, self._credentials, self._now = tenants, credentials, now
        self._read: dict[str, tuple[float, str]] = {}

    async def of(self, tenant_id: str) -> DeskAccount | None:
        settings = self._tenants.of_tenant(tenant_id)
        if settings is None:
            return None
        try:
            credential = await self._credential(tenant_id)
        except (NoCredential, KeyRingError) as error:
            log.error("A desk credential can't be read", tenant_id=tenant_id, error=str(error))
            return None
        return DeskAccount(tenant_id, settings.servicedesk_base_url, DeskForm(settings.servicedesk_form), credential)

    async def _credential(self, tenant_id: str) -> str:
        read = self._read.get(tenant_id)
        if read is not None and read[0] > self._now():
            return read[1]
        credential = await self._credentials.get(tenant_id)
        if len(self._read) >= MOST_REMEMBERED:
            self._read.clear()
        self._read[tenant_id] = (self._now() + REMEMBERED_SECONDS, credential)
        return credential
