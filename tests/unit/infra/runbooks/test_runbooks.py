"""Each alert has a runbook and each runbook an alert, all of one form, and a command to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.infra.handbook.commands import commands
from tests.unit.infra.handbook.pages import ROOT, RUNBOOK_PAGES, RUNBOOKS
from tests.unit.infra.monitoring.alert_rules import names

PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation"]


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert [file.stem for file in RUNBOOKS] == names()


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_a_runbook_has_five_parts_with_something_in_each(file: Path) -> None:
    first, *parts = re.split(r"^## ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert first.strip() == f"# {file.stem}"
    assert [part.splitlines()[0] for part in parts] == PARTS
    assert all(len(part.split("\n", 1)[1].strip()) > 20 for part in parts)


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_a_runbook_names_a_command_to_begin_with(file: Path) -> None:
    assert any(commands(file, program) for program in ("ticketstream", "kubectl", "psql"))


def test_the_configuration_files_that_runbooks_name_are_there() -> None:
    for file in RUNBOOK_PAGES:
        for named in re.findall(r"infra/monitoring/[\w/]+\.yml", file.read_text(encoding="utf-8")):
            assert (ROOT / named).exists(), named
