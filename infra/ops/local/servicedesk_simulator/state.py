"""What the simulated desks hold. Every change is one entry, applied in memory and, with a folder, appended to a journal first."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from infra.ops.local.servicedesk_simulator.settings import DeskKind, DeskSettings

JOURNAL = "servicedesk.jsonl"
Entry = dict[str, Any]
Fields = dict[str, Any]

# Ids look as on real desks: short numbers on premises, 18 digits in the cloud.
FIRST_ID: dict[DeskKind, int] = {"onprem": 1, "cloud": 216826000000000001}


@dataclass(slots=True)
class Desk:
    """One desk: requests and notes by id, in the order of their creation."""

    name: str
    settings: DeskSettings
    requests: dict[str, Fields] = field(default_factory=dict)
    notes: defaultdict[str, dict[str, Fields]] = field(default_factory=lambda: defaultdict(dict))
    solutions: list[Fields] = field(default_factory=list)
    last_id: int = 0

    def next_id(self) -> str:
        """An id no request and no note of this desk ever had."""
        return str(max(self.last_id + 1, FIRST_ID[self.settings.kind]))

    def used(self, identifier: str) -> None:
        """Remember that an id is taken."""
        if identifier.isascii() and identifier.isdigit():
            self.last_id = max(self.last_id, int(identifier))

    def path(self) -> str:
        """The path of the desk's base URL."""
        return f"/app/{self.name}" if self.settings.kind == "cloud" else f"/{self.name}"


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note as the ledger keeps it; `at` in seconds since 1970."""

    desk: str
    request_id: str
    note_id: str
    description: str
    show_to_requester: bool
    at: float


class State:
    """All desks, and every note ever written, also those of requests and desks that are gone. Only `reset` forgets."""

    def __init__(self, folder: Path | None = None) -> None:
        self.desks: dict[str, Desk] = {}
        self.written: list[WrittenNote] = []
        self._folder = folder
        self._journal: BinaryIO | None = None

    def open(self) -> None:
        """Read what the folder holds and go on writing there. A torn last line, as a kill leaves it, is dropped."""
        if self._folder is None or self._journal is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / JOURNAL
        self.desks.clear()  # the folder holds all of it, also when this object was open before
        self.written.clear()
        whole = 0
        if path.exists():
            for entry, end in _entries(path):
                self._apply(entry)
                whole = end
        self._journal = path.open("ab")
        self._journal.truncate(whole)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def commit(self, what: str, desk: str, **fields: Any) -> None:
        """Make a change. It is in the operating system's hands before it is seen, so a killed process loses nothing it answered."""
        entry = {"what": what, "desk": desk, **fields}
        if self._journal is not None:
            self._journal.write(orjson.dumps(entry) + b"\n")
            self._journal.flush()
        self._apply(entry)

    def reset(self) -> None:
        """Forget everything, also in the folder."""
        self.desks.clear()
        self.written.clear()
        if self._journal is not None:
            self._journal.truncate(0)

    def _apply(self, entry: Entry) -> None:
        name, what = entry["desk"], entry["what"]
        if what == "desk":
            self._put_desk(name, DeskSettings.model_validate(entry["settings"]))
        elif what == "desk_removed":
            self.desks.pop(name, None)
        elif what == "request":
            desk, request = self.desks[name], entry["request"]
            desk.requests[request["id"]] = request
            desk.used(request["id"])
        elif what == "request_deleted":
            self.desks[name].requests.pop(entry["request_id"], None)
            self.desks[name].notes.pop(entry["request_id"], None)
        elif what == "note":
            self._put_note(self.desks[name], entry)
        elif what == "solutions":
            self.desks[name].solutions = entry["solutions"]

    def _put_desk(self, name: str, settings: DeskSettings) -> None:
        if name in self.desks:
            self.desks[name].settings = settings
        else:
            self.desks[name] = Desk(name, settings)

    def _put_note(self, desk: Desk, entry: Entry) -> None:
        note: Fields = entry["note"]
        desk.notes[entry["request_id"]][note["id"]] = note
        desk.used(note["id"])
        self.written.append(
            WrittenNote(
                desk=desk.name,
                request_id=entry["request_id"],
                note_id=note["id"],
                description=note["description"],
                show_to_requester=note["show_to_requester"],
                at=entry["at"],
            )
        )


def _entries(path: Path) -> Iterator[tuple[Entry, int]]:
    """The journal's entries, each with the position behind it."""
    end = 0
    with path.open("rb") as lines:
        for line in lines:
            end += len(line)
            if not line.endswith(b"\n"):
                return
            yield orjson.loads(line), end
