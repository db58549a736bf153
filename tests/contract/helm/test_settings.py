"""The variables of the pods are those that the processes read, with values that they take."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import defaultdict
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.ops.audit.__main__ import POOL_SIZE as SEALER_POOL
from infra.ops.audit.settings import SealerSettings
from infra.ops.cli.main import COMMANDS
from infra.ops.console.__main__ import POOL_SIZE as CONSOLE_POOL
from infra.ops.console.settings import ConsoleSettings
from infra.ops.lag.database import POOL_SIZE as LAG_POOL
from infra.ops.lag.settings import LagSettings
from infra.ops.reconcile.__main__ import POOL_SIZE as RECONCILE_POOL
from infra.ops.reconcile.settings import ReconcileSettings
from infra.runtime.kafka.client_settings import KafkaSettings
from infra.runtime.settings import ProcessSettings, variable
from ingest.postgres_sources import POOL_SIZE as INGEST_POOL
from ingest.settings import IngestSettings
from processors.deliver.settings import DeliverSettings
from processors.enrich.settings import EnrichSettings
from processors.feedback_aggregate.settings import FeedbackAggregateSettings
from processors.synthesize.settings import SynthesizeSettings
from schemas.topics import SIGNED_BY, Stage
from sinks.postgres.roles import LOGINS
from sinks.stage_ports import POOL_SIZE as STAGE_POOL
from tests.contract.helm.chart import CHART, ROOT, Rendered, facts, values
from tests.contract.helm.conftest import Render

NAMED = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
MEASURE = re.compile(r"_(SECONDS|HOURS|SLOTS|ATTEMPTS|MINUTE)$")
SET_OTHERWISE = defaultdict(
    lambda: {"TICKETSTREAM_ISOLATION_PROBE_SECONDS"},  # the same for all
    lag={"TICKETSTREAM_ISOLATION_PROBE_SECONDS", "TICKETSTREAM_SLOTS"},  # as each stage has them
)
COMMANDS_AT_ONCE = ConsoleSettings.model_fields["console_commands"].default
RING = "k1:" + b64encode(bytes(32)).decode()


@dataclass(frozen=True)
class Known:
    """What the code says of a process."""

    settings: type[ProcessSettings]
    pool: int


KNOWN = {
    "ingest": Known(IngestSettings, INGEST_POOL),
    "enrich": Known(EnrichSettings, STAGE_POOL),
    "synthesize": Known(SynthesizeSettings, STAGE_POOL),
    "deliver": Known(DeliverSettings, STAGE_POOL),
    "feedback_aggregate": Known(FeedbackAggregateSettings, STAGE_POOL),
    "reconcile": Known(ReconcileSettings, RECONCILE_POOL),
    "sealer": Known(SealerSettings, SEALER_POOL),
    "lag": Known(LagSettings, LAG_POOL),
    "console": Known(ConsoleSettings, CONSOLE_POOL + 2 * COMMANDS_AT_ONCE),
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without our variables."""
    for name in NAMED:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_every_variable_is_in_the_example(rendered: Rendered) -> None:
    set_by_the_chart = {
        entry["name"]
        for template in rendered.pod_templates().values()
        for entry in template["spec"]["containers"][0]["env"]
        if not entry["name"].startswith("TICKETSTREAM_ROLE_PASSWORD_")
    }

    assert set_by_the_chart - NAMED == set()


@pytest.mark.parametrize(
    "option", ["defaults", "bearer mode", "own model", "client certificates", "traces and registry"]
)
@pytest.mark.parametrize("process", KNOWN)
def test_a_process_takes_the_settings_of_its_pod(
    render: Render, process: str, option: str, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "signing.pem"
    key.touch()
    for name, value in render(option).environment(process).items():
        of_secret = RING if name.endswith("_KEYS") else "a-secret"
        bare.setenv(name, str(key) if name.endswith("KEY_FILE") else value if isinstance(value, str) else of_secret)

    settings = KNOWN[process].settings()

    assert (settings.internal_host, settings.internal_port) == ("0.0.0.0", 9090)  # noqa: S104 - in a pod
    if facts()[process].get("kafka"):
        assert KafkaSettings().security_protocol == ("SSL" if option == "client certificates" else "SASL_SSL")


@pytest.mark.parametrize("process", KNOWN)
def test_settings_that_the_schema_takes_are_the_processs(process: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    taken = set(schema["properties"]["processes"]["properties"][process]["properties"]["settings"]["properties"])
    known = KNOWN[process].settings
    read = {variable(known, (name,)) for name in known.model_fields}

    assert taken - read == set()
    assert {name for name in read - taken if MEASURE.search(name)} <= SET_OTHERWISE[process]


@pytest.mark.parametrize("process", KNOWN)
def test_connections_are_those_of_the_pool(process: str) -> None:
    assert facts()[process]["connections"] == KNOWN[process].pool


def test_every_process_has_its_role() -> None:
    assert {f"ticketstream_{name}" for name in facts()} <= set(LOGINS)


def test_the_stages_are_those_of_the_code() -> None:
    assert {name for name, one in facts().items() if one["scales"] == "stage"} == {stage.value for stage in Stage}
    assert {name for name, one in facts().items() if one.get("signs")} == set(SIGNED_BY) - {"replay"}
    assert set(facts()) == set(values()["processes"])


@pytest.mark.parametrize("process", facts())
def test_what_a_container_starts_is_there(process: str) -> None:
    one = facts()[process]
    if "args" in one:
        assert one["args"][0] in COMMANDS
        import_module(f"infra.ops.cli.commands.{COMMANDS[one['args'][0]][0]}")
    else:
        assert one["command"][:2] == ["python", "-m"]
        assert find_spec(f"{one['command'][2]}.__main__")


def test_a_setting_is_the_containers(render: Render, defaults: Rendered) -> None:
    assert defaults.environment("synthesize")["TICKETSTREAM_GRACE_SECONDS"] == "330"
    assert render("ingress").environment("ingest")["TICKETSTREAM_TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::/8"
    assert render("placed").environment("enrich")["TICKETSTREAM_TOPIC_PREFIX"] == "eu."
    assert defaults.environment("deliver")["TICKETSTREAM_PUBLIC_URL"] == "https://tickets.example.com"


def test_a_changed_setting_replaces_the_pods(render: Render, defaults: Rendered) -> None:
    before, after = (one.pod_templates()["enrich"] for one in (defaults, render("traces and registry")))

    assert before != after


def test_traces_are_sent_only_where_a_collector_is_named(render: Render, defaults: Rendered) -> None:
    traced = render("traces and registry").environment("deliver")

    assert traced["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert traced["OTEL_TRACES_SAMPLER_ARG"] == "0.1"
    assert [name for name in defaults.environment("deliver") if name.startswith("OTEL")] == []


def test_console_and_toolbox_know_whom_to_ask(render: Render, defaults: Rendered) -> None:
    rendered = render("prometheus")
    for pod in ("console", "toolbox"):
        assert rendered.environment(pod)["TICKETSTREAM_PROMETHEUS_URL"] == "http://prometheus.monitoring.svc:9090"
        url = rendered.environment(pod)["TICKETSTREAM_LAG_URL"]
        host, _, port = url.removeprefix("http://").partition(":")
        service = rendered.one("Service", "lag")
        assert host.split(".")[0] == service["metadata"]["name"]
        assert int(port) in {one["port"] for one in service["spec"]["ports"]}
    assert "TICKETSTREAM_PROMETHEUS_URL" not in defaults.environment("console")
