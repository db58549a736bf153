"""`ticketstream webhook`: is the way from a desk to us right?"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import FAILED, Failure, WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.webhook_request import Answer

SECRET_VARIABLE = "TICKETSTREAM_WEBHOOK_SECRET"  # noqa: S105 - a variable's name


@click.group()
def webhook() -> None:
    """Sign and send a webhook, and read the answer."""


@webhook.command(cls=JsonCommand)
@tenant_argument()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sample", is_flag=True, help="Send a made-up ticket instead of a file.")
@click.option("--url", help="The whole address; the local edge, or TICKETSTREAM_PUBLIC_URL, by default.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Holds the tenant's secret, in either form. Else {SECRET_VARIABLE}, else the one in the database.",
)
@click.option(
    "--bearer", is_flag=True, help="As a desk that can't sign: the secret itself, and only which ticket changed."
)
@click.option("--id", "webhook_id", help="The webhook-id; a new one by default. Send one twice to see it recognised.")
@json_option
def send(
    tenant_id: str,
    file: Path | None,
    sample: bool,
    url: str | None,
    secret_file: Path | None,
    bearer: bool,
    webhook_id: str | None,
    json_to: JsonTo,
) -> int:
    """Sign FILE (or a --sample) for TENANT as its desk would, send it, and say in words what the answer means."""
    if sample == (file is not None):
        raise WrongUse("what shall be sent is not clear", "give a FILE with the body, or --sample")
    from infra.ops.cli.acting import looking
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.webhook_request import bearer_headers, headers, new_webhook_id

    around, output = Surroundings.find(), Output(json_to)
    looking(around, tenant_id)
    address, identifier = url or around.webhook_url(tenant_id), webhook_id or new_webhook_id()
    key = _key(around, tenant_id, secret_file)
    body = file.read_bytes() if file else _sample(around, tenant_id, output, bearer=bearer)
    answer = _send(address, bearer_headers(key) if bearer else headers(key, identifier, body), body)
    return _tell(output, answer, address=address, webhook_id=identifier)


def _sample(around: Surroundings, tenant_id: str, output: Output, *, bearer: bool) -> bytes:
    """A made-up ticket's body. On the local stack the tenant's desk gets the ticket too, so that its note has a place to go."""
    import secrets

    from infra.ops.cli.running import run_async
    from infra.ops.cli.ticket_sample import announcement_of, at_the_desk, body_of, sample_request

    simulator = around.endpoints.servicedesk if around.endpoints else None
    request = run_async(lambda: at_the_desk(simulator, tenant_id)) if simulator else None
    if request is None:
        request = sample_request(f"SAMPLE-{secrets.token_hex(3).upper()}")
        output.say(f"Ticket {request['id']} is made up: unless {tenant_id}'s desk has it, no note will come.\n")
    else:
        output.say(f"Ticket {request['id']} is now at {tenant_id}'s desk.\n")
    return announcement_of(request) if bearer else body_of(request)


def _key(around: Surroundings, tenant_id: str, secret_file: Path | None) -> bytes:
    from infra.ops.cli.running import run_async
    from infra.ops.cli.tenancy import current_webhook_secret
    from infra.ops.cli.webhook_request import key_of
    from ingest.verifier import BadSecret

    given = secret_file.read_text("utf-8", "replace") if secret_file else os.environ.get(SECRET_VARIABLE)
    where = str(secret_file or SECRET_VARIABLE)
    if not given:
        return run_async(lambda: current_webhook_secret(around, tenant_id))
    try:
        return key_of(given)
    except BadSecret as error:
        raise Failure(f"{where}: {error}", "take the secret that `ticketstream tenant create` showed") from None


def _send(url: str, sent_with: dict[str, str], body: bytes) -> Answer:
    import aiohttp

    from infra.ops.cli.running import run_async
    from infra.ops.cli.webhook_request import send

    async def work() -> Answer:
        async with aiohttp.ClientSession() as session:
            try:
                return await send(session, url, body, sent_with)
            except aiohttp.InvalidURL:
                raise WrongUse(f"{url} is no address", "give --url https://HOST/api/v1/webhooks/TENANT") from None
            except (aiohttp.ClientError, TimeoutError) as error:
                told = str(error) or type(error).__name__
                raise Failure(
                    f"no answer from {url} ({told})", "is the edge running, and reachable from here?"
                ) from None

    return run_async(work)


def _tell(output: Output, answer: Answer, *, address: str, webhook_id: str) -> int:
    from infra.ops.cli.webhook_answers import meaning_of

    meaning = meaning_of(answer.status, seconds_off=answer.seconds_off)
    value: dict[str, Any] = {
        "status": answer.status,
        "accepted": meaning.accepted,
        "answer": answer.body,
        "says": meaning.says,
        "check": list(meaning.check),
        "webhook_id": webhook_id,
        "event_id": answer.event_id,
        "retry_after": answer.retry_after,
        "url": address,
    }

    def show() -> None:
        output.say(f"POST {address}\nwebhook-id {webhook_id}\n")
        output.say(f"{answer.status}  {json.dumps(answer.body, ensure_ascii=False)[:2000]}")
        output.say(meaning.says)
        for hint in meaning.check:
            output.say(f"  - {hint}")

    output.result(value, show)
    return 0 if meaning.accepted else FAILED
