"""The demo's tenants as a corpus for the searches: what is known, the live tickets, and what a technician would want found."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.events import Requester, Ticket
from sinks.postgres.search_terms import exact_tokens
from sinks.postgres.tickets import Kept, keep

DATA = Path(__file__).resolve().parents[4] / "infra" / "ops" / "demo" / "data"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A live ticket, the earlier ticket with the same cause, and the article that has the cure, if there is one."""

    ticket_id: str
    earlier: str
    article: str | None


WANTED: dict[str, tuple[Wanted, ...]] = {
    "msp-acme-corp": (
        Wanted("52101", "43136", "KB-1001"),
        Wanted("52102", "46348", "KB-1019"),
        Wanted("52103", "43761", "KB-1017"),
        Wanted("52104", "44593", "KB-1004"),
        Wanted("52105", "44984", "KB-1006"),
        Wanted("52106", "44351", "KB-1028"),
        Wanted("52107", "44813", "KB-1012"),
        Wanted("52108", "43192", "KB-1022"),
        Wanted("52109", "43417", None),
        Wanted("52110", "43592", "KB-1016"),
        Wanted("52111", "43810", "KB-1002"),
        Wanted("52112", "44692", None),
        Wanted("52113", "45043", "KB-1014"),
        Wanted("52114", "48459", "KB-1015"),
        Wanted("52115", "46125", "KB-1023"),
        Wanted("52116", "44962", "KB-1026"),
        Wanted("52117", "44322", None),
        Wanted("52118", "43224", "KB-1026"),
        Wanted("52119", "43835", "KB-1014"),
        Wanted("52120", "48782", None),
        Wanted("52121", "46641", "KB-1029"),
        Wanted("52122", "43652", "KB-1003"),
    ),
    "msp-nordwind": (
        Wanted("71903", "60114", "KB-2003"),
        Wanted("71907", "60139", "KB-2012"),
        Wanted("71910", "60864", "KB-2009"),
        Wanted("71912", "60133", "KB-2011"),
        Wanted("71915", "60127", "KB-2001"),
        Wanted("71918", "60664", "KB-2018"),
        Wanted("71921", "60121", "KB-2002"),
        Wanted("71924", "60605", "KB-2005"),
        Wanted("71926", "60147", "KB-2017"),
        Wanted("71929", "60192", "KB-2006"),
        Wanted("71933", "60412", "KB-2013"),
        Wanted("71936", "60180", "KB-2007"),
        Wanted("71938", "60403", "KB-2005"),
    ),
}


def live_tickets(name: str) -> dict[str, Ticket]:
    """The demo's tickets by id, their descriptions as plain text."""
    return {row["ticket_id"]: _ticket(row, _plain(row["description"])) for row in _lines(name, "tickets.jsonl")}


async def load(pool: Pool, superuser: Pool, name: str, tenant_id: str) -> None:
    """Everything that the demo's tenant `name` knows, as rows of `tenant_id`."""
    async with tenant_transaction(pool, tenant_id) as connection:
        for row in _lines(name, "history.jsonl"):
            ticket = _ticket(row, row["description"])
            await keep(connection, tenant_id, ticket, Kept(solved_at=datetime.fromisoformat(row["solved_at"])))
    for file in sorted((DATA / name / "knowledge").glob("*.md")):
        await _add_article(superuser, tenant_id, file.read_text("utf-8"))
    with (DATA / name / "inventory.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            await _add_item(superuser, tenant_id, row)


async def _add_article(superuser: Pool, tenant_id: str, text: str) -> None:
    _, head, body = text.split("---", 2)
    fields = dict(re.findall(r"^(\w+):\s*(.*)$", head, re.MULTILINE))
    body = f"{fields.get('keywords', '')}\n{body.strip()}"
    await superuser.execute(
        "INSERT INTO knowledge_articles (tenant_id, article_id, title, body, exact_tokens) VALUES ($1, $2, $3, $4, $5)",
        tenant_id,
        fields["id"],
        fields["title"],
        body,
        exact_tokens(f"{fields['title']}\n{body}"),
    )


async def _add_item(superuser: Pool, tenant_id: str, row: dict[str, str]) -> None:
    network = ip_network(row["address"])
    details = f"{row['kind']} at {row['site']} of {row['end_customer']}: {row['role']}. {row['notes']}"
    await superuser.execute(
        "INSERT INTO inventory (tenant_id, item_id, kind, name, lo, hi, details) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant_id,
        row["asset_id"],
        "device" if network.num_addresses == 1 else "subnet",
        row["hostname"],
        network[0],
        network[-1],
        details,
    )


def _ticket(row: dict[str, Any], description: str) -> Ticket:
    return Ticket(
        ticket_id=row["ticket_id"],
        subject=row["subject"],
        description=description,
        requester=Requester(**row["requester"]),
        site=row["site"],
        end_customer=row["end_customer"],
        category=row["category"],
        resolution=row.get("resolution"),
        created_at=datetime.fromisoformat(row["created_at"]) if "created_at" in row else None,
    )


def _plain(text: str) -> str:
    without_scripts = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", without_scripts))


def _lines(name: str, file: str) -> Iterator[dict[str, Any]]:
    for line in (DATA / name / file).read_text("utf-8").splitlines():
        yield json.loads(line)
