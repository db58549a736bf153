"""Tickets, articles, devices of made-up tenants, as many as wanted: words as frequent as in real tickets, problems that come again.

The words are those of the demo's tickets and articles, drawn as often as they stand there, with a long tail of made-up names behind
them. A tenant has problems of its own, some of which come every day and most of which seldom do; a ticket tells of one of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from random import Random

DEMO_DATA = Path(__file__).resolve().parents[1] / "demo" / "data"
LARGEST, LARGE, MIDDLE, TENANTS = 0.2, (5, 0.7 / 15), (10, 0.8 / 30), 50
"""Shares of all tickets: of the largest tenant, of each of five large ones and of ten middle ones. The others share the rest."""

SENTENCES = 30_000
TAIL_WORDS = 40_000
PROBLEM_WORDS = 25
TICKETS_A_PROBLEM = 150
TICKETS_A_REQUESTER = 60
ALERTS = "alerts@monitoring.example"
ALERT_SHARE = 0.1
ADDRESSED_SHARE = 0.4
NEWEST = datetime(2026, 11, 1, tzinfo=UTC)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_SYLLABLES = ("ka", "ro", "mi", "tel", "vex", "nor", "dal", "pri", "su", "gon", "ber", "lix", "tra", "fe", "qui", "zo")


def sizes(tickets: int) -> list[int]:
    """How many of the tickets each of the 50 tenants has, the largest first."""
    large = [
        round(tickets * LARGEST),
        *[round(tickets * LARGE[1])] * LARGE[0],
        *[round(tickets * MIDDLE[1])] * MIDDLE[0],
    ]
    others = TENANTS - len(large)
    each = (tickets - sum(large)) * 2 / others
    small = [round(each * (others - place) / (others + 1)) for place in range(others)]
    return [*large, *small]


@dataclass(frozen=True, slots=True)
class MadeTicket:
    """Times are the desk's."""

    ticket_id: str
    subject: str
    description: str
    resolution: str
    requester: str
    end_customer: str | None
    created_at: datetime

    @property
    def text(self) -> str:
        return f"{self.subject}\n{self.description}"


@dataclass(frozen=True, slots=True)
class Problem:
    title: str
    words: Sequence[str]
    code: str
    cure: str


class Language:
    """Sentences of common words, and words that are rare."""

    def __init__(self, random: Random) -> None:
        text = "\n".join(
            file.read_text() for file in sorted(DEMO_DATA.rglob("*.*")) if file.suffix in (".md", ".jsonl")
        )
        counts = Counter(word.lower() for word in _WORD.findall(text))
        self._words = list(counts)
        self._often = list(accumulate(counts.values()))
        self._seldom = list(accumulate(count**0.5 for count in counts.values()))
        self.tail = ["".join(random.choices(_SYLLABLES, k=random.randint(3, 5))) for _ in range(TAIL_WORDS)]
        self._sentences = [self.sentence(random, random.randint(7, 16)) for _ in range(SENTENCES)]

    def sentence(self, random: Random, length: int) -> str:
        return " ".join(random.choices(self._words, cum_weights=self._often, k=length)).capitalize() + "."

    def sentences(self, random: Random, count: int) -> str:
        return " ".join(random.choices(self._sentences, k=count))

    def rare(self, random: Random, count: int) -> list[str]:
        return random.choices(self._words, cum_weights=self._seldom, k=count)


@dataclass
class MadeTenant:
    """One tenant's data. The same `number` and `tickets` give the same."""

    number: int
    tickets: int
    language: Language
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.number)

    @property
    def tenant_id(self) -> str:
        return f"bench-{self.number:02d}"

    @cached_property
    def problems(self) -> list[Problem]:
        return [self._problem() for _ in range(max(20, self.tickets // TICKETS_A_PROBLEM))]

    @cached_property
    def devices(self) -> list[tuple[str, str]]:
        """Name and address."""
        count = 200 + self.tickets // 150
        return [
            (f"{self._place(n)}-{kind}{n:03d}", f"10.{self.number}.{n // 200}.{n % 200 + 10}")
            for n in range(count)
            for kind in (("srv", "pc", "prn", "sw")[n % 4],)
        ]

    @cached_property
    def subnets(self) -> list[tuple[str, str]]:
        """Name and network."""
        sites = max(1, len(self.devices) // 200 + 1)
        nested = [
            (f"vlan-{site}-{part}", f"10.{self.number}.{site}.{part * 64}/26")
            for site in range(sites)
            for part in range(4)
        ]
        return [("all", "10.0.0.0/8"), ("own", f"10.{self.number}.0.0/16"), *nested] + [
            (f"site-{site}", f"10.{self.number}.{site}.0/24") for site in range(100)
        ]

    @cached_property
    def signature(self) -> str:
        return self.language.sentence(self.random, 18)

    def articles(self) -> Iterator[tuple[str, str, str]]:
        """Id, title and body, one for every third problem."""
        for number, problem in enumerate(self.problems[::3]):
            body = " ".join((self._told(problem, 6), problem.cure, self.language.sentences(self.random, 25)))
            yield f"KB-{number}", problem.title, body

    def solved(self) -> Iterator[MadeTicket]:
        for number in range(self.tickets):
            yield self.ticket(number)

    def ticket(self, number: int) -> MadeTicket:
        random, language = self.random, self.language
        problem = self.problems[_often_the_first(random, len(self.problems))]
        parts = [
            language.sentences(random, random.randint(2, 8)),
            self._told(problem, random.randint(2, 5)),
            language.sentences(random, random.randint(3, 10)),
            " ".join(random.choices(language.tail, k=random.randint(1, 5))),
            self._addresses(),
            self.signature,
        ]
        description = "\n".join(parts)
        return MadeTicket(
            ticket_id=str(100_000 + number),
            subject=f"{problem.title} {random.choice(language.rare(random, 3))}",
            description=description,
            resolution=f"{problem.cure} {language.sentences(random, random.randint(1, 3))}",
            requester=self._requester(),
            end_customer=f"customer-{random.randrange(8)}" if self.number % 3 and random.random() < 0.6 else None,
            created_at=NEWEST - timedelta(minutes=(self.tickets - number) * 10),
        )

    def _problem(self) -> Problem:
        random, language = self.random, self.language
        words = [*language.rare(random, PROBLEM_WORDS - 5), *random.choices(language.tail, k=5)]
        code = f"0x{random.randrange(16**8):08x}" if random.random() < 0.5 else ""
        return Problem(" ".join(words[:4]), words, code, " ".join(random.choices(words, k=10)))

    def _told(self, problem: Problem, sentences: int) -> str:
        random = self.random
        told = [" ".join([*random.sample(problem.words, 6), *self.language.rare(random, 3)]) for _ in range(sentences)]
        return ". ".join(told) + (f" error {problem.code}" if problem.code and random.random() < 0.7 else "")

    def _addresses(self) -> str:
        random = self.random
        if random.random() > ADDRESSED_SHARE:
            return ""
        named = [self.devices[_often_the_first(random, len(self.devices))] for _ in range(random.randint(1, 3))]
        return "Seen on " + " and ".join(f"{name} ({address})" for name, address in named)

    def _requester(self) -> str:
        random = self.random
        if random.random() < ALERT_SHARE:
            return ALERTS
        people = max(5, self.tickets // TICKETS_A_REQUESTER)
        return f"person{_often_the_first(random, people)}@customer.example"

    def _place(self, number: int) -> str:
        return ("har", "kai", "dok", "lag")[number // 200 % 4]


def _often_the_first(random: Random, count: int) -> int:
    """A place below `count`, each about as often as 1 / its number: Zipf's law."""
    return int((count + 1) ** random.random()) - 1
