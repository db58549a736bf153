"""What a second run on the same state folder must know of the first: the secrets that are shown only once, and the run's number."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = "demo.json"


@dataclass(slots=True)
class TenantMemory:
    """`webhook_secret` in the form whsec_…; `imported` is a fingerprint of the data that was imported."""

    webhook_secret: str
    token: str = ""
    imported: str = ""


@dataclass(slots=True)
class Memory:
    """Kept in `<state dir>/demo.json`, mode 0600. `runs` counts the runs that began."""

    file: Path
    runs: int = 0
    tenants: dict[str, TenantMemory] = field(default_factory=dict)

    @classmethod
    def load(cls, state_dir: Path) -> Memory:
        """Empty where there is none, or none that can be read."""
        memory = cls(state_dir / FILE)
        try:
            kept = json.loads(memory.file.read_text(encoding="utf-8"))
            memory.runs = int(kept["runs"])
            memory.tenants = {name: TenantMemory(**values) for name, values in kept["tenants"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(state_dir / FILE)
        return memory

    def save(self) -> None:
        """Replaces the file as a whole."""
        part = self.file.with_suffix(".part")
        part.unlink(missing_ok=True)
        kept = {"runs": self.runs, "tenants": {name: asdict(value) for name, value in self.tenants.items()}}
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(kept, out)
        part.replace(self.file)
