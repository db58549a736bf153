"""Cutting text to a number of bytes, at a word."""

from __future__ import annotations

ELLIPSIS = "…"
_ROOM = len(ELLIPSIS.encode())


def cut(text: str, max_bytes: int) -> str:
    """`text` if its UTF-8 has at most `max_bytes` bytes, else its beginning with an ellipsis, together at most `max_bytes`.

    Cut behind the last whole word; inside a word only where half of the text would go with it (a long URL, a pasted dump)."""
    data = text.encode()
    if len(data) <= max_bytes:
        return text
    if max_bytes < _ROOM:
        return ""
    head = data[: max_bytes - _ROOM].decode(errors="ignore")
    if not _ends_a_word(text, len(head)):
        words = head.rsplit(None, 1)
        if len(words) == 2 and len(words[0].encode()) * 2 >= max_bytes:
            head = words[0]
    return head.rstrip() + ELLIPSIS


def _ends_a_word(text: str, end: int) -> bool:
    return end < len(text) and text[end].isspace()
