"""The parts of a knowledge base article: causes, numbered steps, the check and when to escalate.

Reads the form that articles of the knowledge base have, `**Causes.** …`, and the same words as Markdown headings. What an
article doesn't have is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LABEL = re.compile(
    r"^\s*(?:#{1,6}\s+(?P<heading>[^.:#*]{3,40})[.:]?\s*$"
    r"|\*\*(?P<bold>[^.:*]{3,40})[.:]?\*\*[.:]?(?:\s+(?P<rest>.*))?$)"
)
_STEP = re.compile(r"^\s{0,3}(\d{1,2})[.)]\s+(?P<text>\S.*)$")
_PARTS = {
    "symptom": ("symptom", "symptoms", "problem", "symptome", "summary"),
    "causes": ("cause", "causes", "reason", "reasons", "ursache", "ursachen", "background", "why"),
    "steps": ("steps", "step", "solution", "resolution", "procedure", "schritte", "lösung", "fix", "what to do"),
    "check": ("check", "checks", "verify", "verification", "prüfen", "prüfung", "how to check"),
    "escalate": ("escalate", "escalation", "eskalieren", "eskalation"),
}
_PART_OF = {word: part for part, words in _PARTS.items() for word in words}

LONG = 1_900


@dataclass(slots=True)
class Article:
    """Texts as the article has them, Markdown included, a line each. `other` is under headings of its own. `cut` says that the
    excerpt ends before the article does."""

    symptom: str = ""
    causes: str = ""
    check: str = ""
    escalate: str = ""
    other: str = ""
    steps: list[str] = field(default_factory=list)
    cut: bool = False


def parsed(excerpt: str) -> Article:
    """The parts of an article's excerpt. A last step that the excerpt cuts off is left out."""
    article = Article(cut=_is_cut(excerpt.rstrip()))
    part = ""
    for line in excerpt.splitlines():
        label = _label(line)
        if label is not None:
            part, line = label
        step = _STEP.match(line)
        if step and part in ("", "steps"):
            article.steps.append(step["text"].strip())
            part = "steps"
        elif line.strip():
            _append(article, part, line.strip(), label is not None)
        elif part == "steps" and article.steps:
            continue
    if article.cut and part == "steps" and article.steps:
        article.steps.pop()
    return article


def _is_cut(excerpt: str) -> bool:
    """It says so by an ellipsis, or is as long as an excerpt may be and stops within a sentence."""
    return excerpt.endswith("…") or (len(excerpt) >= LONG and excerpt[-1:] not in ".!?:`)*")


def _label(line: str) -> tuple[str, str] | None:
    match = _LABEL.match(line)
    if match is None:
        return None
    label = (match["heading"] or match["bold"]).strip().lower()
    return _PART_OF.get(label) or _PART_OF.get(label.split(",")[0], "other"), match["rest"] or ""


def _append(article: Article, part: str, text: str, opens: bool) -> None:
    if part == "steps":
        if article.steps and not opens:
            article.steps[-1] += " " + text
        return
    if part and hasattr(article, part):
        setattr(article, part, (getattr(article, part) + "\n" + text.removeprefix("- ")).strip())
