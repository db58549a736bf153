"""API keys and tokens: those with a known shape (vendors' own prefixes), and long random text after a key word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_SHAPES = re.compile(
    "|".join(
        (
            r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",  # AWS access key id
            r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",  # GitHub
            r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
            r"\bglpat-[A-Za-z0-9_-]{20,100}",  # GitLab
            r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}",  # Slack
            r"\bhttps://hooks\.slack\.com/services/[A-Za-z0-9/]{20,100}",
            r"\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,1000}",  # JWT, RFC 7519
            r"\bsk-[A-Za-z0-9_-]{20,200}",  # OpenAI, OpenRouter, Anthropic
            r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{16,200}\b",  # Stripe
            r"\bAIza[A-Za-z0-9_-]{35}\b",  # Google
            r"\bwhsec_[A-Za-z0-9+/=]{20,100}",  # Standard Webhooks
            r"\btst_[A-Za-z0-9_-]{16,100}",  # ours
            r"\bnpm_[A-Za-z0-9]{36}\b",
        )
    )
)
_AFTER_WORD = re.compile(
    r"(?<![A-Za-z])(?:api[ _-]?key|access[ _-]?key|secret[ _-]?key|auth[ _-]?token|token|client[ _-]?secret|secret|bearer"
    r"|authorization|x-api-key|schlüssel|signature|sas|account[ _-]?key|license[ _-]?key|product[ _-]?key)(?![A-Za-z])"
    r"[\"']?[ \t]*(?:[:=]|is|ist|lautet|->)?[ \t]*(?:bearer|basic)?[ \t]*[\"']?"
    r"(?P<value>[A-Za-z0-9+/_=.~-]{16,2000})",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:(?P<value>[^\s:/@]{1,200})@", re.IGNORECASE)
_AWS_SECRET = re.compile(
    r"aws_secret_access_key[\"']?[ \t]*[:=][ \t]*[\"']?(?P<value>[A-Za-z0-9/+=]{40})", re.IGNORECASE
)


def tokens(text: str) -> Iterator[Span]:
    for match in _SHAPES.finditer(text):
        yield Span(match.start(), match.end(), Kind.TOKEN)
    for match in _AFTER_WORD.finditer(text):
        if _random(match["value"].rstrip(".")):
            yield Span(match.start("value"), match.start("value") + len(match["value"].rstrip(".")), Kind.TOKEN)
    for pattern in (_IN_URL, _AWS_SECRET):
        for match in pattern.finditer(text):
            yield Span(match.start("value"), match.end("value"), Kind.TOKEN)


def _random(value: str) -> bool:
    """Not a host name, path or phrase: hex, or letters mixed with digits throughout."""
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    return len(value) >= 16 and digits >= 3 and letters >= 3 and value.count(".") <= 2 and value.count("-") <= 6
