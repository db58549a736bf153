"""Who we are to a desk: the technician's key on premises, an OAuth access token in the cloud.

Sources: ServiceDesk Plus REST API v3, "Authentication"; Zoho, "OAuth 2.0, refresh access tokens" (an access token lasts an hour).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.telemetry.logs import get_logger
from schemas.reasons import Reason
from sinks.servicedesk.access_tokens import FETCH_SECONDS, AccessTokens, Busy, Fetch, Kept, TokenOf, TokensInMemory
from sinks.servicedesk.addresses import AddressPolicy, BadDeskUrl
from sinks.servicedesk.answers import RETRY_AFTER_RATE_LIMIT, retry_after_seconds
from sinks.servicedesk.metrics import ACCESS_TOKEN
from sinks.servicedesk.transport import Answered, HttpCall, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Refused

log = get_logger(__name__)

MAX_REMEMBERED = 2048
LOOK_AGAIN_SECONDS = 0.2
"""After which it is looked again whether another process has fetched the token."""
EARLY = 60.0
"""An access token is renewed so many seconds before its end."""
MAX_CREDENTIAL_CHARS = 4096
_PRINTABLE = re.compile("[!-~]+")
_BAD_CREDENTIAL = frozenset({"invalid_code", "invalid_client", "invalid_client_secret", "invalid_grant"})
_CLOUD_FIELDS = ("client_id", "client_secret", "refresh_token", "accounts_url")


class BadCredential(ValueError):
    """The credential isn't of the form that the desk takes. The text names the cure, never the credential."""


@dataclass(frozen=True, slots=True)
class CloudCredential:
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    accounts_url: str

    @classmethod
    def parse(cls, text: str) -> CloudCredential:
        """From JSON with the four fields. Raises BadCredential."""
        expected = f"expected JSON with the fields {', '.join(_CLOUD_FIELDS)}"
        try:
            values = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise BadCredential(f"the credential of a cloud desk is not JSON; {expected}") from error
        if not isinstance(values, dict):
            raise BadCredential(f"the credential of a cloud desk is no JSON object; {expected}")
        for name in _CLOUD_FIELDS:
            if not isinstance(values.get(name), str) or not values[name].strip():
                raise BadCredential(f"'{name}' is missing in the credential of a cloud desk; {expected}")
        return cls(**{name: values[name].strip() for name in _CLOUD_FIELDS})

    @property
    def key(self) -> str:
        """Tells credentials apart in memory without keeping another copy of the secret."""
        return sha256(
            "\0".join((self.accounts_url, self.client_id, self.client_secret, self.refresh_token)).encode()
        ).hexdigest()


def check_credential(form: DeskForm, text: str, policy: AddressPolicy) -> None:
    """Raises BadCredential for what can't be a credential of this form; whether the desk takes it is another question."""
    if form is DeskForm.CLOUD:
        try:
            policy.check_url(CloudCredential.parse(text).accounts_url)
        except BadDeskUrl as error:
            raise BadCredential(f"accounts_url: {error}") from error
    else:
        _onprem_key(text)


@dataclass(slots=True)
class _Access:
    """The access token of one credential as this process has it. The lock lets one task see to it at a time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    until: float = 0.0


class Authentication:
    """Makes the headers of a call. `tokens` are those of all processes, or by default of this one alone; `seconds` is a monotonic
    clock."""

    def __init__(
        self,
        transport: Transport,
        *,
        tokens: AccessTokens | None = None,
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Clock | None = None,
    ) -> None:
        self._transport = transport
        self._tokens = tokens or TokensInMemory(seconds=seconds)
        self._seconds, self._sleep = seconds, sleep
        self._clock = clock or SystemClock()
        self._accesses: OrderedDict[TokenOf, _Access] = OrderedDict()

    async def headers(
        self, account: DeskAccount, *, instead_of: Mapping[str, str] | None = None
    ) -> dict[str, str] | Refused:
        """`instead_of` are headers that the desk refused: in the cloud they are answered with a new access token, on premises
        there is nothing newer. Nothing is written by this, whatever it returns."""
        try:
            if account.form is DeskForm.CLOUD:
                refused = (instead_of or {}).get("Authorization", "").removeprefix("Zoho-oauthtoken ")
                token = await self._token(account.tenant_id, CloudCredential.parse(account.credential), refused)
                return token if isinstance(token, Refused) else {"Authorization": f"Zoho-oauthtoken {token}"}
            if instead_of is not None:
                return Refused(Reason.DESK_CREDENTIAL_REFUSED, "the desk refuses the key")
            return {"authtoken": _onprem_key(account.credential)}
        except BadCredential as error:
            return Refused(Reason.DESK_CREDENTIAL_REFUSED, str(error))

    async def _token(self, tenant_id: str, credential: CloudCredential, refused: str) -> str | Refused:
        of = TokenOf(tenant_id, credential.key)
        access = self._access(of)
        async with access.lock:
            good = bool(access.token) and access.token != refused
            if good and self._seconds() < access.until:
                return access.token
            try:
                return await self._shared(of, credential, access, refused)
            except PostgresUnavailable:
                if good and self._seconds() < access.until + EARLY:  # the rest of its life
                    return access.token
                raise

    async def _shared(self, of: TokenOf, credential: CloudCredential, access: _Access, refused: str) -> str | Refused:
        """What another process has fetched, or what this one fetches for all."""
        patience = self._seconds() + FETCH_SECONDS
        while True:
            match await self._tokens.take(of, refused=refused):
                case Kept(token, seconds):
                    access.token, access.until = token, self._seconds() + seconds
                    return token
                case Fetch():
                    return await self._fetched(of, credential, access)
                case Busy(seconds):
                    if self._seconds() >= patience:
                        detail = f"access token: another process has been fetching it for {FETCH_SECONDS:.0f} s"
                        return Refused(Reason.DESK_UNAVAILABLE, detail)
                    await self._sleep(min(seconds, LOOK_AGAIN_SECONDS))
                case Refused() as found:
                    return found

    async def _fetched(self, of: TokenOf, credential: CloudCredential, access: _Access) -> str | Refused:
        fetched = await self._refresh(of, credential)
        try:
            if isinstance(fetched, Refused):
                await self._tokens.refuse(of, fetched)
                return fetched
            access.token, access.until = fetched.token, self._seconds() + fetched.seconds
            await self._tokens.keep(of, fetched.token, fetched.seconds)
        except PostgresUnavailable as error:  # then only this process knows, until PostgreSQL is back
            log.warning("An access token could not be shared", tenant_id=of.tenant_id, error=str(error))
        return fetched if isinstance(fetched, Refused) else fetched.token

    async def _refresh(self, of: TokenOf, credential: CloudCredential) -> Kept | Refused:
        form = {
            "grant_type": "refresh_token",
            "client_id": credential.client_id,
            "client_secret": credential.client_secret,
            "refresh_token": credential.refresh_token,
        }
        call = HttpCall(
            "POST",
            credential.accounts_url,
            "/oauth/v2/token",
            {"Accept": "application/json"},
            form=form,
            secrets=(credential.client_secret, credential.refresh_token),
            tenant_id=of.tenant_id,
            operation=ACCESS_TOKEN,
        )
        answer = await self._transport.exchange(call)
        if not isinstance(answer, Answered):
            return Refused(Reason.DESK_UNAVAILABLE, f"access token: {answer.detail}")
        fields = _fields(answer.body)
        token = fields.get("access_token")
        if answer.status == 200 and isinstance(token, str) and _is_header_safe(token):
            return Kept(token, max(1.0, _life(fields) - EARLY))
        return self._refused(answer, fields)

    def _refused(self, answer: Answered, fields: Mapping[str, Any]) -> Refused:
        error = str(fields.get("error", ""))[:100]
        detail = f"access token: HTTP {answer.status} {error}".rstrip()
        if answer.status == 429 or error == "Access Denied" or "too many" in str(fields.get("error_description", "")):
            wait = retry_after_seconds(answer.retry_after, now=self._clock.now())
            return Refused(Reason.DESK_RATE_LIMITED, detail, RETRY_AFTER_RATE_LIMIT if wait is None else wait)
        if error in _BAD_CREDENTIAL or answer.status == 401:
            return Refused(Reason.DESK_CREDENTIAL_REFUSED, detail)
        return Refused(Reason.DESK_UNAVAILABLE, detail)

    def _access(self, of: TokenOf) -> _Access:
        access = self._accesses.setdefault(of, _Access())
        self._accesses.move_to_end(of)
        if len(self._accesses) > MAX_REMEMBERED:
            self._accesses.popitem(last=False)
        return access


def _onprem_key(text: str) -> str:
    key = text.strip()
    if not key or not _is_header_safe(key):
        raise BadCredential(
            "the key of a desk on premises is empty or no line of printable ASCII; generate one in ServiceDesk Plus"
        )
    return key


def _is_header_safe(text: str) -> bool:
    return len(text) <= MAX_CREDENTIAL_CHARS and _PRINTABLE.fullmatch(text) is not None


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _life(fields: Mapping[str, Any]) -> float:
    value = fields.get("expires_in")
    return float(min(value, 24 * 3600)) if isinstance(value, int) and not isinstance(value, bool) else 3600.0
