"""The note the model server writes by default: Markdown, the same for the same prompt, citing what the prompt offers.

Sources are lines `[1] title` in the user messages, the subject a line `Subject: ...`. Every title in the note comes from the
prompt, so a check of the output against the input finds nothing invented.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = re.compile(r"^\s*\[(\d{1,3})\][ \t:]*(\S.*)$", re.MULTILINE)
SUBJECT = re.compile(r"^\W*subject\W+(\S.*)$", re.MULTILINE | re.IGNORECASE)
TICKET_WORDS = ("ticket", "history", "incident", "request #")
NETWORK_WORDS = ("ip_data", "network", "subnet", "vlan", "device", "address", "inventory")
MOST_SOURCES = 20
LONGEST_TITLE = 160


@dataclass(frozen=True, slots=True)
class Source:
    """A source that the prompt offers: its label and title."""

    label: str
    title: str

    def cited(self) -> str:
        """The title with its citation."""
        return f"{self.title} [{self.label}]"

    def speaks_of(self, words: Iterable[str]) -> bool:
        """Whether the title has one of the words."""
        title = self.title.lower()
        return any(word in title for word in words)


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text, given as a string or as OpenAI's list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """All user messages' text."""
    return "\n".join(text_of(message) for message in messages if message.get("role") == "user")


def sources_in(text: str) -> list[Source]:
    """The labelled sources, at most 20, each label once."""
    found: dict[str, Source] = {}
    for label, title in SOURCE.findall(text):
        found.setdefault(label, Source(label, title.strip()[:LONGEST_TITLE]))
    return list(found.values())[:MOST_SOURCES]


def subject_in(text: str) -> str:
    """The ticket's subject, as the user messages' text gives it; empty without one."""
    found = SUBJECT.search(text)
    return found.group(1).strip()[:LONGEST_TITLE] if found else ""


def write_note(messages: Sequence[Mapping[str, Any]]) -> str:
    """The note for a prompt."""
    text = user_text(messages)
    sources = sources_in(text)
    problem = subject_in(text) or "the problem in the ticket"
    tickets = [source for source in sources if source.speaks_of(TICKET_WORDS)]
    network = [source for source in sources if source not in tickets and source.speaks_of(NETWORK_WORDS)]
    articles = [source for source in sources if source not in tickets and source not in network]
    sections = {
        "Problem in short": f"The requester reports: {problem}.",
        "Likely causes": _bullets(
            (f"The case described in {one.cited()}" for one in sources[:3]), "No source names a cause."
        ),
        "Steps": _steps(sources),
        "Similar tickets": _bullets((one.cited() for one in tickets), "None was found."),
        "Articles": _bullets((one.cited() for one in articles), "None was found."),
        "Network facts": _bullets((one.cited() for one in network), "None was given."),
        "What is unknown": "- When the problem began and what changed before it.\n- Whether other users see it too.",
    }
    return "\n\n".join(f"## {heading}\n\n{body}" for heading, body in sections.items()) + "\n"


def _bullets(lines: Iterable[str], otherwise: str) -> str:
    return "\n".join(f"- {line}" for line in lines) or otherwise


def _steps(sources: Sequence[Source]) -> str:
    steps = ["Ask the requester since when it happens and who else is concerned."]
    steps += [f"Compare with {source.cited()} and apply what fits." for source in sources[:4]]
    steps += ["Test the result together with the requester.", "Write what helped into the resolution."]
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
