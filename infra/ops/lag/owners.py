"""Who works on which partitions of a stage: the members of its consumer group and their shares."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.protocol.admin import DescribeGroupsRequest

from infra.ops.lag.brokers import Brokers, LagUnknown, raise_for
from infra.ops.lag.wire import assigned_partitions
from schemas.topics import Stage


@dataclass(frozen=True, slots=True)
class Owners:
    """`of` is by partition the member that owns it; a partition that nobody owns isn't in it. `members` is how many there are."""

    of: Mapping[int, str] = field(default_factory=dict)
    members: int = 0


class OwnerReader:
    def __init__(self, brokers: Brokers, prefix: str = "") -> None:
        self._brokers, self._prefix = brokers, prefix

    async def read(self) -> dict[Stage, Owners]:
        """Without the stages whose group can't be described."""
        answers = await asyncio.gather(*(self._of(stage) for stage in Stage), return_exceptions=True)
        found: dict[Stage, Owners] = {}
        for stage, answer in zip(Stage, answers, strict=True):
            if isinstance(answer, Owners):
                found[stage] = answer
            elif not isinstance(answer, LagUnknown):
                raise answer
        return found

    async def _of(self, stage: Stage) -> Owners:
        group, topic = stage.group(self._prefix), stage.consumes.named(self._prefix)

        def read(answer: Any) -> Owners:
            error, _, _, _, _, members, *_ = answer.groups[0]
            raise_for(error)
            owned: dict[int, str] = {}
            for member, _, _, _, assignment in members:
                owned |= dict.fromkeys(assigned_partitions(assignment, topic), member)
            return Owners(owned, len(members))

        return await self._brokers.ask_group(group, DescribeGroupsRequest([group]), read)
