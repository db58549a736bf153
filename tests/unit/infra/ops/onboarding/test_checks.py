"""The checks of `tenant verify`, where no server is needed to try them; and what `tenant create` asks before it makes anything."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from infra.ops.cli.commands.tenant.onboarding import Plan, contacts_asked_for, contacts_given
from infra.ops.cli.failure import WrongUse
from infra.ops.onboarding.check import Check, Checks, all_passed, bounded, failed, passed, skipped, unknown
from infra.ops.onboarding.database_checks import limits
from infra.ops.onboarding.desk_checks import _told
from infra.ops.onboarding.edge_checks import clock_off
from infra.ops.onboarding.trial_delivery import Delivery, _decided
from schemas.reasons import Reason
from sinks.postgres.tenant_contacts import Contact, ContactKind
from sinks.postgres.tenant_settings import TenantSettings
from sinks.servicedesk.types import Refused

TENANT = TenantSettings(
    tenant_id="msp-one", partition=1, enabled=True, servicedesk_base_url="https://desk.example", servicedesk_form="onprem",
    max_concurrent_jobs=5, enhancement_timeout_seconds=120, enable_context_caching=True, gpt4_model="gpt-4o",
    gpt4_temperature=0.7, external_model=False, webhook_rate_per_second=20.0, webhook_burst=100,
)  # fmt: skip
JO = "Jo Doe <jo.doe@customer.example> +49 30 1234"


@pytest.mark.parametrize(
    ("check", "passes", "mark"),
    [(passed("x"), True, "✓"), (failed("x", "y"), False, "✗"), (unknown("x", "y"), False, "?"), (skipped("x"), True, "-")],
)  # fmt: skip
def test_only_what_was_seen_to_be_good_or_cannot_be_asked_for_passes(check: Check, passes: bool, mark: str) -> None:
    assert (all_passed({"one": passed("x"), "two": check}), check.mark) == (passes, mark)


async def test_a_check_that_hangs_or_breaks_is_unknown_and_hides_no_other() -> None:
    async def hangs() -> Checks:
        await asyncio.Event().wait()
        raise AssertionError

    async def breaks() -> Checks:
        raise LookupError("no such thing\nsecond line")

    assert {name: check.ok for name, check in (await bounded(("a", "b"), hangs, 0.01)).items()} == {
        "a": None,
        "b": None,
    }
    assert (await bounded(("a",), breaks))["a"].detail == "no such thing"


def test_limits_are_those_of_tenant_set() -> None:
    assert limits(TENANT).ok
    wrong = limits(replace(TENANT, max_concurrent_jobs=51))
    assert wrong.ok is False and "max_concurrent_jobs" in wrong.detail and "tenant set msp-one" in wrong.cure


@pytest.mark.parametrize(
    ("reason", "desk", "credential"),
    [
        (None, True, True), (Reason.DESK_CREDENTIAL_REFUSED, True, False), (Reason.DESK_RATE_LIMITED, True, None),
        (Reason.DESK_UNAVAILABLE, False, None),
    ],
)  # fmt: skip
def test_what_the_desk_says_tells_desk_and_credential_apart(
    reason: Reason | None, desk: bool, credential: bool | None
) -> None:
    told = _told(TENANT, Refused(reason, "said so") if reason else None)
    assert (told["desk"].ok, told["credential"].ok) == (desk, credential)
    assert all(check.cure for check in told.values() if not check.ok)


def test_a_date_header_tells_how_far_a_clock_is_off() -> None:
    assert clock_off(formatdate(time.time() + 400, usegmt=True)) == pytest.approx(400, abs=2)
    assert clock_off(None) is None and clock_off("yesterday") is None


@pytest.mark.parametrize(
    ("row", "dropped", "ok", "said"),
    [
        (None, None, "waits", ""),
        ({"event_id": "mine", "status": "pending"}, None, "waits", ""),
        ({"event_id": "mine", "status": "success", "note_id": "7"}, None, True, "note 7"),
        ({"event_id": "another", "status": "success", "note_id": "7"}, "unchanged", True, "note 7"),
        ({"event_id": "another", "status": "success", "note_id": "7"}, None, "waits", ""),
        ({"event_id": "mine", "status": "failed", "error_message": "desk said no", "reason": None}, None, False, "desk said no"),
        (None, "not_for_enhancement", False, "not_for_enhancement"),
        ({"event_id": "another", "status": "success", "note_id": "7"}, "duplicate", False, "duplicate"),
    ],
)  # fmt: skip
def test_a_test_delivery_is_decided_by_its_own_event(
    row: dict[str, str] | None, dropped: str | None, ok: bool | str, said: str
) -> None:
    found = _decided(Delivery(TENANT, "4711", 1.0), "mine", row, dropped)
    assert (found.ok if found else "waits") == ok
    assert found is None or said in found.detail


def test_contacts_are_asked_for_on_a_terminal_only_and_again_where_they_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["nobody", JO, ""])
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(answers))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    given = (f"executive={JO}",)
    asked = contacts_asked_for(given)
    assert contacts_given(given + asked) == dict.fromkeys(
        (ContactKind.EXECUTIVE, ContactKind.TECHNICAL), Contact("Jo Doe", "jo.doe@customer.example", "+49 30 1234")
    )
    assert "must be a name" in capsys.readouterr().err and next(answers, "all were asked") == "all were asked"
    with pytest.raises(WrongUse, match="technical: "):
        contacts_asked_for(("technical=nobody",))
    with pytest.raises(WrongUse, match="technical: "):
        contacts_given(("technical=nobody",))
    assert contacts_given(()) == {}
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert contacts_asked_for(()) == () and contacts_given(()) == {}


def test_a_hand_over_that_has_no_place_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "handover.md").touch()
    with pytest.raises(WrongUse, match="nothing was done"):
        Plan({}, tmp_path).check("onprem")
    with pytest.raises(WrongUse, match="--handover"):
        Plan({}, None, with_secret=True).check("onprem")
    Plan({}, tmp_path / "new").check("onprem")
