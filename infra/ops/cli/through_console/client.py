"""One request to the console, heard line by line: what the command says there is said here, and its exit code is ours."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.confirmation import confirm
from infra.ops.cli.failure import FAILED, Failure, WrongUse
from infra.ops.cli.json_file import JsonFile
from infra.ops.cli.served import CONSOLE_URL as URL
from infra.ops.cli.through_console.address import Console
from infra.ops.cli.through_console.places import Places
from infra.ops.cli.through_console.request import Request, request_of

if TYPE_CHECKING:
    from infra.ops.cli.output import JsonCommand

SILENT_SECONDS = 60.0
"""The console says every 10 s that it is there."""
LONGEST_LINE = 4 * 1024 * 1024
LONGEST_ERROR = 64 * 1024
LINES = "application/x-ndjson"
_AWAY = f"check that the console runs and can be reached from here; to connect directly, unset {URL}"


def run_there(path: str, command: JsonCommand, ctx: click.Context, args: Sequence[str]) -> int:
    """The command's exit code. Raises Failure where the console can't be asked, or doesn't do it."""
    console = Console.of(os.environ)
    request = request_of(path, command, ctx, args, os.environ)
    for name, values in command.asked_for(ctx).items():
        request.parameters[name] = [*request.parameters.get(name, ()), *values]
    try:
        ended = _run(console, path, request, ctx)
        if question := ended.get("question"):
            confirm(str(question))
            request.parameters["yes"] = True
            ended = _run(console, path, request, ctx)
    except KeyboardInterrupt:
        if _has_no_end(path, ctx):
            return 0  # how it is meant to end
        raise
    code = ended.get("exit")
    return code if isinstance(code, int) else FAILED


def _has_no_end(path: str, ctx: click.Context) -> bool:
    return path == "tail" or (path == "lag show" and bool(ctx.params.get("watch")))


def _run(console: Console, path: str, request: Request, ctx: click.Context) -> dict[str, Any]:
    """The last line of the answer. Files are written, and what the command says is said, as it comes."""
    with Places(request.outputs) as places:
        for line in _lines(console, path, request):
            if "stdout" in line:
                sys.stdout.write(str(line["stdout"]))
                sys.stdout.flush()
            elif "stderr" in line:
                sys.stderr.write(str(line["stderr"]))
                sys.stderr.flush()
            elif "file" in line:
                places.take(line["file"], line.get("base64"))
            elif "exit" in line:
                _write_result(places, ctx)
                return line
    raise Failure(
        f"{console.told} went away before the command had ended",
        "it is stopped there; look at what it did in: ticketstream audit",
    )


def _write_result(places: Places, ctx: click.Context) -> None:
    """The object of `--json FILE`; where the file can't be written, to stdout: it may be the only time that a secret is shown."""
    file = ctx.params.get("json_to")
    if not isinstance(file, JsonFile) or not places.result:
        return
    try:
        file.write(places.result)
    except Failure:
        click.echo(places.result.rstrip("\n"))
        raise


def _lines(console: Console, path: str, request: Request) -> Iterator[dict[str, Any]]:
    with closing(_connection(console)) as connection:
        try:
            answer = _answer(connection, console, path, request)
            if answer.status != 200:
                raise _refused(console, answer)
            while raw := answer.readline(LONGEST_LINE):
                found = json.loads(raw)
                if not isinstance(found, dict):
                    raise ValueError("no object")
                yield found
        except TimeoutError:
            raise Failure(f"{console.told} says nothing any more", _AWAY) from None
        except ssl.SSLError as error:
            told = getattr(error, "verify_message", "") or error.reason or "TLS"
            cure = "see that its certificate is for this name; SSL_CERT_FILE names the authorities to trust"
            raise Failure(f"{console.told} can't be trusted ({told})", cure) from None
        except BrokenPipeError:
            raise
        except (OSError, http.client.HTTPException) as error:
            told = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Failure(f"no answer from {console.told} ({told})", _AWAY) from None
        except ValueError:
            raise Failure(f"{console.told} answers, but not as our console", f"check {URL}") from None


def _connection(console: Console) -> http.client.HTTPConnection:
    if console.https:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(console.host, console.port, timeout=SILENT_SECONDS, context=context)
    return http.client.HTTPConnection(console.host, console.port, timeout=SILENT_SECONDS)


def _answer(
    connection: http.client.HTTPConnection, console: Console, path: str, request: Request
) -> http.client.HTTPResponse:
    headers = {"Authorization": f"Bearer {console.token}", "Content-Type": "application/json", "Accept": LINES}
    body = json.dumps(request.parameters).encode()
    connection.request("POST", f"{console.path}/api/v1/commands/{path.replace(' ', '/')}", body, headers)
    return connection.getresponse()


def _refused(console: Console, answer: http.client.HTTPResponse) -> Failure:
    """What the console said instead of running the command. Never followed elsewhere: the token would go along."""
    if 300 <= answer.status < 400:
        return Failure(f"{console.told} sends elsewhere", f"set {URL} to the console's own address")
    try:
        told = json.loads(answer.read(LONGEST_ERROR))
        what, cure = str(told["error"]), str(told.get("cure") or _AWAY)
    except (ValueError, KeyError, TypeError):
        return Failure(f"{console.told} answers {answer.status}, but not as our console", f"check {URL}")
    return WrongUse(what, cure) if answer.status in (400, 415) else Failure(what, cure)
