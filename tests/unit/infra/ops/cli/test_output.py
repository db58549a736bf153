"""Tables on terminals of any width."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from infra.ops.cli.output import Output

COLUMNS = ("tenant", "partition", "enabled", "desk", "form", "jobs", "outside model")


@pytest.mark.parametrize("tenant_id", ["msp-acme-corp", "m" * 64])
@pytest.mark.parametrize("width", [50, 120])
def test_an_id_is_never_broken_and_no_column_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tenant_id: str, width: int
) -> None:
    def console(self: Output) -> Any:
        return Console(width=width, highlight=False)

    monkeypatch.setattr(Output, "console", console)
    Output().table(COLUMNS, [(tenant_id, 3, "yes", "https://desk.example.com:8443", "onprem", 7, "no")])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if tenant_id in line]
    assert len(line.split()) == len(COLUMNS)
