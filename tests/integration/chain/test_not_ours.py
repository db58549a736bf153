"""Records that are none of ours, on every topic that a stage reads: set aside whole, under the right reason, stopping nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any

import pytest

from infra.runtime.kafka.producer import Record
from schemas import ids
from schemas.events import DeadLetter
from schemas.reasons import Reason
from schemas.signature import format_signature
from schemas.topics import Stage, Topic
from schemas.wire_format import Codec
from tests.integration.chain.forgery import Forger, example, with_signature
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import PREFIX, RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tap import Seen
from tests.integration.chain.tenant import Tenant

LETTER_FIELDS = {
    "at", "tenant_id", "ticket_id", "stage", "reason", "error", "trace_id", "topic", "partition", "offset",
}  # fmt: skip
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A stage, a tenant, and another tenant whose partition is near."""

    stage: Stage
    forger: Forger
    tenant: Tenant
    neighbour: Tenant

    @property
    def topic(self) -> Topic:
        return self.stage.consumes

    def good(self, tenant: Tenant | None = None, partition: int | None = None) -> Record:
        owner = tenant or self.tenant
        at = owner.partition if partition is None else partition
        return self.forger.signed(example(self.stage, owner.tenant_id), self.topic, at)

    def with_value(self, value: bytes) -> Record:
        return self.forger.with_value(self.good(), self.topic, value)


@dataclass(frozen=True, slots=True)
class Case:
    """A record with something wrong. `proven`: its signature says whose it is."""

    name: str
    make: Callable[[Scene], Record]
    reason: Reason
    proven: bool


def garbage(scene: Scene) -> Record:
    return Record(scene.topic.named(PREFIX), scene.tenant.partition, b"?", Random(7).randbytes(700), [])


def unknown_schema(scene: Scene) -> Record:
    return scene.with_value(b"\0" + (4242).to_bytes(4, "big") + scene.good().value[5:])


def bad_signature(scene: Scene) -> Record:
    signer = scene.forger.key(scene.topic)
    return with_signature(scene.good(), format_signature(signer.key_id, signer.sign(b"something else")))


def anothers_key(scene: Scene) -> Record:
    """Signed by a service whose key we know, but which doesn't write this topic."""
    record, signer = scene.good(), scene.forger.key(Topic.FEEDBACK_AGGREGATED)
    return with_signature(record, format_signature(signer.key_id, signer.sign(b"")))


def moved(scene: Scene) -> Record:
    """Signed for its own partition, copied to the neighbour's."""
    return scene.good()._replace(partition=scene.neighbour.partition)


def misplaced(scene: Scene) -> Record:
    """Signed for the neighbour's partition: a service of ours sent it there."""
    return scene.good(partition=scene.neighbour.partition)


def a_megabyte(scene: Scene) -> Record:
    return scene.with_value(scene.good().value[:5] + b"x" * MEGABYTE)


def anothers_value(scene: Scene) -> Record:
    """The header says one tenant, the value another."""
    return scene.with_value(Codec().encode(example(scene.stage, scene.neighbour.tenant_id)))


def cut_short(scene: Scene) -> Record:
    return scene.with_value(scene.good().value[:-3])


def a_length_without_end(scene: Scene) -> Record:
    """A text that says it is 2^62 bytes long."""
    return scene.with_value(scene.good().value[:5] + b"\xfe" + b"\xff" * 8 + b"\x01")


def with_more_behind(scene: Scene) -> Record:
    return scene.with_value(scene.good().value + b"\x00more")


def with_headers(scene: Scene, *more: tuple[str, bytes], without: str = "") -> Record:
    record = scene.good()
    return record._replace(headers=[*(pair for pair in record.headers if pair[0] != without), *more])


def a_header_twice(scene: Scene) -> Record:
    return with_headers(scene, ("ce_tenantid", scene.neighbour.tenant_id.encode()))


def a_header_that_is_no_text(scene: Scene) -> Record:
    return with_headers(scene, ("ce_subject", b"\xff\xfe"), without="ce_subject")


def a_huge_header(scene: Scene) -> Record:
    return with_headers(scene, ("ce_subject", b"x" * 300_000), without="ce_subject")


CASES = (
    Case("garbage", garbage, Reason.MALFORMED, proven=False),
    Case("signed garbage", lambda scene: scene.with_value(Random(8).randbytes(900)), Reason.MALFORMED, proven=True),
    Case("unknown schema id", unknown_schema, Reason.UNKNOWN_SCHEMA, proven=True),
    Case("bad signature", bad_signature, Reason.BAD_SIGNATURE, proven=False),
    Case("another service's key", anothers_key, Reason.BAD_SIGNATURE, proven=False),
    Case("moved to another partition", moved, Reason.BAD_SIGNATURE, proven=False),
    Case("signed for a wrong partition", misplaced, Reason.WRONG_PARTITION, proven=True),
    Case("cut short", cut_short, Reason.MALFORMED, proven=True),
    Case("a length without end", a_length_without_end, Reason.MALFORMED, proven=True),
    Case("more behind the event", with_more_behind, Reason.MALFORMED, proven=True),
    Case("a header twice", a_header_twice, Reason.MALFORMED, proven=False),
    Case("a header that is no text", a_header_that_is_no_text, Reason.MALFORMED, proven=False),
    Case("a huge header", a_huge_header, Reason.MALFORMED, proven=False),
    Case("a megabyte", a_megabyte, Reason.TOO_LARGE, proven=True),
    Case("another tenant in the value", anothers_value, Reason.TENANT_MISMATCH, proven=True),
)


@pytest.fixture(scope="module")
async def forger(chain: RunningChain) -> Forger:
    return Forger(chain)


@pytest.fixture(scope="module")
async def victims(shelf: TenantShelf) -> tuple[Tenant, Tenant]:
    return await shelf.take(), await shelf.take()


@pytest.fixture(params=list(Stage), ids=str)
def scene(request: pytest.FixtureRequest, forger: Forger, victims: tuple[Tenant, Tenant]) -> Scene:
    return Scene(request.param, forger, *victims)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
async def test_it_is_set_aside_whole(scene: Scene, case: Case) -> None:
    record = case.make(scene)
    at = await scene.forger.write(record)

    found = await scene.tenant.chain.tap.letter_for(at.topic, at.partition, at.offset)

    letter: DeadLetter = found.event
    assert (letter.reason, letter.stage) == (case.reason, scene.stage.value), letter.error
    assert letter.original_value == record.value
    assert letter.original_sha256 == sha256(record.value).hexdigest()
    assert letter.original_key == record.key
    assert [(h.key, h.value) for h in letter.original_headers] == record.headers
    assert found.partition == record.partition
    tenant_id = scene.tenant.tenant_id if case.proven else ""
    assert (found.key, letter.tenant_id) == (tenant_id.encode(), tenant_id)
    assert bool(letter.ticket_id) is case.proven
    assert letter.error


async def test_what_is_good_still_passes(scene: Scene) -> None:
    """After all that: each stage handles a rightly signed event of the same tenant, on the same partition."""
    ticket_id = await scene.tenant.told()

    await scene.tenant.delivered(ticket_id)

    assert len(await scene.tenant.notes(ticket_id)) == 1
    await scene.forger.write(record := scene.good())
    following = ids.of_output(Codec().decode(record.value, scene.topic).event_id, scene.stage.value)

    def followed() -> list[Seen]:
        written = scene.tenant.chain.tap.records(scene.stage.produces, scene.tenant.partition)
        return [one for one in written if one.header("ce_id") == following]

    await until(followed, f"what {scene.stage} makes of a good event")


async def test_the_command_line_lists_them(forger: Forger, tenant: Tenant, other_tenant: Tenant) -> None:
    scene = Scene(Stage.DELIVER, forger, tenant, other_tenant)
    unproven, proven = await forger.write(bad_signature(scene)), await forger.write(unknown_schema(scene))
    for at in (unproven, proven):
        await tenant.chain.tap.letter_for(at.topic, at.partition, at.offset)

    listed = (await tenant.chain.command("dead-letters", "list", "--limit", "1000"))["dead_letters"]

    def row(offset: int) -> dict[str, Any]:
        place = (Topic.ENHANCEMENTS_SYNTHESIZED.named(PREFIX), tenant.partition, offset)
        (found,) = [one for one in listed if (one["topic"], one["partition"], one["offset"]) == place]
        return dict(found)

    assert row(unproven.offset).keys() >= LETTER_FIELDS
    assert row(unproven.offset)["tenant_id"] == row(unproven.offset)["ticket_id"] == ""
    assert (row(unproven.offset)["reason"], row(unproven.offset)["stage"]) == ("bad_signature", "deliver")
    assert row(proven.offset)["tenant_id"] == tenant.tenant_id
    assert row(proven.offset)["reason"] == "unknown_schema" and "4242" in row(proven.offset)["error"]
    mine = (await tenant.chain.command("dead-letters", "list", "--tenant", tenant.tenant_id))["dead_letters"]
    assert [one["offset"] for one in mine] == [proven.offset]
