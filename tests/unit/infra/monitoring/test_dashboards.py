"""The dashboards' files: made from what the modules say, complete, of metrics, runbooks and commands that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.monitoring.dashboards.__main__ import FILES, FOLDER
from infra.ops.cli.main import ticketstream
from tests.unit.infra.monitoring.alert_rules import ROOT, promtool
from tests.unit.infra.monitoring.test_rules import CODE

PROMETHEUS_OWN = {"up", "ALERTS", "scrape_duration_seconds", "scrape_samples_scraped"}
CLIENT_OWN = {"process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}
VARIABLES = {"$tenant", "$__range", "$__rate_interval"}
TARGETS: dict[tuple[str, str], list[float]] = {
    ("Operations", "Success rate"): [0.90, 0.95],
    ("Operations", "Webhook to note, p95"): [60, 300],
    ("Operations", "Age of the oldest event by stage"): [60, 300],
    ("Operations", "API latency"): [1, 5],
    ("Operations", "Request error rate"): [0.01, 0.05],
    ("Operations", "Backlog by tenant"): [20, 50, 100, 200],
    ("Operations", "Connections of the server"): [0.80, 0.90],
    ("Operations", "Connections in use, of each process's pool"): [0.80, 0.90],
    ("Baseline Metrics", "Success rate"): [0.90, 0.95],
    ("Baseline Metrics", "Webhook to note, p95"): [60, 300],
    ("Baseline Metrics", "Average rating"): [3, 4],
    ("Baseline Metrics", "Thumbs up"): [0.50, 0.70],
}
"""What was agreed with the customer, and the red flags."""

PAGES: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / name).read_text("utf-8")) for name in FILES}
_NAME = re.compile(r"\b(?:ticketstream|http|process|scrape)_[a-z_]+|\bup\b|\bALERTS\b")
_LABELS = re.compile(r"(?:by|on|ignoring|group_left) \([^)]*\)|\"[^\"]*\"|[a-z_]+(?:=~|!~|!=|=)")


def panels(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that ask for something; rows nest."""
    for panel in page["panels"]:
        if panel["type"] == "row":
            yield from panels(panel)
        else:
            yield panel


ALL = [(page["title"], panel) for page in PAGES.values() for panel in panels(page)]
CHOICES = {v["query"]["query"] for page in PAGES.values() for v in page["templating"]["list"] if v["type"] == "query"}
"""What variables ask for, in Grafana's words."""
each_panel = pytest.mark.parametrize(("page", "panel"), ALL, ids=[f"{page}-{panel['title']}" for page, panel in ALL])


def expressions(page: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in panels(page) for target in panel["targets"]]
    found += [annotation["expr"] for annotation in page["annotations"]["list"]]
    return found + [v["query"]["query"] for v in page["templating"]["list"] if v["type"] == "query"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_modules_say(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == FILES[name].json(), "run: python -m infra.monitoring.dashboards"


@pytest.mark.parametrize("name", FILES)
def test_grafanas_own_types_read_a_file_and_lose_nothing(name: str) -> None:
    read = Dashboard.from_json(json.loads((FOLDER / name).read_text("utf-8")))

    assert json.loads(JSONEncoder().encode(read)) == PAGES[name]


def test_titles_and_addresses_stay() -> None:
    found = {name: (page["title"], page["uid"]) for name, page in PAGES.items()}

    assert found == {
        "operations.json": ("Operations", "ticketstream-operations"),
        "baseline-metrics.json": ("Baseline Metrics", "ticketstream-baseline"),
    }


@pytest.mark.parametrize("name", FILES)
def test_a_dashboard_can_be_filtered_by_tenants(name: str) -> None:
    variables = {variable["name"]: variable for variable in PAGES[name]["templating"]["list"]}

    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    tenant = variables["tenant"]
    assert (tenant["multi"], tenant["includeAll"], tenant["allValue"]) == (True, True, ".*")
    unfiltered = {'tenant_id!~"$tenant"', 'tenant_id="$tenant"'}
    assert not [expr for expr in expressions(PAGES[name]) for wrong in unfiltered if wrong in expr]


def test_each_dashboard_leads_to_the_other() -> None:
    uids = {page["uid"] for page in PAGES.values()}

    for page in PAGES.values():
        assert {link["url"] for link in page["links"]} == {f"/d/{uid}" for uid in uids - {page["uid"]}}


@each_panel
def test_a_panel_says_what_it_shows_and_what_to_do(page: str, panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert panel["title"]
    assert len(panel["description"]) > 30
    assert defaults["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"] and all(target["expr"] for target in panel["targets"])
    assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.parametrize("name", FILES)
def test_panels_can_be_told_apart_and_dont_overlap(name: str) -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    taken: set[tuple[int, int]] = set()
    for panel in (p for p in PAGES[name]["panels"] if p["type"] != "row"):
        assert not taken & cells(panel), panel["title"]
        taken |= cells(panel)
    rows = [panel["id"] for panel in PAGES[name]["panels"] if panel["type"] == "row"]
    numbers = rows + [panel["id"] for panel in panels(PAGES[name])]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("page", "title"), TARGETS)
def test_the_limits_that_were_agreed_are_drawn(page: str, title: str) -> None:
    drawn = [panel for on, panel in ALL if (on, panel["title"]) == (page, title)]

    assert drawn
    for panel in drawn:
        defaults = panel["fieldConfig"]["defaults"]
        assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, *TARGETS[page, title]]
        if panel["type"] == "timeseries":
            assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed"


def test_every_metric_is_one_of_the_code() -> None:
    """That it also has these labels and gives data is seen with a running chain."""
    files = [file for top in CODE for file in (ROOT / top).rglob("*.py") if "dashboards" not in file.parts]
    code = "".join(file.read_text("utf-8") for file in files)
    named = {metric(name) for page in PAGES.values() for expr in expressions(page) for name in names(expr)}

    assert len(named) > 40
    assert {name for name in named - PROMETHEUS_OWN - CLIENT_OWN if not defined(name, code)} == set()


def names(expr: str) -> set[str]:
    without_labels = _LABELS.sub("", re.sub(r'__name__=~"([^"]+)"', lambda found: found[1], expr))
    return set(_NAME.findall(without_labels))


def metric(name: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", name) if "seconds" in name else name


def defined(name: str, code: str) -> bool:
    """By its own name, or as one of a family that puts the prefix before."""
    return f'"{name}"' in code or f'_family("{name.removeprefix("ticketstream_")}"' in code


def test_only_variables_that_there_are_are_used() -> None:
    used = {name for page in PAGES.values() for expr in expressions(page) for name in re.findall(r"\$[a-z_]\w*", expr)}

    assert used == VARIABLES


def test_a_metric_of_tenants_is_never_asked_for_without_the_filter() -> None:
    """In sums the label is gone, so that a running chain wouldn't show it."""
    asked = " ".join(expr for page in PAGES.values() for expr in expressions(page) if expr not in CHOICES)
    of_tenants = set(re.findall(r'(\w+)\{[^}]*tenant_id=~"\$tenant', asked))

    assert len(of_tenants) > 15
    for name in of_tenants:
        filtered = re.findall(rf'\b{name}\{{[^}}]*tenant_id=~"\$tenant', asked)
        assert len(filtered) == len(re.findall(rf"\b{name}\b", asked)), name


def filled_in(expression: str, tenant: str) -> str:
    """With Grafana's variables and the dashboards' own in place."""
    for name, value in (("$__rate_interval", "1m"), ("$__range", "1h"), ("$tenant", tenant)):
        expression = expression.replace(name, value)
    return expression


def test_prometheus_can_read_every_expression(tmp_path: Path) -> None:
    asked = [filled_in(expr, ".*") for page in PAGES.values() for expr in expressions(page) if expr not in CHOICES]
    rules = [{"record": f"expression:{number}", "expr": expr} for number, expr in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "expressions", "rules": rules}]}))

    assert len(asked) > 80
    promtool("check", "rules", "--lint=none", str(tmp_path / "rules.yml"))


def test_every_runbook_that_a_panel_leads_to_exists() -> None:
    led = {link["url"].removeprefix("${runbooks}/") for _, panel in ALL for link in panel.get("links", ())}

    assert len(led) > 10
    assert {name for name in led if not (ROOT / "infra/runbooks" / name).exists()} == set()


def test_every_command_that_a_panel_names_exists() -> None:
    named = {found for _, panel in ALL for found in re.findall(r"`ticketstream ([^`]+)`", panel["description"])}

    assert len(named) > 5
    for words in named:
        assert isinstance(command(words.split()), click.Command), words


def command(words: list[str]) -> click.Command | None:
    found: click.Command | None = ticketstream
    for word in words:
        if not isinstance(found, click.Group):
            break
        found = found.get_command(click.Context(found), word)
    return None if isinstance(found, click.Group) else found
