"""Reading files to import: every bad row named by file and line, all or nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.imports.history import read_solved_tickets
from infra.ops.cli.imports.inventory import read_devices
from infra.ops.cli.imports.knowledge import read_articles
from infra.ops.cli.imports.records import BadRows
from infra.ops.demo.tenants import demo_tenants

HEADER = "asset_id,hostname,address,kind,site,end_customer,role,notes\n"


def bad_lines(error: pytest.ExceptionInfo[BadRows]) -> dict[int, str]:
    return {row.line: row.what for row in error.value.rows}


def solved(**changed: Any) -> str:
    ticket = {
        "ticket_id": "1",
        "subject": "No mail",
        "description": "Outlook is offline.",
        "resolution": "Restarted the proxy.",
        "requester": {"id": "7", "name": "Front Office", "email": "front@customer.example"},
        "created_at": "2026-05-04T08:12:00Z",
        "solved_at": "2026-05-04T09:00:00Z",
    }
    return json.dumps({name: value for name, value in {**ticket, **changed}.items() if value is not None})


class TestInventory:
    def test_addresses_and_networks_are_read(self, tmp_path: Path) -> None:
        file = tmp_path / "inventory.csv"
        file.write_text(
            HEADER + 'A1,fw1,10.20.0.1,firewall,London,,edge,"FortiGate, pair"\nA2,,10.20.0.0/16,subnet,,,,\n'
        )
        firewall, network = read_devices(file)
        assert (firewall.address, firewall.notes, firewall.end_customer) == ("10.20.0.1", "FortiGate, pair", None)
        assert (network.address, network.hostname) == ("10.20.0.0/16", "A2")

    def test_bad_rows_are_named_by_line_also_behind_a_quoted_line_break(self, tmp_path: Path) -> None:
        file = tmp_path / "inventory.csv"
        rows = [
            'A1,fw1,10.20.0.1,firewall,,,,"two\nlines"',  # lines 2 and 3
            "A2,fw2,10.20.0.256,firewall,,,,",  # line 4
            "A3,fw3,10.20.0.3,firewall",  # line 5
            "A4,fw4,10.20.0.1/16,subnet,,,,",  # line 6: host bits set
            "A1,fw5,10.20.0.5,firewall,,,,",  # line 7: the id of line 2
            "A6,fw6,10.20.0.6,,,,,",  # line 8
            "A7,fw7,fe80::1%eth0,firewall,,,,",  # line 9
        ]
        file.write_text(HEADER + "\n".join(rows) + "\n")
        with pytest.raises(BadRows) as error:
            read_devices(file)
        found = bad_lines(error)
        assert sorted(found) == [4, 5, 6, 7, 8, 9]
        assert "address '10.20.0.256'" in found[4] and "4 columns" in found[5]
        assert "twice, first at inventory.csv:2" in found[7] and "kind is empty" in found[8] and "zone" in found[9]
        assert "inventory.csv:4: " in str(error.value) and "nothing was imported" in str(error.value)

    def test_a_file_that_is_not_utf_8_is_refused_with_its_line(self, tmp_path: Path) -> None:
        file = tmp_path / "inventory.csv"
        file.write_bytes(HEADER.encode() + b"A1,B\xfcro,10.0.0.1,pc,,,,\n")
        with pytest.raises(BadRows) as error:
            read_devices(file)
        assert "not UTF-8" in bad_lines(error)[2]

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path: Path) -> None:
        file = tmp_path / "inventory.csv"
        file.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"A1,pc1,2001:db8::1,pc,,,,\n")
        assert read_devices(file)[0].asset_id == "A1"

    @pytest.mark.parametrize("name", ["inventory.xlsx", "inventory"])
    def test_other_forms_are_wrong_use(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text(HEADER)
        with pytest.raises(WrongUse, match=r"\.csv"):
            read_devices(tmp_path / name)

    def test_a_file_without_rows_is_not_taken_for_success(self, tmp_path: Path) -> None:
        (tmp_path / "inventory.csv").write_text(HEADER)
        with pytest.raises(BadRows, match="holds no row"):
            read_devices(tmp_path / "inventory.csv")


class TestHistory:
    def test_json_lines_are_read_with_their_times(self, tmp_path: Path) -> None:
        file = tmp_path / "history.jsonl"
        file.write_text(solved() + "\n\n" + solved(ticket_id=2, solved_at=None, requester=None) + "\n")
        first, second = read_solved_tickets(file)
        assert first.requester_email == "front@customer.example" and first.solved_at == datetime(
            2026, 5, 4, 9, tzinfo=UTC
        )
        assert (second.ticket_id, second.requester_email, second.solved_at) == ("2", None, second.created_at)

    def test_bad_rows_are_named_by_line(self, tmp_path: Path) -> None:
        file = tmp_path / "history.jsonl"
        rows = [
            solved(),
            "{not json",
            "[]",
            solved(ticket_id="3", resolution=""),
            solved(ticket_id="a b"),
            solved(ticket_id="5", created_at="yesterday"),
            solved(ticket_id="6", solved_at="2025-01-01T00:00:00Z"),
            solved(ticket_id="7", description="zero \0 byte"),
            solved(ticket_id="8", subject=["no text"]),
            solved(ticket_id="9", description="x" * 70_000),
        ]
        file.write_text("\n".join(rows))
        with pytest.raises(BadRows) as error:
            read_solved_tickets(file)
        found = bad_lines(error)
        assert sorted(found) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
        assert (
            "not JSON" in found[2] and "resolution" in found[4] and "ticket_id" in found[5] and "created_at" in found[6]
        )

    def test_what_postgresql_cannot_hold_is_named_by_line(self, tmp_path: Path) -> None:
        file = tmp_path / "history.jsonl"
        rows = [
            solved(subject="half \ud800 a pair"),
            solved(ticket_id="2", description="half \udc00 a pair"),
            solved(ticket_id="3", requester={"name": "\ud800"}),
            solved(ticket_id="4", created_at="0001-01-01T00:00:00+14:00"),
            solved(ticket_id="5", solved_at="9999-12-31T23:59:59-14:00"),
            solved(ticket_id="6", created_at="1970-01-01T00:00:00Z", solved_at="2200-12-31T00:00:00Z"),
        ]
        file.write_text("\n".join(rows))
        with pytest.raises(BadRows) as error:
            read_solved_tickets(file)
        found = bad_lines(error)
        assert sorted(found) == [1, 2, 3, 4, 5]
        assert "subject" in found[1] and "surrogate" in found[2] and "1970 to 2200" in found[4]

    def test_a_line_separator_inside_a_text_ends_no_line(self, tmp_path: Path) -> None:
        file = tmp_path / "history.jsonl"
        file.write_text(
            json.dumps({**json.loads(solved()), "description": "a\u2028b"}, ensure_ascii=False), encoding="utf-8"
        )
        assert read_solved_tickets(file)[0].description == "a\u2028b"

    def test_csv_has_the_requester_in_columns(self, tmp_path: Path) -> None:
        file = tmp_path / "history.csv"
        file.write_text("ticket_id,subject,description,resolution,requester_email\n1,s,d,r,front@customer.example\n")
        assert read_solved_tickets(file)[0].requester_email == "front@customer.example"


class TestKnowledge:
    def test_front_matter_is_split_at_the_first_colon_only(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text(
            "---\nid: KB-1\ntitle: Backup: chain broken\nkeywords: veeam, chain\n---\n\n**Symptom.** x\n"
        )
        (article,) = read_articles(tmp_path)
        assert (article.title, article.keywords, article.body) == (
            "Backup: chain broken",
            ("veeam", "chain"),
            "**Symptom.** x",
        )

    def test_every_bad_file_of_a_folder_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text("no front matter")
        (tmp_path / "b.md").write_text("---\nid: KB-2\ntitle: t\nnonsense\n---\nbody")
        (tmp_path / "c.md").write_text("---\nid: KB-3\n---\nbody")
        (tmp_path / "d.md").write_text("---\nid: KB-4\ntitle: fine\n---\nbody")
        with pytest.raises(BadRows) as error:
            read_articles(tmp_path)
        assert [(Path(row.file).name, row.line) for row in error.value.rows] == [("a.md", 1), ("b.md", 4), ("c.md", 1)]

    @pytest.mark.parametrize("keyword", ["zero \0 byte", "half \ud800 a pair"])
    @pytest.mark.parametrize("listed", [True, False])
    def test_keywords_are_text_that_postgresql_can_hold(self, tmp_path: Path, keyword: str, listed: bool) -> None:
        file = tmp_path / "articles.jsonl"
        article = {"id": "KB-1", "title": "t", "body": "b", "keywords": ["fine", keyword] if listed else keyword}
        file.write_text(json.dumps(article))
        with pytest.raises(BadRows) as error:
            read_articles(file)
        assert "keywords" in bad_lines(error)[1]

    def test_a_folder_without_articles_is_wrong_use(self, tmp_path: Path) -> None:
        with pytest.raises(WrongUse):
            read_articles(tmp_path)


@pytest.mark.parametrize("tenant", demo_tenants(), ids=lambda tenant: tenant.tenant_id)
def test_the_demo_data_can_be_imported(tenant: Any) -> None:
    assert len(read_articles(tenant.data / "knowledge")) >= 20
    assert len(read_devices(tenant.data / "inventory.csv")) >= 50
    assert len(read_solved_tickets(tenant.data / "history.jsonl")) >= 90


def test_the_demo_data_is_as_rich_as_promised() -> None:
    tenants = demo_tenants()
    assert sum(len(read_articles(tenant.data / "knowledge")) for tenant in tenants) >= 60
    assert sum(len(read_solved_tickets(tenant.data / "history.jsonl")) for tenant in tenants) >= 300
    assert sum(len(read_devices(tenant.data / "inventory.csv")) for tenant in tenants) >= 150
    assert [len(tenant.tickets(1)) for tenant in tenants] == [25, 16, 16]
    assert not {t.ticket_id for t in tenants[0].tickets(1)} & {t.ticket_id for t in tenants[0].tickets(2)}
