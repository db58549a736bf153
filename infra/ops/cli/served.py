"""Which commands the console serves, and by which names their parameters go there: for the console and for the command line, its
client. A command that stands in neither list is not served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import click

SERVED = frozenset(
    {
        "audit",
        "dead-letters list",
        "dead-letters replay",
        "dead-letters show",
        "export",
        "health",
        "history import",
        "inventory import",
        "investigate",
        "knowledge import",
        "lag show",
        "reconcile",
        "replay",
        "report",
        "tail",
        "tenant contacts",
        "tenant create",
        "tenant disable",
        "tenant enable",
        "tenant export",
        "tenant handover",
        "tenant list",
        "tenant refusals",
        "tenant replace-credential",
        "tenant rotate-secret",
        "tenant set",
        "tenant show",
        "tenant verify",
        "token create",
        "token list",
        "token revoke",
        "webhook send",
    }
)
DIRECT = frozenset(
    {
        "bench",
        "database migrate",
        "demo",
        "drill",
        "evaluate",
        "ingest",
        "key create",
        "key list",
        "key revoke",
        "key rotate",
        "lag serve",
        "process",
        "tenant erase",
        "topics ensure",
        "up",
    }
)
"""What needs more than a person's rights (the migrator's login, private keys), can't be undone, or runs processes."""
NOT_TAKEN: Mapping[str, Mapping[str, str]] = {
    "webhook send": {
        "url": "the console sends to the platform's own edge only; run the command where the other can be reached"
    },
}
"""Parameters of served commands that would make the console act at a place of the caller's choice."""
FILES_IN_VALUES: Mapping[str, Mapping[str, str]] = {"tenant set": {"settings": "servicedesk_ca=@"}}
"""Parameters whose values name a file after this beginning."""
IN_FOLDERS = ".md"
"""What commands read of a folder: files that end so."""
JSON = "json"
CONSOLE_URL = "TICKETSTREAM_CONSOLE_URL"


class Kind(StrEnum):
    """What a parameter's value is."""

    TEXT = "text"
    FLAG = "flag"
    FILE = "file"
    FILE_OR_FOLDER = "file or folder"
    NEW_FILE = "new file"
    NEW_FOLDER = "new folder"
    NEW_FILE_OR_FOLDER = "new file or folder"
    JSON = "json"

    @property
    def is_input(self) -> bool:
        return self in (Kind.FILE, Kind.FILE_OR_FOLDER)

    @property
    def is_output(self) -> bool:
        return self in (Kind.NEW_FILE, Kind.NEW_FOLDER, Kind.NEW_FILE_OR_FOLDER)


@dataclass(frozen=True, slots=True)
class Served:
    """A parameter of a command as it is called over HTTP. `value_file` begins those of its values that name a file."""

    name: str
    parameter: click.Parameter
    kind: Kind
    value_file: str = ""

    @property
    def several(self) -> bool:
        return bool(getattr(self.parameter, "multiple", False)) or self.parameter.nargs == -1


def command_path(context: click.Context | None) -> str:
    """The words of a context's command; empty for none."""
    names = list[str]()
    while context is not None and context.parent is not None:
        names.append(context.info_name or "")
        context = context.parent
    return " ".join(reversed(names))


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be run, by its words."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None:
            yield from leaves(found, (*path, name))


def parameters_of(path: str, command: click.Command) -> tuple[Served, ...]:
    """Those that the console takes, in the command's order."""
    left_out, in_values = NOT_TAKEN.get(path, {}), FILES_IN_VALUES.get(path, {})
    found = []
    for parameter in command.params:
        name = name_of(parameter)
        if name not in left_out and name != "help":
            found.append(Served(name, parameter, _kind(name, parameter), in_values.get(name, "")))
    return tuple(found)


def name_of(parameter: click.Parameter) -> str:
    """An option's name on the command line, with _ for -; an argument's own."""
    if isinstance(parameter, click.Option):
        words = [word for word in parameter.opts if word.startswith("--")]
        if words:
            return words[0].removeprefix("--").replace("-", "_")
    return parameter.name or ""


def _kind(name: str, parameter: click.Parameter) -> Kind:
    if name == JSON:
        return Kind.JSON
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return Kind.FLAG
    if not isinstance(parameter.type, click.Path):
        return Kind.TEXT
    if parameter.type.exists:
        return Kind.FILE_OR_FOLDER if parameter.type.dir_okay else Kind.FILE
    if not parameter.type.dir_okay:
        return Kind.NEW_FILE
    return Kind.NEW_FILE_OR_FOLDER if parameter.type.file_okay else Kind.NEW_FOLDER
