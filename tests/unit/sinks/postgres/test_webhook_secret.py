"""What a webhook secret shows of itself."""

from __future__ import annotations

from hashlib import sha256

from sinks.postgres.webhook_secrets import WebhookSecret


def test_the_fingerprint_is_the_start_of_the_raw_keys_sha256() -> None:
    secret = WebhookSecret("A" * 43)
    assert secret.fingerprint == sha256(b"A" * 43).hexdigest()[:8] == "0f007385"


def test_a_secrets_representation_shows_none_of_its_forms() -> None:
    secret = WebhookSecret.generate()
    assert secret.raw not in repr(secret)
    assert secret.whsec not in repr(secret)
