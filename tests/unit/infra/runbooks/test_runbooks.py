"""Each alert has a runbook and each runbook an alert, all of one form; links lead somewhere, and the commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from infra.ops.cli.main import ticketstream
from tests.unit.infra.monitoring.alert_rules import names
from tests.unit.infra.runbooks.commands import FOLDER, PAGES, ROOT, RUNBOOKS, commands

PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation"]
PROCESSES = {"ingest", "enrich", "synthesize", "deliver", "feedback-aggregate", "reconcile", "sealer", "lag", "toolbox"}


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert [file.stem for file in RUNBOOKS] == names()


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_has_five_parts_with_something_in_each(page: Path) -> None:
    first, *parts = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert first.strip() == f"# {page.stem}"
    assert [part.splitlines()[0] for part in parts] == PARTS
    assert all(len(part.split("\n", 1)[1].strip()) > 20 for part in parts)


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_names_a_command_to_begin_with(page: Path) -> None:
    assert any(commands(page, program) for program in ("ticketstream", "kubectl", "psql"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_index_leads_to_every_runbook() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert {file.name for file in RUNBOOKS} - set(re.findall(r"\]\((\w+\.md)\)", index)) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_ones_that_there_are(page: Path) -> None:
    """With arguments and options as the command takes them; tests/integration/infra/runbooks runs them."""
    for words in commands(page, "ticketstream"):
        parse(words)


def parse(words: list[str]) -> None:
    """Raises click.UsageError for a wrong use."""
    command: click.Command = ticketstream
    context = click.Context(ticketstream, info_name="ticketstream")
    while isinstance(command, click.Group):
        name, words = words[0], words[1:]
        found = command.get_command(context, name)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context)
    parser = command.make_parser(context)
    values, left, _ = parser.parse_args([*words])
    wanted = [one.name for one in command.params if isinstance(one, click.Argument) and one.required]
    assert left == [], words
    assert [name for name in wanted if not values.get(str(name))] == [], words


def test_a_command_that_there_is_not_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(["lag", "show", "--wach"])
    with pytest.raises(AssertionError):
        parse(["lags", "show"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_kubectl_names_what_the_chart_renders(page: Path) -> None:
    for words in commands(page, "kubectl"):
        assert words[:2] == ["-n", "ai-agents-production"], words
        deployments = [word.removeprefix("deploy/ticketstream-") for word in words if word.startswith("deploy/")]
        assert set(deployments) <= PROCESSES, words


def test_the_configuration_files_that_runbooks_name_are_there() -> None:
    for page in PAGES:
        for file in re.findall(r"infra/monitoring/[\w/]+\.yml", page.read_text(encoding="utf-8")):
            assert (ROOT / file).exists(), file
