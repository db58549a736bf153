"""API keys and tokens: those with a known shape (vendors' own prefixes), and long random text after a key word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span, folded

_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    + "|".join(
        (
            r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",  # AWS access key id
            r"gh[pousr]_[A-Za-z0-9]{36,255}\b",  # GitHub
            r"github_pat_[A-Za-z0-9_]{22,255}\b",
            r"gl(?:pat|rt|dt)-[A-Za-z0-9_-]{20,100}",  # GitLab
            r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",  # Slack
            r"xapp-\d-[A-Za-z0-9-]{10,250}",
            r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,100}",
            r"eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,1000}",  # JWT, RFC 7519
            r"sk-[A-Za-z0-9_-]{20,200}",  # OpenAI, OpenRouter, Anthropic
            r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,200}\b",  # Stripe
            r"AIza[A-Za-z0-9_-]{35}\b",  # Google
            r"ya29\.[A-Za-z0-9_-]{20,500}",
            r"1//0[A-Za-z0-9_-]{20,200}",
            r"1000\.(?=[0-9a-f]{0,9}[0-9])[0-9a-z]{10,80}\.(?=[a-z]{0,40}[0-9])[0-9a-z]{10,80}\b",  # Zoho OAuth
            r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}",  # SendGrid
            r"hf_[A-Za-z0-9]{30,100}\b",  # Hugging Face
            r"do[opr]_v1_[a-f0-9]{32,64}",  # DigitalOcean
            r"whsec_[A-Za-z0-9+/=]{20,100}",  # Standard Webhooks
            r"tst_[A-Za-z0-9_-]{16,100}",  # ours
            r"npm_[A-Za-z0-9]{36}\b",
            r"\d{6}(?:-\d{6}){3,7}(?![\w-])",  # BitLocker recovery key, also a part of one
            r"(?=[A-Z]{0,24}\d)[A-Z0-9]{5}(?:-[A-Z0-9]{5}){4}(?![\w-])",  # product key
        )
    )
    + ")"
)
_HINTS = (
    *(
        "AKIA",
        "ASIA",
        "ABIA",
        "ACCA",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "glrt-",
        "gldt-",
        "xox",
    ),
    *(
        "xapp-",
        "https://hooks.",
        "eyJ",
        "sk-",
        "k_live_",
        "k_test_",
        "AIza",
        "ya29.",
        "1//0",
        "1000.",
        "SG.",
        "hf_",
        "_v1_",
    ),
    *("whsec_", "tst_", "npm_"),
)
_GROUPS = re.compile(r"[A-Z0-9]{5}-[A-Z0-9]{5}-|\d{6}-\d{6}")
"""One of these a text must have in it for the shapes above, which begin in too many ways to be looked for quickly."""
_AFTER_WORD = re.compile(
    r"(?:api[ _-]?key|(?<![A-Za-z])(?:(?:(?:access|refresh|auth|bearer|session|id)[ _-]?)?token"
    r"|(?:access|secret|account|license|product)[ _-]?key"
    r"|(?:client[ _-]?)?secret|bearer|authorization|schlüssel|signature|sig|sas))"
    r"(?![A-Za-z])[\\\"']{0,3}[ \t]{0,4}(?P<join>[:=]|is|ist|lautet|->)?[ \t]{0,4}(?:(?:bearer|basic)[ \t]{1,4})?[\\\"']{0,3}"
    r"(?P<value>[A-Za-z0-9+/_=.~-]{16,2000})",
    re.IGNORECASE,
)
_WORDS = ("key", "token", "secret", "bearer", "authorization", "schlüssel", "sig", "sas")
_VALUE = re.compile(r"[a-z0-9+/_=.~-]{16}")
"""What a text must have in it, in lower case, for the pattern above."""
_TITLE = re.compile(r"[A-Z][a-z]+")
_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:(?P<value>[^\s:/@]{1,200})@", re.IGNORECASE)
_AWS_SECRET = re.compile(
    r"aws_secret_access_key[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<value>[A-Za-z0-9/+=]{40})", re.IGNORECASE
)


def tokens(text: str) -> Iterator[Span]:
    may = any(hint in text for hint in _HINTS) or ("-" in text and _GROUPS.search(text))
    for match in _SHAPES.finditer(text) if may else ():
        yield Span(match.start(), match.end(), Kind.TOKEN)
    low = folded(text)
    may = any(word in low for word in _WORDS) and _VALUE.search(low)
    for match in _AFTER_WORD.finditer(text) if may else ():
        value = match["value"].rstrip(".")
        if _random(value) or (match["join"] in (":", "=") and _opaque(value)):
            yield Span(match.start("value"), match.start("value") + len(value), Kind.TOKEN)
    for pattern, hint in ((_IN_URL, "://"), (_AWS_SECRET, "aws_secret")):
        for match in pattern.finditer(text) if hint in low else ():
            yield Span(match.start("value"), match.end("value"), Kind.TOKEN)


def _random(value: str) -> bool:
    """Not a host name, path or phrase: hex, or letters mixed with digits throughout."""
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    return len(value) >= 16 and digits >= 3 and letters >= 3 and value.count(".") <= 2 and value.count("-") <= 6


def _opaque(value: str) -> bool:
    """Letters and digits without a break; right behind a sign, where a long word would have a capital at most."""
    return len(value) >= 16 and value.isalnum() and not _TITLE.fullmatch(value)
