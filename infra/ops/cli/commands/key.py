"""`ticketstream key`: the services' signing keys, and keys for the rings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from infra.ops.cli.commands.key_ring import RINGS, rotate_ring
from infra.ops.cli.commands.tenant.store import reason_option
from infra.ops.cli.confirmation import confirm
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from infra.runtime.keys.directory import ServiceKey
    from infra.runtime.keys.signing import SigningKey
    from sinks.postgres.audit_log import Audited
    from sinks.postgres.service_keys import ServiceKeys

T = TypeVar("T")

SERVICES = ("ingest", "enrich", "synthesize", "deliver", "feedback_aggregate", "reconcile", "sealer", "replay")
_OUT = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new private key's file (PEM, mode 0600). It must not exist yet.",
)


@click.group()
def key() -> None:
    """Signing keys and key rings."""


@key.command(cls=JsonCommand)
@click.argument("service", type=click.Choice(SERVICES), required=False)
@_OUT
@click.option(
    "--ring", "ring_key", metavar="[ID]", is_flag=False, flag_value="k1", help="Make a key ring's key instead."
)
@reason_option
@json_option
def create(service: str | None, out: Path | None, ring_key: str | None, reason: str, json_to: JsonTo) -> int:
    """Make SERVICE's signing key: the private half into --out, the public half published.

    It may sign at once if the service has no key yet, else in 10 minutes, when every reader knows it. With --ring, print a new key
    `id:base64` for TICKETSTREAM_WEBHOOK_KEYS, _CREDENTIAL_KEYS or _LINK_KEYS.
    """
    if ring_key is not None:
        if service is not None or out is not None:
            raise WrongUse("--ring makes a key that is printed", "leave out SERVICE and --out, or leave out --ring")
        return _ring(ring_key, Output(json_to))
    if service is None or out is None:
        raise WrongUse("which key is not clear", "give SERVICE and --out FILE, or --ring ID")
    return _create(service, out, Output(json_to), "key create", reason)


@key.command(cls=JsonCommand)
@click.argument("service", type=click.Choice(SERVICES), required=False)
@_OUT
@click.option("--ring", type=click.Choice(RINGS), help="Encrypt what is stored with this ring's first key instead.")
@click.option("--check", is_flag=True, help="With --ring: only count what is encrypted with which key.")
@reason_option
@json_option
def rotate(service: str | None, out: Path | None, ring: str | None, check: bool, reason: str, json_to: JsonTo) -> int:
    """Make a further key for SERVICE, to be used from 10 minutes from now on. What the old one signed stays valid.

    With --ring, after a new key was put in front of the ring everywhere: encrypt all that other keys of the ring encrypted with the
    first one. It may be ended and run again at any time. It says which keys nothing needs any more.
    """
    if ring is not None:
        if service is not None or out is not None:
            raise WrongUse("--ring is about what is stored", "leave out SERVICE and --out, or leave out --ring")
        return rotate_ring(ring, only_count=check, reason=reason, output=Output(json_to))
    if service is None or check:
        raise WrongUse("what to rotate is not clear", "give SERVICE and --out FILE, or --ring NAME")
    if out is None:
        raise WrongUse("the new key needs a file", "give --out FILE")
    return _create(service, out, Output(json_to), "key rotate", reason)


@key.command("list", cls=JsonCommand)
@json_option
def list_(json_to: JsonTo) -> int:
    """All public keys, the revoked ones too."""
    output = Output(json_to)
    keys = _with_keys(lambda keys, _: keys.load())

    def show() -> None:
        columns = ("key id", "service", "from", "until", "revoked")
        output.table(
            columns, [[k.key_id, k.service, _day(k.not_before), _day(k.not_after), _day(k.revoked_at)] for k in keys]
        )

    output.result({"keys": [as_row(one) for one in keys]}, show)
    return 0


@key.command(cls=JsonCommand)
@click.argument("key_id")
@click.option("--yes", is_flag=True, help="Don't ask.")
@reason_option
@json_option
def revoke(key_id: str, yes: bool, reason: str, json_to: JsonTo) -> int:
    """The key leaked: nothing that it signed is accepted any more, not even what waits in the topics."""
    if not yes:
        confirm(f"Refuse everything that {key_id} ever signed? (Its service needs another key first: key rotate.)")
    output = Output(json_to)
    known: list[ServiceKey] = _with_keys(lambda keys, _: keys.load())
    found = next((one for one in known if one.key_id == key_id), None)
    if found is None:
        raise Failure(f"there is no key {key_id}", "see: ticketstream key list")
    if not _others_that_sign(known, found):
        click.echo(
            f"{found.service} has no other key that may sign now: all that it writes is refused until it has. Make one: "
            f"ticketstream key rotate {found.service} --out FILE",
            err=True,
        )
    _with_keys(lambda keys, at_work: keys.revoke(key_id, entry=_entry(at_work, "key revoke", key_id, reason)))
    output.result(
        {"key_id": key_id, "revoked": True}, lambda: output.say(f"{key_id} is revoked, everywhere within 10 s.")
    )
    return 0


def _ring(key_id: str, output: Output) -> int:
    from infra.runtime.keys.rings import KeyRingError, new_ring_key

    try:
        made = new_ring_key(key_id)
    except KeyRingError as error:
        raise WrongUse("--ring", str(error)) from None
    output.result({"key": made}, lambda: output.say(made))
    return 0


def _others_that_sign(known: list[ServiceKey], but: ServiceKey) -> list[ServiceKey]:
    now = datetime.now(UTC)
    same = [one for one in known if one.service == but.service and one.key_id != but.key_id and one.revoked_at is None]
    return [one for one in same if one.not_before <= now and (one.not_after is None or now < one.not_after)]


def _create(service: str, out: Path, output: Output, operation: str, reason: str) -> int:
    from infra.runtime.keys.signing import SigningKey

    if out.exists():
        raise WrongUse(f"{out} exists", "give a new file; a private key is never overwritten")
    made = SigningKey.create(service)

    async def publish(keys: ServiceKeys, at_work: Acting) -> ServiceKey:
        if operation == "key rotate" and not any(known.service == service for known in await keys.load()):
            raise Failure(f"{service} has no key yet", f"make its first: ticketstream key create {service} --out {out}")
        start = await keys.start_of_next(service)
        with _saved(made, out, start):
            return await keys.publish(made, not_before=start, entry=_entry(at_work, operation, made.key_id, reason))

    published: ServiceKey = _with_keys(publish)
    output.result({**as_row(published), "file": str(out)}, lambda: _tell(output, made, published, out))
    return 0


@contextmanager
def _saved(made: SigningKey, out: Path, start: datetime) -> Iterator[None]:
    """In its file before it is published, for a key that nobody holds is no use; and in none if that fails."""
    made.save(out, not_before=start if start > datetime.now(UTC) else None)
    try:
        yield
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _tell(output: Output, made: SigningKey, published: ServiceKey, out: Path) -> None:
    output.say(f"{made.key_id}: the private key is in {out}, the public key is published.")
    whose = f"TICKETSTREAM_SIGNING_KEY_FILE of {made.service}"
    restart = f" and restart {made.service} (which refuses it before)"
    if made.service == "replay":  # the command line: no process of its own
        whose, restart = "TICKETSTREAM_REPLAY_SIGNING_KEY_FILE", ""
    if published.not_before > datetime.now(UTC):
        output.say(
            f"It may sign from {published.not_before:%H:%M:%S} UTC on. Then point {whose} at it{restart}; the old key stays "
            "published for what it signed."
        )
    else:
        output.say(f"Point {whose} at it.")


def _with_keys(work: Callable[[ServiceKeys, Acting], Awaitable[T]]) -> T:
    """The result of `work` for whoever runs this command."""
    from infra.ops.cli.acting import acting
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from sinks.postgres.service_keys import ServiceKeys

    async def run() -> T:
        async with acting(Surroundings.find()) as at_work:
            return await work(ServiceKeys(at_work.pool), at_work)

    return run_async(run)


def _entry(at_work: Acting, operation: str, key_id: str, reason: str) -> Audited:
    from sinks.postgres.audit_log import PLATFORM

    return at_work.operator.change(reason).entry(PLATFORM, operation, key_id)


def as_row(one: ServiceKey) -> dict[str, Any]:
    return one.as_json("seconds")


def _day(at: datetime | None) -> str:
    from schemas.times import rfc3339

    return rfc3339(at, "seconds").replace("T", " ") if at else ""
