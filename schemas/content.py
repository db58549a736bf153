"""A ticket's *relevant content*: what an enhancement answers. Two states of a ticket with the same hash get one note."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

# Marks that combine are sorted in quadratic time: 32,000 of them in a row, which fit into a description, would take seconds.
PIECE = 1024
_PIECES = re.compile(rf"\s*+\S{{1,{PIECE}}}+|\s++")


def normalised(text: str) -> str:
    """NFKC with runs of white space folded: what survives a desk's reformatting of the same words."""
    if not text.isascii():  # of ASCII it changes nothing, and takes most of the time
        pieces = [text] if len(text) <= PIECE else _PIECES.findall(text)
        text = "".join([unicodedata.normalize("NFKC", piece) for piece in pieces])
    return " ".join(text.split())


def content_hash(subject: str, description: str, requester: str, category: str) -> str:
    """SHA-256 (hex) over the normalised parts, each preceded by its length, so that no two tickets can run together."""
    parts = [normalised(part).encode() for part in (subject, description, requester, category)]
    return sha256(b"".join([len(part).to_bytes(4, "big") + part for part in parts])).hexdigest()
