"""What is left of a tenant that was erased, store by store: the receipt, as JSON and as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from schemas.times import rfc3339
from schemas.topics import TOPIC_CONFIGS
from sinks.postgres.erasure import KEPT

SECRETS = {
    "webhook_secrets": "webhook secrets",
    "servicedesk_credentials": "desk credentials",
    "desk_access_tokens": "access tokens of a cloud desk",
    "api_tokens": "API tokens",
}
ELSEWHERE: Sequence[tuple[str, str]] = (
    ("notes on the desk's tickets", "the tenant's own: they stay where they are"),
    (
        "backups of PostgreSQL",
        "until they are older than your backups' retention; don't restore the tenant's rows from one",
    ),
    ("answers that enrich remembers", "in its memory, for minutes"),
    ("logs, metrics and traces", "tenant and ticket ids, no ticket text: until your retention for them is over"),
    ("copies that readers of enhancements.delivered made", "in their hands: tell them"),
    ("text that was sent to an outside model, if the tenant agreed to one", "by your contract with its provider"),
)
"""What this command can't reach."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A topic's records of the tenant: from `first` up to `end`; `left` are those that can still be read."""

    first: int
    end: int
    left: int

    @property
    def deleted(self) -> int:
        return self.end - self.first - self.left


@dataclass(frozen=True, slots=True)
class Receipt:
    tenant_id: str
    partition: int
    begun_at: datetime
    finished_at: datetime
    runs: int
    who: str
    reason: str
    rows: Mapping[str, int]
    kept: Mapping[str, int]
    topics: Mapping[str, Partition]

    def as_json(self) -> dict[str, Any]:
        """`sha256` is of the rest, as JSON with sorted keys and no blanks; the audit log has it too."""
        body = self._body()
        return body | {"sha256": sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()}

    def lines(self) -> list[str]:
        """For people."""
        told = self.as_json()
        lines = [
            f"{self.tenant_id} is erased: begun {told['begun_at']}, finished {told['finished_at']}"
            + (f", in {self.runs} runs" if self.runs > 1 else ""),
            "",
            f"PostgreSQL: {sum(self.rows.values())} rows deleted",
        ]
        lines += [f"  {table:<28} {count}" for table, count in sorted(self.rows.items())]
        deleted = sum(one.deleted for one in self.topics.values())
        lines += ["", f"Kafka, partition {self.partition} in every topic: {deleted} records deleted"]
        lines += [
            f"  {topic:<28} {one.deleted}  (offsets {one.first} to {one.end})" for topic, one in self.topics.items()
        ]
        lines += ["", "What remains"]
        lines += [f"  {item['what']}: {item['until']}" for item in told["remains"]]
        return [*lines, "", f"sha256 of this receipt  {told['sha256']}"]

    def _body(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant_id,
            "partition": self.partition,
            "begun_at": rfc3339(self.begun_at, "seconds"),
            "finished_at": rfc3339(self.finished_at, "seconds"),
            "runs": self.runs,
            "who": self.who,
            "reason": self.reason,
            "postgres": {"deleted": dict(self.rows), "kept": dict(self.kept)},
            "secrets": {name: self.rows.get(table, 0) for table, name in SECRETS.items()},
            "kafka": {
                topic: {"first_offset": one.first, "end_offset": one.end, "deleted": one.deleted, "left": one.left}
                for topic, one in self.topics.items()
            },
            "remains": [{"what": what, "until": until} for what, until in self._remains()],
        }

    def _remains(self) -> list[tuple[str, str]]:
        longest = max(config.retention_days for config in TOPIC_CONFIGS)
        by = rfc3339(self.finished_at + timedelta(days=longest), "seconds")
        kept = [(f"{count} rows of {table}", KEPT[table]) for table, count in self.kept.items() if count]
        unreadable = (
            "deleted records on the brokers' disks",
            f"nobody can read them; they go with their segment, by {by} at the latest",
        )
        return [*kept, unreadable, *ELSEWHERE]
