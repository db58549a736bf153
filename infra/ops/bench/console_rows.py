"""Plausible rows of some days for `bench console` and the console's pictures: tenants, tickets, notes, feedback, audit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from schemas import ids

NOTE = (
    "## What to do\n\n1. Check the lease of the DHCP scope [1].\n2. Restart the print spooler on the site's server.\n3. Ask the "
    "requester to print the test page.\n\n## Why\n\nThe same printer failed on two tickets of this month after a firmware update."
)
COMMENTS = (
    "Step 2 solved it.",
    "Too long, but the second half was right.",
    "It named the wrong site.",
    "Saved me a call to the vendor.",
    None,
)
CAUSES = (("bad_signature", 403), ("stale", 403), ("schema", 422), ("rate_limited", 429))
DAYS = 3


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of each tenant."""

    tickets: int = 400
    feedback: int = 40
    refusals: int = 20
    audited: int = 50


async def plant(
    connection: asyncpg.Connection[asyncpg.Record], tenants: Sequence[str], amounts: Amounts, now: datetime
) -> None:
    """As the superuser, past the paths that rows take. `tenants` get the partitions from 0 on."""
    random = Random(7)
    await connection.executemany(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url, enabled) VALUES ($1, $2, $3, $4)",
        [
            (name, number, f"https://desk.{name}.example", number % 40 != 39 or number == 0)
            for number, name in enumerate(tenants)
        ],
    )
    await _secrets(connection, tenants, now)
    for number, name in enumerate(tenants):
        await _tickets(connection, name, amounts, now, random, failing=0.12 if number % 17 == 3 else 0.02)
        await _edge(connection, name, amounts, now, random)


async def _secrets(connection: asyncpg.Connection[asyncpg.Record], tenants: Sequence[str], now: datetime) -> None:
    for number, name in enumerate(tenants):
        secret = await connection.fetchval(
            "INSERT INTO webhook_secrets (tenant_id, secret, fingerprint, created_by, due, valid_from) "
            "VALUES ($1, 'k1:none', $2, 'bench', $3, $4) RETURNING secret_id",
            name,
            f"{number:08x}",
            now + timedelta(days=number % 90 - 2),
            now - timedelta(days=60),
        )
        await connection.execute(
            "INSERT INTO webhook_secret_uses (tenant_id, secret_id, first_used_at, last_used_at, uses) "
            "VALUES ($1, $2, $3, $4, 900)",
            name,
            secret,
            now - timedelta(days=60),
            now - timedelta(minutes=number % 50),
        )
        await connection.executemany(
            "INSERT INTO tenant_contacts (tenant_id, kind, name, email, phone) VALUES ($1, $2, $3, $4, $5)",
            [(name, kind, f"The {kind} contact", f"{kind}@{name}.example", "+49 30 1234") for kind in ("technical", "executive")],
        )  # fmt: skip


async def _tickets(
    connection: asyncpg.Connection[asyncpg.Record],
    tenant_id: str,
    amounts: Amounts,
    now: datetime,
    random: Random,
    *,
    failing: float,
) -> None:
    events, notes, feedback, answers = list[Any](), list[Any](), list[Any](), list[Any]()
    for number in range(amounts.tickets):
        at = now - timedelta(days=DAYS) * (number / amounts.tickets)
        event_id, ticket_id = UUID(int=random.getrandbits(128), version=4), str(20_000 - number)
        input_id = ids.of_output(str(event_id), "enrich")
        enhancement_id = UUID(ids.derive(input_id, "enhancement"))
        failed = random.random() < failing
        posted = None if failed else at + timedelta(seconds=random.uniform(15, 58))
        events.append((tenant_id, event_id, ticket_id, "created", "tickets.received", 0, number, "h", at, True, at))
        notes.append(
            (tenant_id, ticket_id, f"h{number}", "failed" if failed else "success", event_id, enhancement_id, at, posted, at,
             None if failed else "builtin", None if failed else str(5000 + number), "model_unavailable" if failed else None)
        )  # fmt: skip
        if number < amounts.feedback and posted:
            kind, rating = random.choice(("rating", "thumbs_up")), random.choice((2, 4, 5, 5, 5, 4))
            comment = random.choice(COMMENTS)
            feedback.append(
                (tenant_id, UUID(int=random.getrandbits(128), version=4), ticket_id, enhancement_id, kind, rating, comment, 10,
                 min(now, posted + timedelta(minutes=30)))
            )  # fmt: skip
            answers.append((tenant_id, UUID(input_id), stored_answer(NOTE, at), "bench", at))
    for table, columns, rows in (
        ("received_events", _EVENTS, events),
        ("enhancements", _NOTES, notes),
        ("enhancement_feedback", _FEEDBACK, feedback),
        ("synthesized_answers", _ANSWERS, answers),
    ):
        await connection.copy_records_to_table(table, columns=columns.split(), records=rows)


_EVENTS = "tenant_id event_id ticket_id kind topic partition record_offset body_hash received_at published recorded_at"
_NOTES = "tenant_id ticket_id content_hash status event_id enhancement_id received_at posted_at created_at writer note_id reason"
_FEEDBACK = "tenant_id feedback_id ticket_id enhancement_id feedback_type rating comment minutes_saved submitted_at"
_ANSWERS = "tenant_id input_id answer stored_by stored_at"
_REFUSALS = "tenant_id at status reason detail ticket_id address times"
_AUDIT = "tenant_id at who operation subject old_value new_value reason role"


async def _edge(
    connection: asyncpg.Connection[asyncpg.Record], tenant_id: str, amounts: Amounts, now: datetime, random: Random
) -> None:
    refused = [
        (tenant_id, now - timedelta(minutes=37 * number + random.randrange(30)), status, reason, "", str(20_000 + number),
         "203.0.113.7", 1)
        for number in range(amounts.refusals)
        for reason, status in [random.choice(CAUSES)]
    ]  # fmt: skip
    await connection.copy_records_to_table("webhook_refusals", columns=_REFUSALS.split(), records=refused)
    await connection.copy_records_to_table(
        "audit_log", columns=_AUDIT.split(), records=list(_audit(tenant_id, amounts, now))
    )


def _audit(tenant_id: str, amounts: Amounts, now: datetime) -> Iterator[tuple[Any, ...]]:
    for number in range(amounts.audited):
        at = now - timedelta(hours=number * 3 + 1)
        if number % 3:
            yield (
                tenant_id,
                at,
                "L1 support",
                "investigate",
                f"ticket {20_000 - number}",
                None,
                None,
                f"case {4711 + number}",
                "support",
            )
        else:
            yield (
                tenant_id,
                at,
                "L2 support",
                "tenant set",
                "max_concurrent_jobs",
                "5",
                "8",
                "morning peak",
                "engineer",
            )


def stored_answer(text: str, at: datetime) -> str:
    """As synthesize keeps it."""
    usage = {"prompt_tokens": 900, "completion_tokens": 600, "cost_usd": 0.0}
    written: dict[str, Any] = {
        "text": text,
        "citations": [],
        "writer": "builtin",
        "model": None,
        "prompt_version": None,
        "usage": usage,
    }
    return json.dumps({**written, "degraded": None, "synthesized_at": at.astimezone(UTC).isoformat()})


def lag_object(tenants: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """What the lag service would say: most tenants have none, one is held, some are behind."""
    random = Random(seed)
    stages: dict[str, Any] = {}
    for stage in ("enrich", "synthesize", "deliver", "feedback_aggregate"):
        found: dict[str, dict[str, Any]] = {}
        for number, name in enumerate(tenants):
            lag = random.randrange(9, 19) + number if number % 9 == 1 and stage in ("synthesize", "deliver") else 0
            held = None
            if number == 4 and stage == "deliver":
                lag = 140
                until = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
                held = {"events": 3, "reason": "desk_unavailable", "until": until, "attempts": 7, "breaker": "open"}
            found[name] = {
                "lag": lag,
                "oldest_seconds": lag * 2.5 if lag else None,
                "waiting": lag,
                "in_flight": 0,
                "done_beyond_commit": 0,
                "rate": 0.4 if lag else 0.0,
                "drain_seconds": lag / 0.4,
                "limited_by": "cap" if lag and not held else None,
                "held": held,
            }
        total = sum(one["lag"] for one in found.values())
        oldest = max((one["oldest_seconds"] or 0 for one in found.values()), default=0)
        stages[stage] = {"lag": total, "oldest_seconds": oldest, "unowned": 0, "workers": 2, "slots": 64, "demand": 3}
        stages[stage]["tenants"] = found
    return {"stages": stages, "error": None}
