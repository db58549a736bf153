"""Stand-ins for what synthesize needs, kept in memory; the contract tests run on them and on the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.runtime.clock import Clock
from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable, WritingTask, Written
from schemas.events import EnhancementSynthesized
from sinks.postgres.answers import Busy, Ours, Overtaken, Stored, Taken
from sinks.postgres.tenant_settings import NO_MODEL

LEASE = timedelta(seconds=15)


class FakeAnswerStore:
    """Answers and leases in dictionaries; leases run out by the given clock. `newest` by tenant and ticket. `written` is what was
    noted down with an answer, `overtaken` by tenant, ticket and content what was noted down instead of one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.answers: dict[tuple[str, str], str] = {}
        self.leases: dict[tuple[str, str], tuple[str, datetime]] = {}
        self.newest: dict[tuple[str, str], str] = {}
        self.written: list[EnhancementSynthesized] = []
        self.overtaken: list[tuple[str, str, str]] = []

    async def take(self, tenant_id: str, input_id: str, owner: str, ticket_id: str) -> Taken:
        key = (tenant_id, input_id)
        if (answer := self.answers.get(key)) is not None:
            return Stored(answer)
        holder, until = self.leases.get(key, (owner, self._clock.now()))
        if holder != owner and until > self._clock.now():
            return Busy()
        self.leases[key] = (owner, self._clock.now() + LEASE)
        return Ours(self.newest.get((tenant_id, ticket_id)))

    async def renew(self, tenant_id: str, input_id: str, owner: str) -> bool:
        key = (tenant_id, input_id)
        if self.leases.get(key, ("", None))[0] != owner:
            return False
        self.leases[key] = (owner, self._clock.now() + LEASE)
        return True

    async def store(
        self, tenant_id: str, input_id: str, owner: str, answer: str, written: EnhancementSynthesized | None = None
    ) -> str:
        if written and (tenant_id, input_id) not in self.answers:
            self.written.append(written)
        kept = self.answers.setdefault((tenant_id, input_id), answer)
        await self.release(tenant_id, input_id, owner)
        return kept

    async def keep(self, answer: str, written: EnhancementSynthesized) -> Stored | Overtaken:
        key, content = (written.tenant_id, written.input_id), written.content_hash
        if key not in self.answers:
            if self.newest.get((written.tenant_id, written.ticket_id), content) != content:
                self.overtaken.append((written.tenant_id, written.ticket_id, content))
                return Overtaken()
            self.answers[key] = answer
            self.written.append(written)
        return Stored(self.answers[key])

    async def release(self, tenant_id: str, input_id: str, owner: str) -> None:
        key = (tenant_id, input_id)
        if self.leases.get(key, ("", None))[0] == owner:
            del self.leases[key]


class FakeEnhancements:
    def __init__(self) -> None:
        self.written: list[EnhancementSynthesized] = []
        self.overtaken: list[tuple[str, str, str]] = []
        self.edited_back = False

    async def synthesized(self, event: EnhancementSynthesized) -> None:
        self.written.append(event)

    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        if not self.edited_back:
            self.overtaken.append((tenant_id, ticket_id, content_hash))
        return not self.edited_back


@dataclass(frozen=True, slots=True)
class FakeTenantChoices:
    enhancement_timeout_seconds: int = 120
    gpt4_model: str = "gpt-4-turbo"
    gpt4_temperature: float = 0.7
    external_model: bool = True
    fallback_model: str = NO_MODEL
    fallback_builtin: bool = True


@dataclass(slots=True)
class FakeTenants:
    choices: dict[str, FakeTenantChoices] = field(default_factory=dict)

    def of_tenant(self, tenant_id: str) -> FakeTenantChoices | None:
        return self.choices.get(tenant_id)


Result = Written | WriterUnavailable | WriterRefused


class FakeWriter:
    """Answers with what it was given, the last one again and again; `during` runs while it writes."""

    def __init__(self, results: Iterable[Result], during: Callable[[], None] | None = None) -> None:
        self._results = list(results)
        self._during = during
        self.tasks: list[WritingTask] = []

    async def write(self, task: WritingTask) -> Result:
        self.tasks.append(task)
        if self._during:
            self._during()
        return self._results[min(len(self.tasks), len(self._results)) - 1]
