"""How many replicas: KEDA by the lag service's demand, or by CPU, or a fixed number."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.topics import Stage
from tests.contract.helm.chart import Helm, Manifest, Rendered, facts
from tests.contract.helm.conftest import Render

STAGES = [stage.value for stage in Stage]
SCALED = ["ingest", *STAGES]
ONE_EACH = ("console", "lag", "reconcile", "sealer")


def scaler(rendered: Rendered, kind: str, process: str) -> Any:
    return rendered.one(kind, process.replace("_", "-"))["spec"]


def deployment(rendered: Rendered, process: str) -> Manifest:
    spec: Manifest = rendered.one("Deployment", process.replace("_", "-"))["spec"]
    return spec


@pytest.mark.parametrize("stage", STAGES)
def test_keda_asks_the_lag_service_for_a_stages_replicas(defaults: Rendered, stage: str) -> None:
    demand, cpu = scaler(defaults, "ScaledObject", stage)["triggers"]
    service = defaults.one("Service", "lag")

    assert demand == {
        "type": "metrics-api",
        "metricType": "AverageValue",
        "metadata": {
            "url": f"http://ticketstream-lag.ai-agents-production.svc:{service['spec']['ports'][0]['port']}/scaling/{stage}",
            "valueLocation": "desired_replicas",
            "targetValue": "1",
        },
    }
    assert cpu == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}


@pytest.mark.parametrize("stage", STAGES)
def test_a_silent_lag_service_takes_no_replica_away(defaults: Rendered, stage: str) -> None:
    spec = scaler(defaults, "ScaledObject", stage)

    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 10)


@pytest.mark.parametrize("process", SCALED)
def test_up_after_two_minutes_and_down_after_ten(defaults: Rendered, render: Render, process: str) -> None:
    by_cpu = scaler(render("scaled by CPU"), "HorizontalPodAutoscaler", process)["behavior"]
    wanted = {"scaleUp": {"stabilizationWindowSeconds": 120}, "scaleDown": {"stabilizationWindowSeconds": 600}}

    assert by_cpu == wanted
    if process != "ingest":
        advanced = scaler(defaults, "ScaledObject", process)["advanced"]
        assert advanced["horizontalPodAutoscalerConfig"]["behavior"] == wanted


def test_the_edge_is_scaled_by_cpu(defaults: Rendered) -> None:
    spec = scaler(defaults, "HorizontalPodAutoscaler", "ingest")

    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    assert list(defaults.of("HorizontalPodAutoscaler")) == ["ticketstream-ingest"], "KEDA makes the stages' own"


@pytest.mark.parametrize("process", SCALED)
def test_without_keda_all_are_scaled_by_cpu(render: Render, process: str) -> None:
    rendered = render("scaled by CPU")

    assert scaler(rendered, "HorizontalPodAutoscaler", process)["scaleTargetRef"]["name"] in rendered.of("Deployment")
    assert rendered.of("ScaledObject") == {}


@pytest.mark.parametrize("option", ["defaults", "scaled by CPU"])
@pytest.mark.parametrize("process", SCALED)
def test_a_scaled_deployment_does_not_say_how_many(render: Render, option: str, process: str) -> None:
    """Each upgrade would set the number back."""
    assert "replicas" not in deployment(render(option), process)


@pytest.mark.parametrize("process", SCALED)
def test_not_scaled_there_are_as_many_as_the_fewest(render: Render, process: str) -> None:
    rendered = render("not scaled")

    assert deployment(rendered, process)["replicas"] == 2
    assert (rendered.of("ScaledObject"), rendered.of("HorizontalPodAutoscaler")) == ({}, {})


@pytest.mark.parametrize("process", ONE_EACH)
def test_of_some_there_is_one(rendered: Rendered, process: str) -> None:
    name = next(name for name in rendered.of("Deployment") if name.endswith(f"-{process}"))

    assert rendered.of("Deployment")[name]["spec"]["replicas"] == 1
    assert name not in {**rendered.of("ScaledObject"), **rendered.of("HorizontalPodAutoscaler")}


def test_what_is_scaled_is_there_and_asks_for_cpu(rendered: Rendered) -> None:
    for kind in ("ScaledObject", "HorizontalPodAutoscaler"):
        for one in rendered.of(kind).values():
            target = rendered.of("Deployment")[one["spec"]["scaleTargetRef"]["name"]]
            (container,) = target["spec"]["template"]["spec"]["containers"]
            assert container["resources"]["requests"]["cpu"]


def test_large_tenants_have_twenty_at_the_model(render: Render) -> None:
    rendered = render("large tenants")

    assert scaler(rendered, "ScaledObject", "synthesize")["maxReplicaCount"] == 20
    assert scaler(rendered, "ScaledObject", "deliver")["maxReplicaCount"] == 10


def test_the_lag_service_knows_what_a_replica_works_on_at_once(helm: Helm) -> None:
    rendered = helm.template(
        *("--set", "processes.synthesize.settings.TICKETSTREAM_SLOTS=32"),
        *("--set", "processes.enrich.replicas.min=3", "--set", "processes.deliver.replicas.min=10"),
        *("--set", "processes.synthesize.replicas.min=4", "--set", "processes.feedback_aggregate.replicas.min=5"),
    )
    known = {
        name: value for name, value in rendered.environment("lag").items() if "SLOTS" in name or "MIN_REPLICAS" in name
    }

    assert known == {"TICKETSTREAM_SLOTS_SYNTHESIZE": "32", "TICKETSTREAM_SCALING_MIN_REPLICAS": "3"}
    assert rendered.environment("synthesize")["TICKETSTREAM_SLOTS"] == "32"


@pytest.mark.parametrize("process", [*SCALED, *ONE_EACH])
def test_a_drained_node_takes_one_replica_at_a_time(defaults: Rendered, process: str) -> None:
    budgets = defaults.of("PodDisruptionBudget")
    name = f"ticketstream-{process.replace('_', '-')}"

    if facts()[process]["scales"] == "one":
        assert name not in budgets, "it would keep the node for ever"
    else:
        assert budgets[name]["spec"]["maxUnavailable"] == 1
        assert budgets[name]["spec"]["selector"] == deployment(defaults, process)["selector"]
