"""Signing key files: private, named after their service, and refused with a cure where they aren't what they should be."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from infra.runtime.keys.signing import SigningKey, SigningKeyError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ingest.pem"


def test_a_saved_key_is_the_same_key(file: Path) -> None:
    key = SigningKey.create("ingest")
    key.save(file)

    again = SigningKey.load(file, service="ingest")

    assert (again.service, again.key_id, again.public_key_bytes) == (key.service, key.key_id, key.public_key_bytes)
    Ed25519PublicKey.from_public_bytes(key.public_key_bytes).verify(again.sign(b"message"), b"message")


def test_the_key_id_names_service_and_public_key() -> None:
    key = SigningKey.create("enrich")

    assert key.key_id == f"enrich-{sha256(key.public_key_bytes).hexdigest()[:12]}"


def test_a_saved_key_is_for_its_owner_alone_and_replaces_none(file: Path) -> None:
    SigningKey.create("ingest").save(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        SigningKey.create("ingest").save(file)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o601, 0o620])
def test_a_file_that_others_can_read_or_change_is_refused(file: Path, mode: int) -> None:
    SigningKey.create("ingest").save(file)
    file.chmod(mode)

    with pytest.raises(SigningKeyError, match="chmod 600"):
        SigningKey.load(file)


def test_a_group_may_read_as_kubernetes_mounts_secrets(file: Path) -> None:
    SigningKey.create("ingest").save(file)
    file.chmod(0o440)

    assert SigningKey.load(file).service == "ingest"


def test_the_key_of_another_service_is_refused(file: Path) -> None:
    SigningKey.create("ingest").save(file)

    with pytest.raises(SigningKeyError, match="of service 'ingest', expected 'deliver'"):
        SigningKey.load(file, service="deliver")


def test_a_key_made_by_openssl_needs_the_service_said(file: Path) -> None:
    _write(file, Ed25519PrivateKey.generate())

    assert SigningKey.load(file, service="ingest").service == "ingest"
    with pytest.raises(SigningKeyError, match="lacks the line"):
        SigningKey.load(file)


def test_what_is_no_ed25519_key_is_refused_with_a_cure(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match=r"can't be read.*ticketstream key create"):
        SigningKey.load(tmp_path / "missing.pem")
    _write(file, generate_private_key(SECP256R1()))
    with pytest.raises(SigningKeyError, match="not an Ed25519 key"):
        SigningKey.load(file, service="ingest")
    file.write_text("no key")
    with pytest.raises(SigningKeyError, match="PKCS8"):
        SigningKey.load(file, service="ingest")


def _write(file: Path, key: Ed25519PrivateKey | object) -> None:
    assert hasattr(key, "private_bytes")
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    file.chmod(0o600)


def test_a_further_key_is_refused_before_its_time_and_taken_from_then_on(file: Path) -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    key = SigningKey.create("ingest")
    key.save(file, not_before=start)

    with pytest.raises(SigningKeyError, match="may sign from 2026-03-01 12:00:00 UTC on"):
        SigningKey.load(file, service="ingest", now=start - timedelta(seconds=1))

    assert SigningKey.load(file, service="ingest", now=start).key_id == key.key_id


def test_a_time_that_is_none_is_named(file: Path) -> None:
    SigningKey.create("ingest").save(file, not_before=datetime(2026, 3, 1, 12, tzinfo=UTC))
    file.write_text(file.read_text().replace("2026-03-01", "soon"))

    with pytest.raises(SigningKeyError, match="Not-Before"):
        SigningKey.load(file)
