"""What analysts are given: exports of finished enhancements with their feedback, tail, and the handbook's examples, which run as
they stand on its page."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pyarrow import parquet

from schemas.topics import Topic
from sinks.postgres.operator_tokens import Role
from tests.integration.chain.command_line import environment, exit_codes, ran, ticketstream
from tests.integration.chain.finished import FORMULA, HOSTILE, Finished
from tests.integration.chain.running_chain import PREFIX, PROGRAM, RunningChain
from tests.integration.chain.tenant import Tenant
from tests.integration.operator_token import operator_token

PAGE = Path("infra/handbook/analysts.md")
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_each_format_has_the_same_rows_with_their_feedback(
    chain: RunningChain, finished: Finished, tmp_path: Path
) -> None:
    of = ("--tenant", finished.tenant.tenant_id, "--with-failed")
    lines, cells, typed = await asyncio.gather(
        ticketstream(chain, tmp_path, "export", *of),
        ticketstream(chain, tmp_path, "export", *of, "--format", "csv", "--out", "a.csv"),
        ticketstream(chain, tmp_path, "export", *of, "--format", "parquet", "--out", "a.parquet"),
    )

    assert (lines.code, cells.code, typed.code) == (0, 0, 0), (lines.err, cells.err, typed.err)
    rows = [json.loads(line) for line in lines.out.splitlines()]
    assert [(row["ticket_id"], row["outcome"], row["reason"]) for row in rows] == [
        (finished.liked, "posted", None),
        (finished.disliked, "posted", None),
        (finished.failed, "failed", "desk_refused"),
    ]
    assert [(row["answers"], row["ratings"], row["average_rating"], row["minutes_saved"]) for row in rows] == [
        (2, 2, 4.5, 15),  # one answer names the enhancement, the other the ticket only
        (1, 1, 1.0, 5),
        (0, 0, None, None),
    ]
    assert "text" not in rows[0] and "169.254" not in lines.out.decode()
    ids = [row["event_id"] for row in rows]
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["event_id"] for row in csv.DictReader(file)] == ids
    table = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [(row["event_id"], row["average_rating"]) for row in table] == [
        (row["event_id"], row["average_rating"]) for row in rows
    ]
    assert "3 rows" in lines.err


async def test_texts_and_comments_are_shown_with_a_reason_that_is_audited(
    chain: RunningChain, finished: Finished, tmp_path: Path
) -> None:
    of = ("export", "--tenant", finished.tenant.tenant_id, "--with-text")
    refused = await ticketstream(chain, tmp_path, *of, TICKETSTREAM_LOCAL="0")
    shown = await ticketstream(chain, tmp_path, *of, "--reason", "TS-7", "--consent", "their administrator")

    assert (refused.code, refused.out) == (2, b"")
    assert "--reason" in refused.err
    first = json.loads(shown.out.splitlines()[0])
    assert "169.254" in first["text"] and first["comments"] == ["The right site at once.", FORMULA]
    assert {one["id"] for one in first["cited"]} >= {"KB-2001"}
    found = await chain.command("audit", "--tenant", finished.tenant.tenant_id, "--operation", "export")
    told = {(entry["subject"].partition(",")[0], entry["reason"], entry["consent"]) for entry in found["entries"]}
    assert ("content", "TS-7", "their administrator") in told


async def test_nobody_exports_a_tenant_that_is_not_theirs(
    chain: RunningChain, finished: Finished, other_tenant: Tenant, tmp_path: Path
) -> None:
    mine, other = finished.tenant.tenant_id, other_tenant.tenant_id
    token = await operator_token(chain.environment["DATABASE_URL_OPERATOR"], "anna", Role.SUPPORT, other)
    tries = [["--tenant", mine], ["--all-tenants"], ["--tenant", other, "--tenant", mine], ["--tenant", other]]
    commands = [["export", *words] for words in tries]

    printed, err = await exit_codes(chain, tmp_path, commands, TICKETSTREAM_OPERATOR_TOKEN=token)

    assert printed == ["1", "1", "1", "0"], err


async def test_an_export_of_all_tenants_is_in_the_order_of_their_names(
    chain: RunningChain, finished: Finished, tmp_path: Path
) -> None:
    file = tmp_path / "all.jsonl"
    told = await chain.command("export", "--all-tenants", "--since", "1h", "--out", str(file))

    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert told["rows"] == len(rows) > 0
    names = [row["tenant_id"] for row in rows]
    assert names == sorted(names) and finished.tenant.tenant_id in names
    assert len({row["event_id"] for row in rows}) == len(rows)


async def test_a_reader_who_has_had_enough_ends_an_export(
    chain: RunningChain, finished: Finished, tmp_path: Path
) -> None:
    script = f'"{sys.executable}" -c "$PROGRAM" export --tenant {finished.tenant.tenant_id} | head -c 1; exit "${{PIPESTATUS[0]}}"'

    done = await ran(environment(chain, PROGRAM=PROGRAM), tmp_path, "bash", "-c", script)

    assert (done.code, done.out) == (0, b"{"), done.err


async def test_tail_begins_at_a_time_and_tells_what_was_said(
    chain: RunningChain, finished: Finished, tmp_path: Path
) -> None:
    tail = ("tail", "--tenant", finished.tenant.tenant_id, "--limit", "2", "--seconds", "60")
    people, machine = await asyncio.gather(
        ticketstream(chain, tmp_path, *tail, "--since", "1h"),
        ticketstream(chain, tmp_path, *tail, "--since", "1h", "--json", "--reason", "TS-8"),
    )

    assert people.code == machine.code == 0, (people.err, machine.err)
    first, second = people.out.decode().splitlines()
    assert first.endswith("4.5 of 5 (2)") and second.endswith("1.0 of 5 (1)")
    liked, disliked = (json.loads(line)["feedback"] for line in machine.out.splitlines())
    assert (liked["ratings"], liked["comments"][1], disliked["comments"]) == (2, FORMULA, [HOSTILE])


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
async def examples(chain: RunningChain, finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each shell block of the page prints, by its first line; its scripts lie in the folder where it runs."""
    if shutil.which("kcat") is None:
        if os.environ.get("CI"):
            pytest.fail("kcat is missing: apt-get install kcat")
        pytest.skip("kcat is missing: apt-get install kcat")
    folder = tmp_path_factory.mktemp("analyst")
    for language, text in blocks():
        if language == "python":
            (folder / text.split()[1].rstrip(":")).write_text(text, encoding="utf-8")
    week = await ticketstream(
        chain,
        folder,
        "export",
        "--all-tenants",
        "--since",
        "7d",
        "--with-failed",
        "--format",
        "parquet",
        "--out",
        "week.parquet",
    )
    assert week.code == 0, week.err
    own = {"KAFKA": chain.kafka, "REGISTRY": chain.registry, "TOPIC": Topic.ENHANCEMENTS_DELIVERED.named(PREFIX)}
    path = f"{Path(sys.executable).parent}:{chain.environment['PATH']}"
    found: dict[str, str] = {}
    for language, text in blocks():
        if language == "bash" and not text.startswith("export "):
            done = await ran({"PATH": path, "LC_ALL": "C.UTF-8", **own}, folder, "bash", "-euo", "pipefail", "-c", text)
            assert done.code == 0, f"{text}\n{done.err}"
            found[text.splitlines()[0]] = done.out.decode()
    found["feedback.jsonl"] = (folder / "feedback.jsonl").read_text(encoding="utf-8")
    found["delivered.jsonl"] = (folder / "delivered.jsonl").read_text(encoding="utf-8")
    return found


def output(examples: Mapping[str, str], begins: str) -> str:
    (found,) = (text for line, text in examples.items() if line.startswith(begins))
    return found


def row_of(table: str, tenant_id: str) -> list[str]:
    """The cells of a table that DuckDB prints."""
    (line,) = (line for line in table.splitlines() if tenant_id in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


async def test_kcat_counts_the_notes_of_each_tenant(examples: dict[str, str], finished: Finished) -> None:
    first, last = (text for line, text in examples.items() if line.startswith("kcat"))

    counted = {tenant: int(count) for count, tenant in (line.split() for line in first.splitlines())}
    assert counted[finished.tenant.tenant_id] == 2
    assert len(last.splitlines()) == min(3, sum(counted.values()))
    assert all("ce_subject=" in line and "ce_tenantid=" in line for line in last.splitlines())


async def test_the_registry_knows_the_topics_schema(examples: dict[str, str]) -> None:
    subjects, version = json.JSONDecoder().raw_decode(output(examples, "curl"))[0], output(examples, "curl")

    assert f"{Topic.ENHANCEMENTS_DELIVERED.named(PREFIX)}-value" in subjects
    assert re.search(r'"id": ?1004\b', version)


async def test_confluents_client_reads_every_event_once(examples: dict[str, str], finished: Finished) -> None:
    events = [json.loads(line) for line in examples["delivered.jsonl"].splitlines()]
    mine = [event for event in events if event["tenant_id"] == finished.tenant.tenant_id]

    assert [event["ticket_id"] for event in mine] == [finished.liked, finished.disliked]
    assert len({event["event_id"] for event in events}) == len(events)


async def test_duckdb_tells_each_tenants_weekly_success_rate(examples: dict[str, str], finished: Finished) -> None:
    table = output(examples, "python3 weekly.py")
    tenant_id, week, notes, failed, success, _, ratings, rating = row_of(table, finished.tenant.tenant_id)

    assert tenant_id == finished.tenant.tenant_id
    assert (notes, failed, success, ratings, rating) == ("2", "1", "66.7", "3", "3.33")
    assert re.fullmatch(r"20\d\d-W\d\d", week)


async def test_duckdb_joins_notes_and_answers(examples: dict[str, str], finished: Finished) -> None:
    cells = row_of(output(examples, "python3 joined.py"), finished.tenant.tenant_id)

    assert cells[1:5] == ["builtin", "2", "1", "0"]
    assert cells[6:] == ["4.0", "15"]
