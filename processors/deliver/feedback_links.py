"""The address in a note where its reader says what it was worth."""

from __future__ import annotations

from infra.runtime.clock import Clock
from infra.runtime.keys.feedback_links import FeedbackLink, MacRing, make_link_token
from schemas.events import EnhancementSynthesized


class SignedFeedbackLinks:
    """FeedbackLinks: `{public URL}/f/{token}`, valid for 30 days from now."""

    def __init__(self, ring: MacRing, public_url: str, clock: Clock) -> None:
        self._ring = ring
        self._public_url = public_url.rstrip("/")
        self._clock = clock

    def url(self, event: EnhancementSynthesized) -> str:
        link = FeedbackLink.to(
            tenant_id=event.tenant_id,
            enhancement_id=event.enhancement_id,
            ticket_id=event.ticket_id,
            now=self._clock.now(),
        )
        return f"{self._public_url}/f/{make_link_token(self._ring, link)}"
