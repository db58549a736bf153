"""The link in a note: the edge reads back what deliver wrote."""

from __future__ import annotations

from datetime import timedelta

from infra.runtime.keys.feedback_links import read_link_token
from infra.runtime.keys.rings import KeyRing, new_ring_key
from processors.deliver.feedback_links import SignedFeedbackLinks
from tests.unit.processors.deliver.conftest import START, StandingClock, synthesized


def test_a_link_leads_to_the_edge_and_back_to_the_enhancement_for_30_days() -> None:
    ring, clock, event = KeyRing.parse(new_ring_key("k1"), variable="TEST"), StandingClock(), synthesized()
    prefix, _, token = SignedFeedbackLinks(ring, "https://ts.example/", clock).url(event).rpartition("/")
    assert prefix == "https://ts.example/f"
    link = read_link_token(ring, token, START + timedelta(days=29))
    assert link
    assert (link.tenant_id, link.enhancement_id, link.ticket_id) == (
        event.tenant_id,
        event.enhancement_id,
        event.ticket_id,
    )
    assert read_link_token(ring, token, START + timedelta(days=31)) is None
