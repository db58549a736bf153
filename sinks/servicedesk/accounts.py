"""A tenant's desk from what is stored of it: URL and form among its settings, the key among its credentials."""

from __future__ import annotations

from typing import Protocol

from infra.runtime.keys.rings import KeyRingError
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.credentials import NoCredential
from sinks.servicedesk.types import DeskAccount, DeskForm

log = get_logger(__name__)


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
    """DeskAccounts over tenants' settings and credentials, read anew each time: a replaced key counts at once."""

    def __init__(self, tenants: Tenants, credentials: Credentials) -> None:
        self._tenants = tenants
        self._credentials = credentials

    async def of(self, tenant_id: str) -> DeskAccount | None:
        settings = self._tenants.of_tenant(tenant_id)
        if settings is None:
            return None
        try:
            credential = await self._credentials.get(tenant_id)
        except (NoCredential, KeyRingError) as error:
            log.error("A desk credential can't be read", tenant_id=tenant_id, error=str(error))
            return None
        return DeskAccount(tenant_id, settings.servicedesk_base_url, DeskForm(settings.servicedesk_form), credential)
