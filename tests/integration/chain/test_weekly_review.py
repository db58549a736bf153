"""The weekly review of a tenant of the running chain: what happened, told against the targets; content only with a reason."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.ops.report.week import Week
from sinks.postgres.operator_tokens import Role
from tests.integration.chain.command_line import exit_codes, ticketstream
from tests.integration.chain.finished import HOSTILE, Finished
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import Tenant
from tests.integration.operator_token import operator_token

NOW = str(Week.of(datetime.now(UTC)))


async def test_a_week_is_told_against_the_targets(chain: RunningChain, finished: Finished, tmp_path: Path) -> None:
    of = ("--tenant", finished.tenant.tenant_id, "--week", NOW)
    done = await ticketstream(chain, tmp_path, "report", *of, "--json")

    assert done.code == 0, done.err
    (found,) = json.loads(done.out)["reports"]
    by_key = {one["key"]: one for one in found["criteria"]}
    assert by_key["success"]["value"] == pytest.approx(2 / 3)
    assert by_key["success"]["status"] == "red flag"
    assert (by_key["rating"]["value"], by_key["rating"]["status"]) == (pytest.approx(10 / 3), "missed")
    assert by_key["note_p95"]["value"] > 0
    assert by_key["minutes_saved"]["basis"] == "20 minutes in 2 answers"
    assert by_key["webhook_p95"]["status"] == "no data", "there is no Prometheus here"
    assert any("TICKETSTREAM_PROMETHEUS_URL" in line for line in found["unknown"])
    (worst,) = found["worst"]
    assert (worst["ticket_id"], worst["average_rating"], worst["writer"]) == (finished.disliked, 1.0, "builtin")
    assert isinstance(worst["missing"], list)
    assert (worst["text"], worst["comments"], found["themes"]) == (None, [], None)
    letters = {one["what"]: one["count"] for one in found["issues"] if one["kind"] == "dead letter"}
    assert letters == {"desk_refused at deliver": 1}
    assert "sadly" not in done.out.decode()


async def test_what_was_said_is_shown_with_a_reason_that_is_audited(
    chain: RunningChain, finished: Finished, tmp_path: Path
) -> None:
    of = ("report", "--tenant", finished.tenant.tenant_id, "--week", NOW, "--with-text")
    refused, shown = await asyncio.gather(
        ticketstream(chain, tmp_path, *of, TICKETSTREAM_LOCAL="0"),
        ticketstream(chain, tmp_path, *of, "--reason", "TS-9", "--out", "week.html", "--json"),
    )

    assert (refused.code, refused.out) == (2, b"") and "--reason" in refused.err
    assert shown.code == 0, shown.err
    (found,) = json.loads(shown.out)["reports"]
    assert [one["comments"] for one in found["worst"]] == [[HOSTILE]]
    assert "169.254" in found["worst"][0]["text"]
    assert [(one["term"], one["comments"]) for one in found["themes"]] == [("site", 2)]
    page = (tmp_path / "week.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Wrong site, sadly." in page and "<script" not in page
    audited = await chain.command("audit", "--tenant", finished.tenant.tenant_id, "--operation", "report")
    assert [(one["subject"], one["reason"]) for one in audited["entries"]] == [(f"content, {NOW}", "TS-9")]


async def test_a_week_without_data_says_so(chain: RunningChain, other_tenant: Tenant, tmp_path: Path) -> None:
    done = await ticketstream(chain, tmp_path, "report", "--tenant", other_tenant.tenant_id, "--week", "2020-W01")

    assert done.code == 0, done.err
    told = done.out.decode()
    assert "nothing to measure" in told and "| 0 %" not in told
    assert "their topic keeps 14 days" in told


async def test_nobody_sees_the_week_of_a_tenant_that_is_not_theirs(
    chain: RunningChain, finished: Finished, other_tenant: Tenant, tmp_path: Path
) -> None:
    mine, other = finished.tenant.tenant_id, other_tenant.tenant_id
    token = await operator_token(chain.environment["DATABASE_URL_OPERATOR"], "anna", Role.SUPPORT, other)
    commands = [
        ["report", *words] for words in (["--tenant", mine], ["--all-tenants"], ["--tenant", other, "--out", "o.md"])
    ]

    printed, err = await exit_codes(chain, tmp_path, commands, TICKETSTREAM_OPERATOR_TOKEN=token)

    assert printed == ["1", "1", "0"], err
    assert mine not in (tmp_path / "o.md").read_text(encoding="utf-8")
