"""The tickets of a run: drawn from its seed, each content with words of its own that nobody else's note may ever hold."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from random import Random

TOKEN = re.compile(r"\bzq[a-z]{14}\b")
"""Such a word survives masking, Markdown and HTML, and is neither an address nor an article's or ticket's number."""
PROBLEMS = (
    ("Printer {} prints blank pages", "Printing", "The label printer at the counter feeds paper but leaves it blank."),
    ("VPN of {} breaks off after minutes", "Network", "The tunnel comes up, then drops after a few minutes, on every network."),
    ("Mailbox {} takes no more mail", "E-mail", "Senders get a bounce that the mailbox is full, archiving is on."),
    ("Laptop {} does not find the domain", "Accounts", "After the reinstallation it says that the trust relationship failed."),
    ("Scanner {} sends nothing to the share", "Printing", "Scan to folder ends with an error about the password."),
    ("Phone {} is not registered", "Telephony", "The desk phone shows no service since the switch was exchanged."),
    ("Backup of {} fails every night", "Backup", "The job ends with an error about the snapshot writer."),
    ("Application {} starts slowly", "Software", "It takes minutes to open, on all clients, since the update."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """What a ticket says at one time. `token` stands in the subject, `hidden` in the description."""

    subject: str
    description: str
    category: str
    token: str
    hidden: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """`at` is when its webhook is due; each further content follows `pause` seconds after the one before was accepted."""

    tenant_id: str
    ticket_id: str
    at: float
    contents: tuple[Content, ...]
    pause: float


def token(random: Random) -> str:
    return "zq" + "".join(random.choices(string.ascii_lowercase, k=14))


def content(random: Random) -> Content:
    subject, category, description = random.choice(PROBLEMS)
    word, hidden = token(random), token(random)
    return Content(subject.format(word), f"<div>{description} It concerns {hidden}.</div>", category, word, hidden)


def tenant_ids(count: int) -> list[str]:
    return [f"msp-chaos-{number:02d}" for number in range(count)]


def draw(random: Random, *, count: int, tenants: int, seconds: float, edited: float) -> list[Ticket]:
    """In the order of their times. The same ticket ids at every tenant, so that a note on the wrong desk finds a ticket there."""
    names = tenant_ids(tenants)
    times = sorted(random.uniform(0, seconds) for _ in range(count))
    numbers = dict.fromkeys(names, 4000)
    tickets: list[Ticket] = []
    for at in times:
        name = random.choice(names)
        numbers[name] += 1
        contents = tuple(content(random) for _ in range(2 if random.random() < edited else 1))
        tickets.append(Ticket(name, str(numbers[name]), at, contents, pause=random.choice((0.2, 2.0, 12.0, 25.0))))
    return tickets
