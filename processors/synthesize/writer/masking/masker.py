"""Replaces what the rules find by placeholders such as `{EMAIL_1}`, and puts back what may come back."""

from __future__ import annotations

import re
from hashlib import sha256
from unicodedata import normalize

from processors.synthesize.writer.masking.cards import cards
from processors.synthesize.writer.masking.email_addresses import email_addresses
from processors.synthesize.writer.masking.ibans import ibans
from processors.synthesize.writer.masking.passwords import passwords
from processors.synthesize.writer.masking.phones import phones
from processors.synthesize.writer.masking.private_keys import private_keys
from processors.synthesize.writer.masking.spans import Kind, Rule, Span
from processors.synthesize.writer.masking.tokens import tokens

SECRETS: tuple[Rule, ...] = (private_keys, passwords, tokens, cards, ibans)
PERSONAL: tuple[Rule, ...] = (email_addresses, phones)

MOST_REMEMBERED = 8192
_FOUND: dict[tuple[bytes, tuple[Rule, ...]], tuple[Span, ...]] = {}
_PLACEHOLDER = re.compile(r"\{((?:" + "|".join(Kind) + r")_\d{1,4})\}")


class Masker:
    """Masks the texts of one task: the same value gets the same placeholder in all of them."""

    def __init__(self, rules: tuple[Rule, ...] = SECRETS + PERSONAL) -> None:
        self._rules = rules
        self._placeholders: dict[tuple[Kind, str], str] = {}
        self._originals: dict[str, str] = {}

    def mask(self, text: str) -> str:
        """The text with placeholders. What already looks like one loses its braces, so that nothing foreign is put back."""
        text = _plain(text)
        parts, at = [], 0
        for span in found(text, self._rules):
            parts += [text[at : span.start], self._placeholder(span.kind, text[span.start : span.end])]
            at = span.end
        return "".join([*parts, text[at:]])

    def restore(self, text: str) -> str:
        """The text with e-mail addresses and phone numbers put back; secrets stay out and read as `(password removed)`."""

        def original(match: re.Match[str]) -> str:
            kind = Kind(match[1].rpartition("_")[0])
            if kind.comes_back and match[0] in self._originals:
                return self._originals[match[0]]
            return kind.removed

        return _PLACEHOLDER.sub(original, text)

    def _placeholder(self, kind: Kind, value: str) -> str:
        known = self._placeholders.get((kind, value))
        if known is None:
            number = sum(1 for one, _ in self._placeholders if one is kind) + 1
            known = self._placeholders[kind, value] = f"{{{kind.value}_{number}}}"
            self._originals[known] = value
        return known


def secrets_removed(text: str) -> str:
    """For text that stays on the platform: secrets go, personal data may stay."""
    text = _plain(text)
    if not found(text, SECRETS):
        return text
    masker = Masker(SECRETS)
    return masker.restore(masker.mask(text))


def _plain(text: str) -> str:
    """In one form, since some write ü as two characters, and without what looks like a placeholder."""
    text = text if text.isascii() else normalize("NFC", text)
    return _PLACEHOLDER.sub(r"(\1)", text) if "{" in text else text


def found(text: str, rules: tuple[Rule, ...]) -> tuple[Span, ...]:
    """What the rules find, in order; overlapping findings become one of the more secret kind. Remembered by the text's hash, since
    the same articles and solutions come with one ticket after another, and are quoted in pieces."""
    key = (sha256(text.encode("utf-8", "surrogatepass")).digest(), rules)
    spans = _FOUND.get(key)
    if spans is None:
        spans = tuple(_looked_for(text, rules))
        if len(_FOUND) >= MOST_REMEMBERED:
            _FOUND.pop(next(iter(_FOUND)))
        _FOUND[key] = spans
    return spans


def _looked_for(text: str, rules: tuple[Rule, ...]) -> list[Span]:
    spans = sorted((span for rule in rules for span in rule(text)), key=lambda span: (span.start, -span.end))
    merged: list[Span] = []
    for span in spans:
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            kind = min(last.kind, span.kind, key=lambda kind: kind.rank)
            span = Span(last.start, max(last.end, span.end), kind)
        merged.append(span)
    return merged
