"""Relevance: what fits a ticket passes, what shares a few words doesn't."""

from __future__ import annotations

from dataclasses import replace

from processors.synthesize.writer.builtin.material import Material
from processors.synthesize.writer.builtin.relevance import Yardstick, is_code, similar, terms
from processors.synthesize.writer.writer import Evidence
from tests.unit.processors.synthesize.examples import ARTICLE, EARLIER, TICKET, UNFITTING, described, enriched, task


def test_an_article_about_the_same_beats_one_that_is_not_whatever_the_source_says() -> None:
    boosted = replace(UNFITTING, score=99.0)
    evidence = [Evidence(1, boosted), Evidence(2, ARTICLE), Evidence(3, EARLIER)]
    ranked = Yardstick(TICKET, evidence).ranked(evidence[:2])
    assert [found.evidence.item.id for found in ranked] == ["KB-1017", "KB-1014"]
    assert ranked[0].strong
    assert not ranked[1].usable


def test_what_solved_a_similar_ticket_lifts_the_article_that_speaks_of_it() -> None:
    about = replace(
        ARTICLE,
        id="KB-1",
        title="Fibre transceiver",
        excerpt="A failed SFP transceiver in the core takes switches down",
    )
    other = replace(ARTICLE, id="KB-2", title="Printing", excerpt="Printers down: look at the queue and switches")
    evidence = [Evidence(1, about), Evidence(2, other)]
    ticket = replace(TICKET, subject="aisle switches down", description="printers down")
    plain, learnt = Yardstick(ticket, evidence), Yardstick(ticket, evidence)
    learnt.learn("transceiver SFP in the core had failed, fibre", 0.5)
    before = {found.evidence.item.id: found.fit for found in plain.ranked(evidence)}
    after = {found.evidence.item.id: found.fit for found in learnt.ranked(evidence)}
    assert after["KB-1"] / after["KB-2"] > before["KB-1"] / before["KB-2"]


def test_the_best_article_is_the_one_that_speaks_of_what_solved_the_similar_ticket() -> None:
    printing = replace(
        UNFITTING,
        excerpt="Printers of the hall stand still after power loss in the aisle: scanners wait, lights red, check queue",
    )
    fibre = replace(
        ARTICLE,
        id="KB-1030",
        title="Fibre uplink lost",
        excerpt="Aisle switches of the hall on one fibre: transceiver failed, SFP in the core. Swap transceiver, look at duct.",
    )
    earlier = replace(
        EARLIER,
        title="aisle switches down, hall dead",
        excerpt="10.40.0.17 and 10.40.0.18.\n\nResolution: Transceiver in the core failed, SFP of the fibre in duct B. Swapped.",
    )
    ticket = described(
        "10.40.0.17 and 10.40.0.18 gone. Printers and scanners of the aisle too, power is on, lights normal.",
        subject="Half the hall stands still",
    )
    best = Material.of(task(enriched(printing, fibre, earlier, ticket=ticket))).best_article
    assert best
    assert best.evidence.item.id == "KB-1030"


def test_codes_addresses_and_host_names_count_as_codes_and_small_talk_as_nothing() -> None:
    found = terms("Hello, please help: error 0x0000011b on qml-sql01 (10.20.20.20), thanks")
    assert {"0x0000011b", "qml-sql01", "10.20.20.20"} <= found
    assert not {"hello", "please", "help", "thanks"} & found
    assert is_code("qml-sql01")
    assert not is_code("printer")


def test_inflected_words_are_the_same_term() -> None:
    assert terms("printers printing printed") == terms("printer")


def test_similar_texts_are_alike_and_different_ones_are_not() -> None:
    assert similar(terms("Restart the print spooler"), terms("restart print spooler!")) == 1.0
    assert similar(terms("Restart the print spooler"), terms("Renew the certificate")) == 0.0
    assert similar(terms(""), terms("")) == 0.0


def test_a_task_numbers_articles_first_and_the_better_score_before_the_worse() -> None:
    assert [(one.number, one.item.id) for one in task().evidence] == [
        (1, "KB-1017"),
        (2, "KB-1014"),
        (3, "43761"),
        (4, "AC-0008"),
    ]
