"""What support staff read about a refused webhook."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import ingest
from infra.ops.onboarding.refusal_causes import _CAUSES, cause
from sinks.postgres.webhook_refusals import Refusal


def refusal(reason: str, **other: object) -> Refusal:
    return Refusal(datetime(2026, 11, 21, tzinfo=UTC), 403, reason, **other)  # type: ignore[arg-type]


def test_a_stale_one_names_the_clock() -> None:
    assert "clock is 412 s behind" in cause(refusal("stale", seconds_off=-412))
    assert "clock is 301 s ahead" in cause(refusal("stale", seconds_off=301))


def test_a_wrong_signature_points_to_the_fingerprint_and_to_a_clock_that_is_off() -> None:
    assert "fingerprint" in cause(refusal("bad_signature")) and "clock" not in cause(refusal("bad_signature"))
    assert "clock is 9999 s ahead" in cause(refusal("bad_signature", seconds_off=9999))


def test_a_wrong_field_is_named() -> None:
    assert cause(refusal("schema", detail="subject is missing")).startswith("subject is missing: ")


def test_the_scripts_own_test_is_known() -> None:
    assert "--test" in cause(refusal("schema", detail="ticket_id is missing"))


def test_what_nobody_knows_is_shown_as_it_is() -> None:
    assert cause(refusal("new_reason", detail="said so")) == "said so"
    assert cause(refusal("new_reason")) == "new_reason"


def test_every_reason_of_the_edges_webhook_path_has_its_cause() -> None:
    folder = Path(ingest.__file__).parent
    files = ("webhooks", "request_body", "json_text", "ticket_body", "answers")
    text = "".join((folder / f"{name}.py").read_text() for name in files)
    ours = {"publish_failed", "tenants_never_loaded", "tenants_view_old", "secret_unreadable", "unknown_tenant"}
    used = set(re.findall(r'reason="(\w+)"', text)) | set(re.findall(r'invalid_signature\("(\w+)"', text))
    assert used - ours <= {*_CAUSES, "stale"}, "a new reason needs its words"
