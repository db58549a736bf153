"""The file in which a desk's key is handed over."""

from __future__ import annotations

from pathlib import Path

from infra.ops.cli.failure import WrongUse

CLOUD_FIELDS = ("client_id", "client_secret", "refresh_token", "accounts_url")
MAX_CREDENTIAL_BYTES = 16 * 1024


def read_credential(file: Path, form: str, *, local: bool = False) -> str:
    """The desk's key, checked as the deliver stage reads it. `local` allows an accounts_url without TLS. Raises WrongUse, which
    tells nothing of what the file holds."""
    from sinks.servicedesk.addresses import AddressPolicy
    from sinks.servicedesk.authentication import MAX_CREDENTIAL_CHARS, BadCredential, check_credential
    from sinks.servicedesk.types import DeskForm

    text, cloud = _text_of(file).strip(), form == DeskForm.CLOUD
    if not cloud and text.startswith("{"):
        raise WrongUse(f"{file} holds JSON", "that is for --servicedesk-form cloud; on premises it is the key alone")
    try:
        check_credential(DeskForm(form), text, AddressPolicy(local=local))
    except BadCredential as error:
        if cloud:
            what, _, cure = str(error).partition("; ")
            raise WrongUse(f"{file}: {what}", cure or "give the address of Zoho's accounts server") from None
        needed = f"one line of printable ASCII without blanks, at most {MAX_CREDENTIAL_CHARS} characters"
        raise WrongUse(f"{file} does not hold {needed}", "put the desk's key into it, and nothing else") from None
    return text


def _text_of(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(MAX_CREDENTIAL_BYTES + 1)
    if not content.strip():
        raise WrongUse(f"{file} is empty", "put the desk's key into it")
    if len(content) > MAX_CREDENTIAL_BYTES:
        raise WrongUse(
            f"{file} has more than {MAX_CREDENTIAL_BYTES} bytes", "put the desk's key into it, and nothing else"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUse(f"{file} is no text", "put the desk's key into it, as text in UTF-8") from None
