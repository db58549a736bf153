"""What can be set on a simulated desk: its form, keys, quirks, limits, webhook and faults."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.ops.local.faults import Fault

DeskKind = Literal["onprem", "cloud"]
WebhookCause = Literal["request_created", "request_updated", "note_added"]
Operation = Literal[
    "list_requests",
    "add_request",
    "get_request",
    "update_request",
    "delete_request",
    "list_notes",
    "add_note",
    "get_note",
    "list_solutions",
    "get_solution",
    "token",
]
DESK_NAME = r"^(?!app$|oauth$|_simulator$|\.+$)[A-Za-z0-9._-]{1,64}$"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quirks(_Value):
    """Where real desks differ from each other or from their manual.

    `response_status` "usual" is what most do: an array in lists, an object elsewhere. `failures_inside_200` answers failures
    with HTTP 200. `fields_required_ignored` makes reading notes one by one the only way to their text. `strips_html_comments` is
    what a desk's HTML cleaner does, so a marker in a comment is lost. `bad_keys_per_minute`: on premises, more refusals than that
    are answered 429.
    """

    response_status: Literal["usual", "object", "array"] = "usual"
    failures_inside_200: bool = False
    note_list_omits_description: bool = True
    fields_required_ignored: bool = False
    strips_html_comments: bool = True
    note_changes_updated_time: bool = True
    bad_keys_per_minute: int | None = Field(default=15, ge=1)
    access_token_seconds: int = Field(default=3600, ge=1)


class RateLimit(_Value):
    """At most `calls` in any `seconds`; the refusal has a Retry-After only with `tells_retry_after`."""

    calls: int = Field(ge=1, le=100_000)
    seconds: float = Field(default=60.0, gt=0)
    tells_retry_after: bool = True


class WebhookTarget(_Value):
    """Where the desk reports changes, signed as Standard Webhooks 1.0 with `secret` (`whsec_` and base64)."""

    url: str = Field(pattern=r"^https?://")
    secret: str = Field(pattern=r"^whsec_[A-Za-z0-9+/=]+$")
    causes: tuple[WebhookCause, ...] = ("request_created", "request_updated", "note_added")
    attempts: int = Field(default=5, ge=1, le=20)


class DeskSettings(_Value):
    """One desk. On premises `key` is the authtoken; a cloud desk is entered by OAuth with the three fields after it."""

    kind: DeskKind = "onprem"
    key: str = "local-authtoken"
    client_id: str = "local-client"
    client_secret: str = "local-client-secret"  # noqa: S105 - a stand-in's documented default
    refresh_token: str = ""  # empty: the desk's name with "refresh-" before it
    quirks: Quirks = Quirks()
    rate_limit: RateLimit | None = None
    webhook: WebhookTarget | None = None


class DeskFault(Fault):
    """A fault of a desk; for every operation when `operation` is None.

    `login_page` is an HTML page with status 200 as a proxy or an expired session gives it; `garbage` is a body that isn't JSON.
    With `when` "after" the note is written first, then the error, reset, hang or garbage follows.
    """

    kind: Literal["latency", "rate_limit", "error", "reset", "hang", "garbage", "login_page"]
    operation: Operation | None = None

    def concerns(self, target: str) -> bool:
        return self.operation is None or self.operation == target


class FaultList(_Value):
    """The body of the control route that sets faults."""

    faults: tuple[DeskFault, ...]
