"""From a call's parameters to the words of a command line. Whatever a value is, it stays that parameter's value: an option's stands
behind its `=`, arguments stand behind `--`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from infra.ops.cli.served import JSON, NOT_TAKEN, Kind, Served, parameters_of
from infra.ops.console.commands.scratch import Scratch
from infra.ops.console.refusals import Refused

LONGEST_VALUE = 100_000
MOST_VALUES = 1_000


def words_of(path: str, command: click.Command, given: Mapping[str, Any], scratch: Scratch) -> list[str]:
    """The words behind `ticketstream`. Files that came along are put into `scratch`. Refuses (400) an unknown parameter, a value of
    the wrong form, and what the console doesn't take; whether a value is right is the command's own business."""
    known = {one.name: one for one in parameters_of(path, command)}
    for name in given:
        if why := NOT_TAKEN.get(path, {}).get(name):
            raise _wrong(f"--{name} is not taken", why)
        if name not in known:
            raise _wrong(f"{path} has no parameter {name[:60]!r}", f"there are: {', '.join(known)}")
    options, arguments = list[str](), list[str]()
    for one in known.values():
        value = given.get(one.name)
        if value is None or value is False:
            _complain_of_a_gap(one, known, given)
        elif isinstance(one.parameter, click.Argument):
            arguments += _values(one, value, scratch)
        else:
            options += _option(one, value, scratch)
    return [*path.split(), *options, "--", *arguments] if arguments else [*path.split(), *options]


def _complain_of_a_gap(one: Served, known: Mapping[str, Served], given: Mapping[str, Any]) -> None:
    """An argument is known by its place: one that is left out before another would become that other's."""
    if not isinstance(one.parameter, click.Argument):
        return
    names = [other.name for other in known.values() if isinstance(other.parameter, click.Argument)]
    if any(given.get(name) is not None for name in names[names.index(one.name) + 1 :]):
        raise _wrong(f"{one.name} is missing", f"give it, since {names[-1]} comes behind it")


def _option(one: Served, value: Any, scratch: Scratch) -> list[str]:
    word = next(word for word in one.parameter.opts if word.startswith("--"))
    if one.kind is Kind.FLAG:
        if value is not True:
            raise _wrong(f"{one.name} is a flag", "write true or false")
        return [word]
    if one.kind is Kind.JSON:
        return [_json(one, word, value, scratch)]
    return [f"{word}={text}" for text in _values(one, value, scratch)]


def _json(one: Served, word: str, value: Any, scratch: Scratch) -> str:
    if value is True:
        return word if getattr(one.parameter, "is_flag", False) else f"{word}=-"
    return f"{word}={scratch.reserve(value)}"


def _values(one: Served, value: Any, scratch: Scratch) -> list[str]:
    values = value if one.several and isinstance(value, list | tuple) else [value]
    if len(values) > MOST_VALUES:
        raise _wrong(f"{one.name} has more than {MOST_VALUES} values", "give fewer")
    return [_value(one, single, scratch) for single in values]


def _value(one: Served, value: Any, scratch: Scratch) -> str:
    if one.kind.is_input:
        return scratch.take(value, folder_okay=one.kind is Kind.FILE_OR_FOLDER)
    if one.kind.is_output:
        return scratch.reserve(value)
    if one.value_file and isinstance(value, Mapping):
        return one.value_file + scratch.take(value, folder_okay=False)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(f"{one.name} is no text", "write one, or a number")
    text = str(value)
    if one.value_file and text.partition("=")[2].strip().startswith("@"):
        raise _wrong(f"{one.name} names a file", f'send it: {{"name": "ca.pem", "base64": "…"}} for {one.value_file}')
    if len(text) > LONGEST_VALUE or "\0" in text:
        raise _wrong(f"{one.name} is too long, or no text", f"give at most {LONGEST_VALUE} characters")
    return text


def has_json(path: str, command: click.Command) -> bool:
    return any(one.name == JSON for one in parameters_of(path, command))


def _wrong(what: str, cure: str) -> Refused:
    return Refused(400, what, cure, reason="wrong_use")
