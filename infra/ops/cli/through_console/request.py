"""What was asked for on the command line, as the console is asked for it: values as they were typed, files by their content."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.served import IN_FOLDERS, NOT_TAKEN, Kind, Served, name_of, parameters_of

RESULT = "result.json"
MOST_BYTES = 35 * 1024 * 1024
MOST_FILES = 2_000
SECRET_VARIABLE = "TICKETSTREAM_WEBHOOK_SECRET"  # noqa: S105 - a variable's name


@dataclass(slots=True)
class Request:
    """`outputs` are the places for what the command makes, by the names under which the console gives it."""

    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, tuple[Path, Kind]] = field(default_factory=dict)
    size: int = 0


def request_of(
    path: str, command: click.Command, ctx: click.Context, args: Sequence[str], environment: Mapping[str, str]
) -> Request:
    """From a context whose parameters are checked and the words that it was made from. Raises WrongUse for what only a command that
    connects directly can do, and for files that can't be read."""
    values, _, _ = command.make_parser(ctx).parse_args(list(args))
    for parameter in command.params:
        if (why := NOT_TAKEN.get(path, {}).get(name_of(parameter))) and _is_given(parameter, ctx):
            raise WrongUse(f"--{name_of(parameter)} is not taken by the console", why)
    request = Request()
    for one in parameters_of(path, command):
        if one.kind is Kind.JSON:
            _ask_for_json(one, ctx, request)
        elif _is_given(one.parameter, ctx):
            request.parameters[one.name] = _value(one, values[one.parameter.name or ""], request)
    secret = environment.get(SECRET_VARIABLE)
    if path == "webhook send" and secret and "secret_file" not in request.parameters:
        request.parameters["secret_file"] = _content("secret-of-the-environment", secret.encode(), request)
    return request


def _is_given(parameter: click.Parameter, ctx: click.Context) -> bool:
    return ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE


def _ask_for_json(one: Served, ctx: click.Context, request: Request) -> None:
    wanted = ctx.params.get(one.parameter.name or "")
    if wanted is None or wanted is False:
        return
    request.parameters[one.name] = True if wanted in (True, "-") else RESULT


def _value(one: Served, value: Any, request: Request) -> Any:
    if one.kind is Kind.FLAG:
        return bool(value)
    if one.several:
        return [_single(one, single, request) for single in value]
    return _single(one, value, request)


def _single(one: Served, value: Any, request: Request) -> Any:
    text = str(value)
    if one.kind.is_input:
        return _input(Path(text), request)
    if one.kind.is_output:
        return _output(one, Path(text), request)
    if one.value_file and text.startswith(one.value_file):
        return _input(Path(text.removeprefix(one.value_file)), request)
    return text


def _input(path: Path, request: Request) -> dict[str, Any]:
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return _content(path.name, file.read(MOST_BYTES + 1), request)
        files = sorted(found for found in path.glob(f"**/*{IN_FOLDERS}") if found.is_file())
        if len(files) > MOST_FILES:
            raise WrongUse(f"{path} has more than {MOST_FILES} files", "import it in parts")
        contents = {
            found.relative_to(path).as_posix(): _content("", found.read_bytes(), request)["base64"] for found in files
        }
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}", "give a file that you may read") from None
    return {"name": path.resolve().name or "folder", "files": contents}


def _content(name: str, data: bytes, request: Request) -> dict[str, Any]:
    request.size += len(data)
    if request.size > MOST_BYTES:
        raise WrongUse("the console takes at most 35 MiB of files at once", "give them in parts")
    return {"name": name, "base64": b64encode(data).decode()}


def _output(one: Served, path: Path, request: Request) -> str:
    """The name; the place is looked at before anything is done."""
    name = path.resolve().name
    empty_folder = one.kind is not Kind.NEW_FILE and path.is_dir() and not any(path.iterdir())
    if (path.exists() or path.is_symlink()) and not empty_folder:
        raise WrongUse(f"{path} is there already", "give a new one; nothing was done")
    parent = path.resolve().parent
    if not name or not os.access(parent, os.W_OK | os.X_OK):
        raise WrongUse(f"{path} can't be made", "name one in a folder that is there and that you may write")
    request.outputs[name] = (path, one.kind)
    return name
