"""The signing scripts, as far as they can be tried without an edge: what they sign, what they read, what they refuse to run with.

The script for the cloud can't run here, where there is no Deluge: its expressions are read from the file and evaluated as what they
stand for. It was never run in a desk.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import pytest

from infra.ops.onboarding.scripts import sdp_onprem
from ingest.verifier import Verdict, check, read_headers, signature
from sinks.postgres.webhook_secrets import WebhookSecret

SECRET = WebhookSecret("0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")
DELUGE = (files("infra.ops.onboarding.scripts") / "sdp_cloud.deluge").read_text("utf-8")
REQUEST = {"id": 4711, "subject": "Zoë can't print", "description": "<b>x</b>"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As an administrator sets it up."""
    script = (files("infra.ops.onboarding.scripts") / "sdp_onprem.py").read_text("utf-8")
    (tmp_path / "sdp_onprem.py").write_text(script.replace("@WEBHOOK_URL@", "https://127.0.0.1:1/api/v1/webhooks/t"))
    secret = tmp_path / "ticketstream.secret"
    secret.write_text(SECRET.whsec + "\n")
    secret.chmod(0o600)
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(folder / "sdp_onprem.py"), *words], capture_output=True, text=True, timeout=30
    )


# -- on premises


def test_what_it_signs_is_what_the_edge_verifies() -> None:
    headers = sdp_onprem.signed_headers(SECRET.raw.encode(), "msg_1", 1_800_000_000, b"{}")
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    read = read_headers(*([headers[name].encode()] for name in names))
    assert not isinstance(read, str)
    assert check(read, b"{}", [SECRET.raw.encode()], 1_800_000_000).verdict is Verdict.VALID


@pytest.mark.parametrize("text", [SECRET.whsec, SECRET.raw, f"\ufeff{SECRET.whsec}\r\n"])
def test_the_secret_is_read_in_either_form_and_has_our_fingerprint(folder: Path, text: str) -> None:
    file = folder / "ticketstream.secret"
    file.write_text(text, encoding="utf-8")
    assert sdp_onprem.fingerprint(sdp_onprem.read_secret(file)) == SECRET.fingerprint


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (None, 0, "there is no file"), (SECRET.whsec, 0o644, "chmod 600"), ("", 0o600, "holds no webhook secret"),
        ("whsec_!!!", 0o600, "cut off"), (SECRET.whsec[:20], 0o600, ""),
    ],
)  # fmt: skip
def test_a_secret_that_is_missing_open_to_others_or_cut_off_is_told(
    folder: Path, content: str | None, mode: int, said: str
) -> None:
    file = folder / "ticketstream.secret"
    file.unlink()
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    ran = run(folder, "--test")
    assert ran.returncode == 2 and said in ran.stdout and SECRET.whsec[:20] not in ran.stdout + ran.stderr


def test_the_body_is_the_request_in_v3_form(tmp_path: Path) -> None:
    file = tmp_path / "ticket.json"
    file.write_text(json.dumps({"request": REQUEST, "operation": "updated", "old": {"x": 1}}), encoding="utf-8-sig")
    assert sdp_onprem.body_of(str(file), None) == (
        "4711", json.dumps({"request": REQUEST, "operation": "updated"}).encode(),
    )  # fmt: skip
    file.write_text(json.dumps(REQUEST))
    assert json.loads(sdp_onprem.body_of(str(file), "closed")[1]) == {"request": REQUEST, "operation": "closed"}


def test_a_huge_ticket_is_cut_to_what_the_edge_takes(tmp_path: Path) -> None:
    file = tmp_path / "ticket.json"
    huge = {**REQUEST, "description": "x" * 900_000, "conversation": "y" * 2_000_000}
    file.write_text(json.dumps({"request": huge}))
    body = sdp_onprem.body_of(str(file), None)[1]
    assert len(body) < 1024 * 1024 and json.loads(body)["request"]["subject"] == REQUEST["subject"]


@pytest.mark.parametrize("content", ["{", "[]", '{"request": {"subject": "s"}}', "$COMPLETE_V3_JSON_FILE"])
def test_a_file_that_holds_no_request_is_told(folder: Path, content: str) -> None:
    (folder / "ticket.json").write_text(content)
    ran = run(folder, str(folder / "ticket.json"))
    assert ran.returncode == 2 and "COMPLETE_V3_JSON_FILE" in ran.stdout and "Traceback" not in ran.stderr


def test_a_script_without_its_address_says_so(folder: Path) -> None:
    file = folder / "sdp_onprem.py"
    file.write_text(file.read_text().replace("https://127.0.0.1:1/", "http://tickets.example.com/"))
    ran = run(folder, "--test")
    assert ran.returncode == 2 and "no https address" in ran.stdout


def test_without_an_answer_the_test_fails_and_says_what_to_check(folder: Path) -> None:
    ran = run(folder, "--test")
    assert ran.returncode == 1 and "TEST FAILED" in ran.stdout and "firewall" in ran.stdout
    assert f"fingerprint   {SECRET.fingerprint}" in ran.stdout


class Edge(BaseHTTPRequestHandler):
    """Says what is in `answers`, the last for ever, and keeps what came."""

    answers: ClassVar[list[int]] = []
    came: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.came.append((self.headers["webhook-id"], body))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        for name, value in (("Retry-After", "0"), ("Location", "https://elsewhere.example/"), ("Content-Length", "0")):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def edge(folder: Path) -> Iterator[type[Edge]]:
    """An edge of which the script's folder knows, and a ticket."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Edge)
    Edge.came.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = folder / "sdp_onprem.py"
    url = f"http://127.0.0.1:{server.server_port}/api/v1/webhooks/t"
    text = file.read_text().replace("https://127.0.0.1:1/api/v1/webhooks/t", url)
    file.write_text(text.replace("2.0**attempt", "0.01"))
    (folder / "ticket.json").write_text(json.dumps({"request": REQUEST}))
    yield Edge
    server.shutdown()
    server.server_close()


def test_what_can_pass_is_tried_again_under_the_same_id(folder: Path, edge: type[Edge]) -> None:
    edge.answers[:] = [503, 429, 202]
    ran = run(folder, str(folder / "ticket.json"), "created")
    assert ran.returncode == 0 and len(edge.came) == 3
    assert len(set(edge.came)) == 1, "the same id and the same body"
    log = (folder / "ticketstream.log").read_text()
    assert "ticket 4711: try 3: 202" in log and "Zo" not in log and SECRET.raw not in log


def test_it_gives_up_after_some_tries(folder: Path, edge: type[Edge]) -> None:
    edge.answers[:] = [503]
    ran = run(folder, str(folder / "ticket.json"))
    assert (ran.returncode, len(edge.came)) == (1, sdp_onprem.TRIES) and "can't take it now" in ran.stdout


@pytest.mark.parametrize(
    ("status", "said"), [(403, "fingerprint"), (422, "a field is not"), (302, "no answer of ticketstream")]
)
def test_what_cannot_pass_is_not_tried_again_nor_followed(
    folder: Path, edge: type[Edge], status: int, said: str
) -> None:
    edge.answers[:] = [status]
    ran = run(folder, str(folder / "ticket.json"))
    assert (ran.returncode, len(edge.came)) == (1, 1) and said in ran.stdout


def test_it_needs_nothing_but_an_old_python() -> None:
    """What it imports is the standard library, and its syntax and annotations are Python 3.7's."""
    tree = ast.parse(Path(sdp_onprem.__file__).read_text(), feature_version=(3, 7))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


# -- cloud


def deluge(pattern: str) -> str:
    found = re.search(pattern, DELUGE)
    assert found, pattern
    return found[1]


def test_the_hmac_of_deluge_is_ours() -> None:
    """Zoho's own example of zoho.encryption.hmacsha256."""
    mac = hmac.digest(b"sk_5Ow7B_4eC39H", b"{Order ID: 0932, Currency: USD, Amount: 2500}", "sha256")
    assert base64.b64encode(mac).decode() == "E3IZY+esQ59aLmPCYYVjk2R/P1G0k77r9ZGa9Lw94Zw="


def test_the_cloud_script_signs_id_timestamp_and_body_with_the_raw_key() -> None:
    values = {"webhookId": "msg_1", "timestamp": "1800000000", "text": '{"request":{"id":"1"}}'}
    signed = eval(deluge(r'signature = zoho\.encryption\.hmacsha256\(secret, (.+), "base64"\);'), {}, values)  # noqa: S307
    sent = "v1," + base64.b64encode(hmac.digest(SECRET.raw.encode(), signed.encode(), "sha256")).decode()
    assert deluge(r'headers\.put\("webhook-signature", (.+)\);') == '"v1," + signature'
    assert sent.encode() == signature(SECRET.raw.encode(), b"msg_1", b"1800000000", values["text"].encode())
    for name, variable in (("webhook-id", "webhookId"), ("webhook-timestamp", "timestamp")):
        assert deluge(rf'headers\.put\("{name}", (\w+)\);') == variable
    assert deluge(r"parameters : (\w+)") == "text", "what is signed is what is sent"


def test_the_cloud_scripts_timestamp_and_id_are_what_the_edge_takes() -> None:
    milliseconds = "1800000000123"
    first, last = deluge(r"timestamp = milliseconds\.subString\((.+)\);").split(", ")
    assert milliseconds[int(first) : int(last)] == "1800000000"
    length = int(deluge(r'webhookId = "msg_" \+ zoho\.encryption\.sha256\(.+\)\.subString\(0, (\d+)\);'))
    assert not isinstance(read_headers([b"msg_" + b"f" * length], [b"1800000000"], [b"v1,x"]), str)


def test_the_cloud_script_tells_our_fingerprint() -> None:
    digits = int(deluge(r"zoho\.encryption\.sha256\(secret\)\.subString\(0, (\d+)\)"))
    assert hashlib.sha256(SECRET.raw.encode()).hexdigest()[:digits] == SECRET.fingerprint


def test_the_cloud_script_reads_our_date() -> None:
    date = "Sat, 21 Nov 2026 20:51:27 GMT"
    expression = deluge(r'edge = \((.+)\)\.unixEpoch\("GMT"\);')
    python = re.sub(r"date\.subString\((\d+), (\d+)\)", r"date[\1:\2]", expression)
    assert eval(python, {"date": date}) == "21-Nov-2026 20:51:27"  # noqa: S307
