"""What is handed to a new tenant's administrator: a text that says how to connect the desk, and the signing script, filled in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sinks.postgres.tenant_contacts import Contact, ContactKind

SCRIPTS = {"onprem": "sdp_onprem.py", "cloud": "sdp_cloud.deluge"}
TEXT = "handover.md"
SECRET = "ticketstream.secret"  # noqa: S105 - a file's name
PRIVATE_DIR, PRIVATE = 0o700, 0o600
_PLACEHOLDER = "@WEBHOOK_URL@"
_SAFE_URL = re.compile(r"https?://[A-Za-z0-9._~:/\[\]%-]+")


@dataclass(frozen=True, slots=True)
class Handover:
    """`form` is the desk's; `our_contact` is whom the administrator asks, as free text."""

    tenant_id: str
    webhook_url: str
    fingerprint: str
    form: str
    contacts: Mapping[ContactKind, Contact]
    our_contact: str = ""


def script(form: str, webhook_url: str) -> tuple[str, str]:
    """The signing script's name and text for a desk of this form, with the address in it."""
    if not _SAFE_URL.fullmatch(webhook_url):
        raise ValueError(f"{webhook_url!r} can't stand in a script: TICKETSTREAM_PUBLIC_URL holds odd characters")
    name = SCRIPTS[form]
    return name, (files("infra.ops.onboarding.scripts") / name).read_text("utf-8").replace(_PLACEHOLDER, webhook_url)


def text(handover: Handover) -> str:
    """Markdown, without the secret."""
    steps = _CLOUD if handover.form == "cloud" else _ONPREM
    administrator = handover.contacts.get(ContactKind.SDP_ADMINISTRATOR)
    return _TEXT.format(
        tenant=handover.tenant_id,
        administrator=administrator.name if administrator else "the administrator of ServiceDesk Plus",
        url=handover.webhook_url,
        fingerprint=handover.fingerprint,
        steps=steps.strip(),
        contact=handover.our_contact or "the person who gave you this",
    )


def write(folder: Path, handover: Handover, secret: str | None) -> list[Path]:
    """The text and the script in `folder`, readable by its owner only; and the secret in a file of its own where one is given.
    Returns the files. Raises FileExistsError before anything is written where one of them is there, OSError where it can't be."""
    name, program = script(handover.form, handover.webhook_url)
    contents = {TEXT: text(handover), name: program} | ({SECRET: secret + "\n"} if secret else {})
    check_free(folder, handover.form)
    folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    for file_name, content in contents.items():
        with os.fdopen(
            os.open(folder / file_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8"
        ) as file:
            file.write(content)
    return [folder / file_name for file_name in contents]


def check_free(folder: Path, form: str) -> None:
    """Raises FileExistsError for a file that `write` would have to overwrite, OSError for a folder that it could not use."""
    for name in (TEXT, SCRIPTS[form], SECRET):
        if (folder / name).exists():
            raise FileExistsError(17, "it is there already, and may hold another secret", str(folder / name))
    if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise NotADirectoryError(20, "no folder that may be written", str(folder))


_TEXT = """# Connecting ServiceDesk Plus to ticketstream: {tenant}

For {administrator}. It takes about half an hour, and no request of yours is changed by it: when a request is created or edited,
your ServiceDesk Plus sends it to us, signed; some seconds later a technician's note with a suggestion stands at the request.
Requesters don't see it.

| what | |
|---|---|
| address | `{url}` |
| secret | comes to you separately, never by the same way as this text |
| the secret's fingerprint | `{fingerprint}`: it tells whether your secret is the right one without showing it |
| whom to ask | {contact} |

## Before you begin
- Your server reaches the address by https (port 443). We never call you back on that way.
- Its clock is set by NTP: a webhook whose time is off by more than 5 minutes is refused.
- The key of a technician's account, which we use to read requests and to write notes, was given to us.

## Steps
{steps}

## If the test fails
| it says | do this |
|---|---|
| another fingerprint | the secret is cut off or another one: copy it again, whole |
| clock WRONG | set the server's clock by NTP |
| refused (403) | the secret, then the clock; then ask us whether the tenant is enabled |
| no answer | firewall, proxy, or the server doesn't know the certificate's authority |
| 503, 429 | nothing: it is sent again by itself |

What is sent: the request as ServiceDesk Plus shows it to technicians. The secret is exchanged every 90 days; we tell you in time,
and both the old and the new one are taken for a day.
"""

_ONPREM = """
1. Python 3.7 or newer must be on the server of ServiceDesk Plus (`py --version`, or `python3 --version`).
2. Make a folder, for example `C:\\ticketstream`, that only administrators and the account of ServiceDesk Plus may read. Put
   `sdp_onprem.py` into it, and the secret, one line, as `ticketstream.secret`.
3. Close the secret to others: `icacls ticketstream.secret /inheritance:r /grant:r "SYSTEM:R" "Administrators:F"`; on
   Linux `chmod 600 ticketstream.secret`.
4. Test: `py C:\\ticketstream\\sdp_onprem.py --test` (Linux: `python3 sdp_onprem.py --test`). It prints the secret's fingerprint and
   ends with `TEST PASSED`. No request is sent.
5. Admin > Automation > Custom Triggers: one for created and one for edited requests, all of them, action Execute Script:
   `py "C:\\ticketstream\\sdp_onprem.py" $COMPLETE_V3_JSON_FILE`
6. Create a request, and look at it a minute later. Tell us its number. `ticketstream.log` beside the script says what we answered.
"""

_CLOUD = """
1. Setup > Developer Space > Custom Functions > Requests - Trigger (or) Life Cycle Actions > New. Paste `sdp_cloud.deluge`.
2. Put the secret into `secret`, in its raw form: 43 characters, not the one that begins with `whsec_`. Save.
3. Test: set `test = true`, Save & Execute Script with any request. It prints the secret's fingerprint and `TEST PASSED`. No request
   is sent. Set `test = false` again and save.
4. Setup > Automation > Triggers: on creating and on editing a request, run this function.
5. Create a request, and look at it a minute later. Tell us its number.
"""
