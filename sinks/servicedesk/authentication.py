"""Who we are to a desk: the technician's key on premises, an OAuth access token in the cloud.

Sources: ServiceDesk Plus REST API v3, "Authentication"; Zoho, "OAuth 2.0, refresh access tokens" (an access token lasts an hour,
a refresh token gives at most 10 of them in 10 minutes).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from infra.runtime.clock import Clock, SystemClock
from schemas.reasons import Reason
from sinks.servicedesk.addresses import AddressPolicy, BadDeskUrl
from sinks.servicedesk.answers import RETRY_AFTER_RATE_LIMIT, retry_after_seconds
from sinks.servicedesk.transport import Answered, HttpCall, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Refused

MAX_REMEMBERED = 2048
TOKENS_PER_WINDOW, WINDOW = 8, 600.0
"""Our own bound, below Zoho's 10, so that a key which is refused again and again doesn't lock others of the tenant out."""
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
    """The access token of one credential. The lock lets one refresh run at a time; the others take what it brings."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    until: float = 0.0
    asked: deque[float] = field(default_factory=deque)


class Authentication:
    """Makes the headers of a call. `seconds` is a monotonic clock."""

    def __init__(
        self, transport: Transport, *, seconds: Callable[[], float] = time.monotonic, clock: Clock | None = None
    ) -> None:
        self._transport = transport
        self._seconds = seconds
        self._clock = clock or SystemClock()
        self._accesses: OrderedDict[str, _Access] = OrderedDict()

    async def headers(
        self, account: DeskAccount, *, instead_of: Mapping[str, str] | None = None
    ) -> dict[str, str] | Refused:
        """`instead_of` are headers that the desk refused: in the cloud they are answered with a new access token, on premises
        there is nothing newer. Nothing is written by this, whatever it returns."""
        try:
            if account.form is DeskForm.CLOUD:
                refused = (instead_of or {}).get("Authorization", "").removeprefix("Zoho-oauthtoken ")
                token = await self._token(CloudCredential.parse(account.credential), refused)
                return token if isinstance(token, Refused) else {"Authorization": f"Zoho-oauthtoken {token}"}
            if instead_of is not None:
                return Refused(Reason.DESK_CREDENTIAL_REFUSED, "the desk refuses the key")
            return {"authtoken": _onprem_key(account.credential)}
        except BadCredential as error:
            return Refused(Reason.DESK_CREDENTIAL_REFUSED, str(error))

    async def _token(self, credential: CloudCredential, refused: str) -> str | Refused:
        access = self._access(credential.key)
        async with access.lock:
            if access.token and access.token != refused and self._seconds() < access.until:
                return access.token
            access.token = ""
            wait = self._wait(access)
            if wait > 0:
                detail = f"{TOKENS_PER_WINDOW} access tokens were asked for in {WINDOW:.0f} s; Zoho allows 10"
                return Refused(Reason.DESK_RATE_LIMITED, detail, wait)
            access.asked.append(self._seconds())
            return await self._refresh(credential, access)

    async def _refresh(self, credential: CloudCredential, access: _Access) -> str | Refused:
        form = {
            "grant_type": "refresh_token",
            "client_id": credential.client_id,
            "client_secret": credential.client_secret,
            "refresh_token": credential.refresh_token,
        }
        call = HttpCall("POST", credential.accounts_url, "/oauth/v2/token", {"Accept": "application/json"}, form=form)
        answer = await self._transport.exchange(call)
        if not isinstance(answer, Answered):
            return Refused(Reason.DESK_UNAVAILABLE, f"access token: {answer.detail}")
        fields = _fields(answer.body)
        token = fields.get("access_token")
        if answer.status == 200 and isinstance(token, str) and _is_header_safe(token):
            access.token = token
            access.until = self._seconds() + max(1.0, _life(fields) - EARLY)
            return token
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

    def _wait(self, access: _Access) -> float:
        now = self._seconds()
        while access.asked and access.asked[0] <= now - WINDOW:
            access.asked.popleft()
        return access.asked[0] + WINDOW - now if len(access.asked) >= TOKENS_PER_WINDOW else 0.0

    def _access(self, key: str) -> _Access:
        access = self._accesses.setdefault(key, _Access())
        self._accesses.move_to_end(key)
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
