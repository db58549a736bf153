"""The command line as the console's client: what it sends, and what it takes from the other side."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.main import run
from infra.ops.cli.served import Kind
from infra.ops.cli.through_console.address import Console
from infra.ops.cli.through_console.places import Places

TOKEN = "tso_" + "a" * 43


class Fake(BaseHTTPRequestHandler):
    """Answers with `lines`, one set a request, and notes down what it was asked."""

    status = 200
    answers: ClassVar[list[list[Any]]] = []
    asked: ClassVar[list[tuple[str, str | None, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Fake.asked.append((self.path, self.headers["Authorization"], json.loads(body)))
        lines = Fake.answers.pop(0)
        self.send_response(Fake.status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write("\n".join(json.dumps(line) for line in lines).encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Fake]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("TICKETSTREAM_CONSOLE_URL", f"http://127.0.0.1:{server.server_port}/behind/")
    monkeypatch.setenv("TICKETSTREAM_OPERATOR_TOKEN", TOKEN)
    Fake.status, Fake.asked[:], Fake.answers[:] = 200, [], []
    yield Fake
    server.shutdown()
    server.server_close()


def test_values_go_as_they_were_typed_and_the_exit_code_comes_back(
    console: type[Fake], capsys: pytest.CaptureFixture[str]
) -> None:
    console.answers.append([{"stdout": "one\n"}, {"alive": True}, {"stderr": "two\n"}, {"exit": 1}])
    code = run(["dead-letters", "list", "--since", "2h", "--tenant", "-odd", "--json"])
    assert (code, *capsys.readouterr()) == (1, "one\n", "two\n")
    (path, authorization, sent) = console.asked[0]
    assert path == "/behind/api/v1/commands/dead-letters/list" and authorization == f"Bearer {TOKEN}"
    assert sent == {"since": "2h", "tenant": "-odd", "json": True}


def test_files_go_by_their_content_and_come_back_to_their_place(
    console: type[Fake], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ca.pem").write_text("pem")
    content = b64encode(b"all of it").decode()
    console.answers.append([{"exit": 0}])
    console.answers.append(
        [{"file": "x.zip", "base64": content}, {"file": "result.json", "base64": content}, {"exit": 0}]
    )
    assert run(["tenant", "set", "msp", "a=1", f"servicedesk_ca=@{tmp_path}/ca.pem"]) == 0
    assert console.asked[0][2] == {
        "tenant_id": "msp", "settings": ["a=1", {"name": "ca.pem", "base64": b64encode(b"pem").decode()}],
    }  # fmt: skip
    out, result = tmp_path / "x.zip", tmp_path / "r.json"
    assert run(["tenant", "export", "msp", "--out", str(out), "--reason", "x", "--json", str(result)]) == 0
    assert out.read_text() == result.read_text() == "all of it"
    assert out.stat().st_mode & 0o077 == 0 and result.stat().st_mode & 0o077 == 0
    assert run(["tenant", "export", "msp", "--out", str(out), "--reason", "x"]) == 2
    assert "is there already" in capsys.readouterr().err and len(console.asked) == 2


def test_what_is_asked_there_is_asked_here(console: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("infra.ops.cli.through_console.client.confirm", asked.append)
    console.answers += [[{"question": "End it?", "exit": 2}], [{"exit": 0}]]
    assert run(["token", "revoke", "msp", "some-id"]) == 0
    assert asked == ["End it?"] and [sent.get("yes") for _, _, sent in console.asked] == [None, True]


def test_contacts_that_are_not_given_are_asked_for_at_the_terminal(
    console: type[Fake], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "desk.key").write_text("of the desk")
    words = ["tenant", "create", "msp", "--servicedesk-url", "https://desk.example", "--reason", "x"]
    words += [
        "--servicedesk-key-file",
        f"{tmp_path}/desk.key",
        "--contact",
        "executive=Jo Doe <jo@example.com> 1234567",
    ]
    answers = iter(["Al Poe <al@example.com> +49 30 1234", ""])
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(answers))
    for terminal in (True, False):
        monkeypatch.setattr("sys.stdin.isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal)
        console.answers.append([{"exit": 0}])
        assert run(words) == 0
    given = "executive=Jo Doe <jo@example.com> 1234567"
    assert [sent["contact"] for _, _, sent in console.asked] == [
        [given, "technical=Al Poe <al@example.com> +49 30 1234"],
        [given],
    ]
    assert next(answers, "all were asked") == "all were asked"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    console.answers.append([{"exit": 0}])
    assert run([*words, "--json"]) == 0 and console.asked[-1][2]["contact"] == [given]  # nobody is asked


@pytest.mark.parametrize(
    ("status", "line", "code", "told"),
    [
        (302, {}, 1, "sends elsewhere"),
        (503, {"error": "too many commands run already", "cure": "wait"}, 1, "too many commands"),
        (401, {"error": "that is no token", "cure": "get one"}, 1, "get one"),
        (400, {"error": "no such parameter", "cure": "leave it out"}, 2, "leave it out"),
        (500, [], 1, "not as our console"),
        (200, {"stdout": "half"}, 1, "went away before the command had ended"),
    ],
)
def test_what_goes_wrong_is_one_line_with_a_cure(
    console: type[Fake], capsys: pytest.CaptureFixture[str], status: int, line: Any, code: int, told: str
) -> None:
    console.status = status
    console.answers.append([line])
    assert run(["tenant", "list"]) == code
    err = capsys.readouterr().err
    assert told in err and TOKEN not in err and err.count("\n") == 1


def test_without_a_console_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TICKETSTREAM_CONSOLE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TICKETSTREAM_OPERATOR_TOKEN", TOKEN)
    assert run(["tenant", "list"]) == 1
    assert "unset TICKETSTREAM_CONSOLE_URL" in capsys.readouterr().err


def test_what_only_a_direct_connection_can_do_is_said_before_anything_is_sent(
    console: type[Fake], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["webhook", "send", "msp", "--sample", "--url", "http://127.0.0.1:1"]) == 2
    assert "--url is not taken by the console" in capsys.readouterr().err and console.asked == []


@pytest.mark.parametrize(
    "variables",
    [
        {"TICKETSTREAM_CONSOLE_URL": "http://console.example.com", "TICKETSTREAM_OPERATOR_TOKEN": TOKEN},
        {"TICKETSTREAM_CONSOLE_URL": "http://127.0.0.1.example.com", "TICKETSTREAM_OPERATOR_TOKEN": TOKEN},
        {"TICKETSTREAM_CONSOLE_URL": "ftp://console.example.com", "TICKETSTREAM_OPERATOR_TOKEN": TOKEN},
        {"TICKETSTREAM_CONSOLE_URL": "https://user:pw@console.example.com", "TICKETSTREAM_OPERATOR_TOKEN": TOKEN},
        {"TICKETSTREAM_CONSOLE_URL": "https://console.example.com:x", "TICKETSTREAM_OPERATOR_TOKEN": TOKEN},
        {"TICKETSTREAM_CONSOLE_URL": "https://console.example.com"},
        {"TICKETSTREAM_CONSOLE_URL": "https://console.example.com", "TICKETSTREAM_OPERATOR_TOKEN": "two words"},
    ],
)
def test_a_token_goes_only_where_nobody_listens(variables: dict[str, str]) -> None:
    with pytest.raises(WrongUse):
        Console.of(variables)
    assert (
        Console.of({"TICKETSTREAM_CONSOLE_URL": "http://[::1]:8081", "TICKETSTREAM_OPERATOR_TOKEN": TOKEN}).port == 8081
    )


@pytest.mark.parametrize("name", ["other", "../x", "out/../../x", "/etc/passwd", "out/", "out//x", "file/inner"])
def test_no_console_writes_where_it_was_not_asked_to(tmp_path: Path, name: str) -> None:
    outputs = {"out": (tmp_path / "out", Kind.NEW_FOLDER), "file": (tmp_path / "file", Kind.NEW_FILE)}
    with Places(outputs) as places, pytest.raises(Failure):
        places.take(name, b64encode(b"x").decode())
    assert list(tmp_path.rglob("*")) == []
