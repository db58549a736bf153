"""Rows of an export: what stands in them, each event once, and the same in every format."""

from __future__ import annotations

import csv
import io
import json
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from infra.ops.analysts.exporting import CLOCKS_DIFFER, Exporting, Told, Window
from infra.ops.analysts.out_file import out_file
from infra.ops.analysts.rows import PLAIN, WITH_TEXT, row
from infra.ops.analysts.seen import Seen
from infra.ops.analysts.tables import GROUP_ROWS, Format, NoParquet, table
from infra.ops.cli.main import run
from infra.ops.leaving.package import NoPlace
from sinks.postgres.failures import FailedEnhancement
from sinks.postgres.note_feedback import NoteFeedback
from tests.unit.infra.ops.analysts.delivered_notes import AT, FORMULA, SAID, Topic, note, nothing_said, uuid


class Rows:
    """In place of a file."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, row: Any) -> None:
        columns = PLAIN if len(row) == len(PLAIN) else WITH_TEXT
        self.rows.append(dict(zip([column.name for column in columns], row, strict=True)))


def written(form: Format, *rows: Any, text: bool = True) -> bytes:
    stream = io.BytesIO()
    with table(form, stream, WITH_TEXT if text else PLAIN) as opened:
        for one in rows:
            opened.write(one)
    return stream.getvalue()


def test_a_row_has_the_event_and_what_was_said_of_it() -> None:
    names = [column.name for column in WITH_TEXT]
    found = dict(zip(names, row(note(1), SAID, text=True), strict=True))

    assert (found["event_id"], found["ticket_id"], found["outcome"], found["writer"]) == (
        uuid(1),
        "80001",
        "posted",
        "model",
    )
    assert (found["prompt_tokens"], found["cost_usd"], found["citations"], found["total_ms"]) == (900, 0.01, 1, 1500)
    assert (found["answers"], found["thumbs_up"], found["average_rating"], found["minutes_saved"]) == (2, 1, 4.0, 15)
    assert (found["text"], found["comments"]) == ("Renew the lease [1].", [FORMULA, "Helped."])


def test_without_text_nothing_that_somebody_wrote_is_in_it() -> None:
    told = json.dumps(row(note(1), SAID, text=False), default=str)

    assert "Renew the lease" not in told
    assert "Helped." not in told
    assert len(row(note(1), SAID, text=False)) == len(PLAIN)


def test_a_note_of_which_nobody_said_anything_has_no_rating_rather_than_zero() -> None:
    found = dict(zip([column.name for column in PLAIN], row(note(1), None, text=False), strict=True))

    assert (found["answers"], found["average_rating"], found["minutes_saved"]) == (0, None, None)


async def test_an_event_that_the_topic_holds_twice_is_written_once() -> None:
    rows, told = Rows(), Told()
    topic = Topic([note(1), note(2), note(1)], [note(2), note(3)])

    await Exporting(topic, nothing_said, Window()).export("msp-one", 0, rows, told)

    assert [one["event_id"] for one in rows.rows] == [uuid(1), uuid(2), uuid(3)]
    assert (told.rows, told.repeated) == (3, 2)


async def test_the_window_is_about_the_delivery_and_the_topic_is_read_from_a_little_before_it() -> None:
    rows, topic = Rows(), Topic([note(number, at=AT + timedelta(hours=number)) for number in range(4)])
    window = Window(AT + timedelta(hours=1), AT + timedelta(hours=3))

    await Exporting(topic, nothing_said, window).export("msp-one", 0, rows, Told())

    assert [one["event_id"] for one in rows.rows] == [uuid(1), uuid(2)]
    assert topic.asked == [AT + timedelta(hours=1) - CLOCKS_DIFFER]


async def test_feedback_is_asked_for_piece_by_piece() -> None:
    asked: list[list[tuple[str, str]]] = []

    async def said(tenant_id: str, notes: list[tuple[str, str]]) -> Mapping[str, NoteFeedback]:
        asked.append(notes)
        return {uuid(20_002): SAID}

    rows = Rows()
    await Exporting(Topic([note(1), note(2)], [note(3)]), said, Window(), text=True).export("msp-one", 0, rows, Told())

    assert asked == [[("80001", uuid(20_001)), ("80002", uuid(20_002))], [("80003", uuid(20_003))]]
    assert [one["answers"] for one in rows.rows] == [0, 2, 0]


async def test_what_failed_stands_behind_what_was_delivered_where_it_is_wanted() -> None:
    rows, told = Rows(), Told()

    async def failed(*_: object) -> AsyncIterator[FailedEnhancement]:
        yield FailedEnhancement(
            event_id=uuid(9), tenant_id="msp-one", ticket_id="80009", enhancement_id=None, reason="desk_refused", writer=None,
            model=None, prompt_version=None, prompt_tokens=None, completion_tokens=None, cost_usd=None, degraded=None,
            received_at=AT, synthesized_at=None, failed_at=AT + timedelta(seconds=2),
        )  # fmt: skip

    await Exporting(Topic([note(1)]), nothing_said, Window(), failed=failed).export("msp-one", 0, rows, told)

    assert [(one["ticket_id"], one["outcome"], one["reason"]) for one in rows.rows] == [
        ("80001", "posted", None),
        ("80009", "failed", "desk_refused"),
    ]
    assert (rows.rows[1]["total_ms"], rows.rows[1]["answers"], rows.rows[1]["note_id"]) == (2000, 0, None)
    assert told.rows == 2


def test_the_formats_hold_the_same() -> None:
    rows = [row(note(1), SAID, text=True), row(note(2), None, text=True)]

    lines = [json.loads(line) for line in written(Format.JSONL, *rows).decode().splitlines()]
    cells = list(csv.DictReader(io.StringIO(written(Format.CSV, *rows).decode("utf-8-sig"))))
    typed = parquet.read_table(pyarrow.BufferReader(written(Format.PARQUET, *rows))).to_pylist()

    assert [one["ticket_id"] for one in lines] == [one["ticket_id"] for one in cells] == ["80001", "80002"]
    assert lines[0]["delivered_at"] == cells[0]["delivered_at"].replace("Z", ".000Z") == "2026-11-16T09:00:00.000Z"
    assert typed[0]["delivered_at"].astimezone(UTC) == AT
    assert [one["average_rating"] for one in typed] == [one["average_rating"] for one in lines] == [4.0, None]
    assert typed[0]["cited"] == lines[0]["cited"] == json.loads(cells[0]["cited"])
    assert typed[0]["comments"] == lines[0]["comments"] == [FORMULA, "Helped."]


def test_no_cell_of_the_csv_begins_a_formula() -> None:
    cells = list(
        csv.reader(io.StringIO(written(Format.CSV, row(note(1, text=FORMULA), SAID, text=True)).decode("utf-8-sig")))
    )

    assert [cell for cell in cells[1] if cell.startswith(("=", "+", "-", "@"))] == []
    assert f"'{FORMULA}" in cells[1]


def test_a_text_that_is_no_text_is_written_all_the_same() -> None:
    half = row(note(1, text="half \ud83d of a sign"), None, text=True)

    assert json.loads(written(Format.JSONL, half))["text"] == "half \ud83d of a sign"
    assert b"half" in written(Format.CSV, half)


def test_parquet_is_written_group_by_group() -> None:
    one = row(note(1), None, text=False)
    file = parquet.ParquetFile(
        pyarrow.BufferReader(written(Format.PARQUET, *([one] * (2 * GROUP_ROWS + 1)), text=False))
    )

    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [1000, 1000, 1]


def test_an_export_without_rows_is_a_file_with_columns() -> None:
    assert parquet.read_table(pyarrow.BufferReader(written(Format.PARQUET, text=False))).column_names == [
        column.name for column in PLAIN
    ]
    assert written(Format.CSV, text=False).decode("utf-8-sig").startswith('"event_id","tenant_id"')


def test_without_pyarrow_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    with pytest.raises(NoParquet), table(Format.PARQUET, io.BytesIO(), PLAIN):
        pass
    assert run(["export", "--tenant", "a", "--format", "parquet", "--out", str(tmp_path / "a.parquet")]) == 1
    assert "pip install 'ticketstream[parquet]'" in capsys.readouterr().err


def test_ids_beyond_the_cache_are_remembered() -> None:
    with Seen() as seen:
        assert all(seen.is_new(uuid(number * 2**100)) for number in range(150_000))
        assert not any(seen.is_new(uuid(number * 2**100)) for number in range(0, 150_000, 1000))


def test_a_file_is_there_whole_or_not_at_all_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    def cut_off() -> None:
        with out_file(tmp_path / "a.jsonl") as file:
            file.write(b"half")
            raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        cut_off()
    assert list(tmp_path.iterdir()) == []

    with out_file(tmp_path / "a.jsonl") as file:
        file.write(b"all")
    assert stat.S_IMODE((tmp_path / "a.jsonl").stat().st_mode) == 0o600
    with pytest.raises(NoPlace, match="is there already"), out_file(tmp_path / "a.jsonl"):
        pass
    with pytest.raises(NoPlace), out_file(tmp_path / "no such folder" / "a.jsonl"):
        pass


def test_the_handbook_tells_every_column() -> None:
    page = Path("infra/handbook/analysts.md").read_text(encoding="utf-8")

    for column in WITH_TEXT:
        assert f"| `{column.name}` | {column.kind.value} | {column.says} |" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --tenant ID, or --all-tenants"),
        (["--tenant", "a", "--all-tenants"], "give --tenant ID, or --all-tenants"),
        (["--tenant", "a", "--since", "1h", "--until", "2h"], "--since is not before --until"),
        (["--tenant", "a", "--format", "parquet"], "add --out FILE"),
        (["--tenant", "a", "--json"], "add --out FILE"),
    ],
)
def test_wrong_use_is_said_before_anything_is_asked(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", *words]) == 2
    assert said in capsys.readouterr().err
