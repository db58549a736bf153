"""What a new tenant's administrator is given."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.ops.onboarding.handover import Handover, script, text, write
from sinks.postgres.tenant_contacts import Contact, ContactKind

URL = "https://tickets.example.com/api/v1/webhooks/msp-one"
ADMINISTRATOR = {ContactKind.SDP_ADMINISTRATOR: Contact("Jo Doe", "jo.doe@customer.example", "110")}


def handover(form: str = "onprem") -> Handover:
    return Handover("msp-one", URL, "0a1b2c3d", form, ADMINISTRATOR, "support@example.com")


@pytest.mark.parametrize(("form", "name"), [("onprem", "sdp_onprem.py"), ("cloud", "sdp_cloud.deluge")])
def test_the_text_says_what_to_do_with_which_script(form: str, name: str) -> None:
    told = text(handover(form))
    assert all(word in told for word in (URL, "0a1b2c3d", "Jo Doe", name, "support@example.com", "TEST PASSED"))
    assert "{" not in told and "jo.doe@" not in told


def test_the_script_has_the_address() -> None:
    assert f'URL = "{URL}"' in script("onprem", URL)[1] and f'url = "{URL}";' in script("cloud", URL)[1]
    with pytest.raises(ValueError, match="TICKETSTREAM_PUBLIC_URL"):
        script("onprem", 'https://x.example/"; import os')


@pytest.mark.parametrize("secret", ["whsec_secret", None])
def test_files_are_private_and_the_secret_stands_alone(tmp_path: Path, secret: str | None) -> None:
    folder = tmp_path / "new" / "msp-one"
    written = write(folder, handover(), secret)
    assert [file.name for file in written] == ["handover.md", "sdp_onprem.py"] + ["ticketstream.secret"] * bool(secret)
    assert {stat.S_IMODE(file.stat().st_mode) for file in written} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [file.name for file in written if "whsec_secret" in file.read_text()] == ["ticketstream.secret"] * bool(
        secret
    )


def test_nothing_is_overwritten_and_nothing_half_done(tmp_path: Path) -> None:
    (tmp_path / "ticketstream.secret").write_text("another")
    with pytest.raises(FileExistsError):
        write(tmp_path, handover(), "whsec_secret")
    assert [file.name for file in tmp_path.iterdir()] == ["ticketstream.secret"]
