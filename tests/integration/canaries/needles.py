"""Secrets that are looked for, in every form in which a program may write one down."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes

SHORTEST = 12
"""Bytes. Shorter ones would be found by chance."""


@dataclass(frozen=True)
class Found:
    secret: str
    form: str
    place: str


@dataclass
class Needles:
    """`add` what must be found nowhere; `look` through what was written."""

    forms: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    found: list[Found] = field(default_factory=list)
    searched: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, secret: str | bytes) -> None:
        raw = secret.encode() if isinstance(secret, str) else secret
        assert len(raw) >= SHORTEST, f"{name} is too short to be looked for"
        self.names.add(name)
        for form, needle in _forms(raw):
            self.forms.setdefault(needle, (name, form))

    def look(self, place: str, content: str | bytes) -> None:
        """Remembers what is found, and how much was searched in places of this kind (what stands before a colon)."""
        text = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        kind = place.partition(":")[0]
        self.searched[kind] = self.searched.get(kind, 0) + len(text)
        for needle, (name, form) in self.forms.items():
            if needle in text:
                self.found.append(Found(name, form, place))


def _forms(raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield "plain", raw
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "URL-encoded", quote_from_bytes(raw, safe="").encode()
    yield "backslashes", repr(raw)[2:-1].encode()
    yield "JSON", raw.replace(b"/", b"\\/")
    for before in range(3):
        for name, encode in (("base64", b64encode), ("URL-safe base64", urlsafe_b64encode)):
            encoded = encode(b"\0" * before + raw)
            begin, end = (
                -(-before * 8 // 6),
                (before + len(raw)) * 8 // 6,
            )  # the digits that hold nothing but the secret
            yield f"{name} at {before}", encoded[begin:end]
