"""What is said of a tenant's secrets: which one the desk uses, when it is due, and what speaks against ending the old one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import pytest

from infra.ops.cli.commands.tenant.rotate_secret import LONGEST_WINDOW, _wait_for_edges, _warnings
from infra.ops.cli.duration import Duration
from infra.ops.cli.output import Output
from infra.ops.cli.secret_words import InUse, in_use, said_of_due, said_of_use, secrets_json
from ingest.tenants_view import POLL_SECONDS
from sinks.postgres.webhook_secrets import KnownSecret

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEW = KnownSecret("n", "11111111", NOW - 2 * HOUR, None, NOW + 90 * DAY)
OLD = KnownSecret("o", "22222222", NOW - 90 * DAY, NOW + DAY, NOW)


def used(known: KnownSecret, first: timedelta, last: timedelta) -> KnownSecret:
    return replace(known, first_used_at=NOW - first, last_used_at=NOW - last, uses=3)


USED_OLD = used(OLD, 80 * DAY, 3 * HOUR)
USED_NEW = used(NEW, HOUR, HOUR / 60)


@pytest.mark.parametrize(
    ("valid", "which", "said"),
    [
        ([], InUse.NONE, "there is no secret"),
        ([NEW], InUse.NONE, "none since uses are noted"),
        ([USED_NEW], InUse.NEW, "the current one since 2026-03-01 11:00:00 UTC, last 2026-03-01 11:59:00 UTC"),
        ([NEW, USED_OLD], InUse.OLD, "still the old one, last 2026-03-01 09:00:00 UTC; the old one ends 2026-03-02 12:00:00 UTC"),
        ([USED_NEW, USED_OLD], InUse.NEW, "the new one since 2026-03-01 11:00:00 UTC, last"),
        ([USED_NEW, OLD], InUse.NEW, "the new one since"),
        (
            [USED_NEW, used(OLD, 80 * DAY, HOUR / 2)],
            InUse.BOTH,
            "both, the new one since 2026-03-01 11:00:00 UTC, the old one last 2026-03-01 11:30:00 UTC",
        ),
    ],
)  # fmt: skip
def test_it_says_which_secret_the_desk_signs_with(valid: list[KnownSecret], which: InUse, said: str) -> None:
    assert in_use(valid) is which
    assert said_of_use(valid).startswith(said)


def test_a_secret_past_its_day_is_marked() -> None:
    assert said_of_due([NEW], NOW) == "2026-05-30"
    assert said_of_due([NEW], NOW + 91 * DAY) == "2026-05-30 overdue"
    assert secrets_json([NEW], NOW + 91 * DAY)["webhook_secret_overdue"] is True


def test_the_new_secret_is_shown_once_every_edge_follows_or_says_that_it_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    assert _wait_for_edges(Output())
    assert waited[0] >= 2 * POLL_SECONDS

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    assert not _wait_for_edges(Output())


def test_json_tells_times_in_rfc_3339() -> None:
    told = json.loads(json.dumps(secrets_json([USED_NEW, OLD], NOW)))
    assert told["webhook_secret_in_use"] == "new"
    assert [one["valid_until"] for one in told["webhook_secrets"]] == [None, "2026-03-02T12:00:00Z"]


def test_ending_an_old_secret_that_was_used_lately_is_warned_of() -> None:
    (warning,) = _warnings(USED_NEW, used(OLD, DAY, HOUR / 2), NOW)
    assert "at 2026-03-01 11:30:00 UTC" in warning
    assert _warnings(USED_NEW, used(OLD, DAY, 2 * HOUR), NOW) == []
    (warning,) = _warnings(NEW, USED_OLD, NOW)
    assert "never used" in warning


@pytest.mark.parametrize(("given", "means"), [("0", timedelta()), ("90m", HOUR * 1.5), ("24h", DAY), ("30d", 30 * DAY)])
def test_a_duration_has_a_unit(given: str, means: timedelta) -> None:
    assert Duration(LONGEST_WINDOW).convert(given, None, None) == means


@pytest.mark.parametrize("given", ["", "1", "-1h", "31d", "9999999d", "1w", "1h30m", "٣h"])
def test_what_is_no_duration_or_too_long_is_refused(given: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration(LONGEST_WINDOW).convert(given, None, None)
