"""A tenant's desk from what is stored of it: URL and form among its settings, the key among its credentials."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from infra.runtime.keys.rings import KeyRingError
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.credentials import DeskAccess, NoCredential
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
    @property
    def changed_at(self) -> datetime | None: ...


class Tenants(Protocol):
    def of_tenant(self, tenant_id: str) -> DeskSettings | None: ...


class Credentials(Protocol):
    async def get(self, tenant_id: str) -> DeskAccess:
        """The current one, decrypted. Raises NoCredential if there is none, KeyRingError if no key of ours opens it."""


class StoredDeskAccounts:
    """DeskAccounts over tenants' settings and credentials. A credential is read again after 2 s, as settings are followed, and
    at once where the tenant was changed: a note takes several calls, and a busy tenant's notes many."""

    def __init__(
        self, tenants: Tenants, credentials: Credentials, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._tenants, self._credentials, self._now = tenants, credentials, now
        self._read: dict[str, tuple[float, datetime | None, DeskAccess]] = {}

    async def of(self, tenant_id: str) -> DeskAccount | None:
        settings = self._tenants.of_tenant(tenant_id)
        if settings is None:
            return None
        try:
            access = await self._access(tenant_id, settings.changed_at)
        except (NoCredential, KeyRingError) as error:
            log.error("A desk credential can't be read", tenant_id=tenant_id, error=str(error))
            return None
        form = DeskForm(settings.servicedesk_form)
        return DeskAccount(tenant_id, settings.servicedesk_base_url, form, access.credential, access.ca)

    async def _access(self, tenant_id: str, changed_at: datetime | None) -> DeskAccess:
        """`changed_at` tells when anything of the tenant was changed: what is held for a refused credential is tried again then,
        and must not meet the old one."""
        read = self._read.get(tenant_id)
        if read is not None and read[0] > self._now() and read[1] == changed_at:
            return read[2]
        access = await self._credentials.get(tenant_id)
        if len(self._read) >= MOST_REMEMBERED:
            self._read.clear()
        self._read[tenant_id] = (self._now() + REMEMBERED_SECONDS, changed_at, access)
        return access
