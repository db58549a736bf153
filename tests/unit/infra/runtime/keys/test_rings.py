"""Key rings: what is encrypted comes back only for the tenant and column it belongs to, and rings change without a gap."""

from __future__ import annotations

import pytest

from infra.runtime.keys.rings import KeyRing, KeyRingError, new_ring_key

VARIABLE = "TICKETSTREAM_CREDENTIAL_KEYS"
OLD, NEW = new_ring_key("k1"), new_ring_key("k2")


def ring(*keys: str) -> KeyRing:
    return KeyRing.parse(",".join(keys), variable=VARIABLE)


def sealed(by: KeyRing) -> str:
    return by.encrypt(b"desk key", tenant_id="acme", column="servicedesk_api_key")


def test_what_is_encrypted_comes_back_and_is_not_readable_as_stored() -> None:
    stored = sealed(ring(OLD))

    assert stored.startswith("v1.k1.")
    assert "desk key" not in stored
    assert ring(OLD).decrypt(stored, tenant_id="acme", column="servicedesk_api_key") == b"desk key"


def test_the_same_text_is_never_stored_alike() -> None:
    assert len({sealed(ring(OLD)) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("tenant_id", "column"), [("nordwind", "servicedesk_api_key"), ("acme", "webhook_secret"), ("acme\0x", "y")]
)
def test_a_value_moved_to_another_tenant_or_column_does_not_decrypt(tenant_id: str, column: str) -> None:
    with pytest.raises(KeyRingError, match="changed or moved"):
        ring(OLD).decrypt(sealed(ring(OLD)), tenant_id=tenant_id, column=column)


def test_no_changed_character_goes_unnoticed() -> None:
    stored = sealed(ring(OLD))
    start = len("v1.k1.")
    for position in range(start, len(stored)):
        other = "A" if stored[position] != "A" else "B"
        with pytest.raises(KeyRingError):
            ring(OLD).decrypt(
                f"{stored[:position]}{other}{stored[position + 1 :]}", tenant_id="acme", column="servicedesk_api_key"
            )


@pytest.mark.parametrize(
    "stored", ["", "v1", "v1.k1", "v1.k1.", "v1.k1.AAAA", "v1.k1.not base64", "plain text", "v2.k1.AAAA"]
)
def test_what_was_never_encrypted_is_refused_by_name(stored: str) -> None:
    with pytest.raises(KeyRingError, match="servicedesk_api_key of tenant 'acme'"):
        ring(OLD).decrypt(stored, tenant_id="acme", column="servicedesk_api_key")


def test_the_first_key_encrypts_and_the_others_still_decrypt() -> None:
    both = ring(NEW, OLD)

    assert sealed(both).startswith("v1.k2.")
    assert both.decrypt(sealed(ring(OLD)), tenant_id="acme", column="servicedesk_api_key") == b"desk key"


def test_a_key_that_left_the_ring_is_named() -> None:
    with pytest.raises(KeyRingError, match="'k1', which the key ring lacks"):
        ring(NEW).decrypt(sealed(ring(OLD)), tenant_id="acme", column="servicedesk_api_key")


def test_a_mac_holds_for_its_message_and_key_only() -> None:
    key_id, mac = ring(OLD).mac(b"message")

    assert (key_id, len(mac)) == ("k1", 32)
    assert ring(NEW, OLD).verify_mac(key_id, b"message", mac)
    assert not ring(OLD).verify_mac(key_id, b"massage", mac)
    assert not ring(OLD).verify_mac(key_id, b"message", mac[:-1])
    assert not ring(NEW).verify_mac(key_id, b"message", mac)
    assert not ring(NEW.replace("k2", "k1")).verify_mac(key_id, b"message", mac)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "holds no key"),
        (" , ", "holds no key"),
        ("c2VjcmV0LXdpdGhvdXQtaWQ=", "not of the form id:base64"),
        ("k.1:c2VjcmV0", "not of the form id:base64"),
        ("k2:%%%", "key 'k2' is not base64"),
        ("k2:" + "AAAA" * 8, "key 'k2' is 24 bytes, expected 32"),
        pytest.param(f"{OLD},{OLD}", "the same id", id="a key given twice"),  # the key itself differs each time
    ],
)
def test_a_bad_ring_names_variable_and_fault_but_no_secret(text: str, wrong: str) -> None:
    with pytest.raises(KeyRingError) as caught:
        KeyRing.parse(text, variable=VARIABLE)

    assert str(caught.value).startswith(f"{VARIABLE}: ")
    assert wrong in str(caught.value)
    for part in text.replace(",", ":").split(":")[1:]:
        assert not part.strip() or part not in str(caught.value)


def test_a_ring_does_not_show_its_keys() -> None:
    secret = OLD.partition(":")[2]

    assert secret not in repr(ring(OLD))
    assert secret not in repr(vars(ring(OLD)))


def test_a_key_id_with_a_separator_is_refused() -> None:
    with pytest.raises(KeyRingError, match="key id"):
        new_ring_key("a.b")
