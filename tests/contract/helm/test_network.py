"""Who may talk to whom: what the NetworkPolicies of a release let through, as a cluster evaluates them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.helm.chart import Manifest, Rendered, facts
from tests.contract.helm.conftest import Render

PROCESSES = tuple(facts())
INGRESS_CONTROLLER = {"kubernetes.io/metadata.name": "ingress-nginx"}
MONITORING = {"kubernetes.io/metadata.name": "monitoring"}
KEDA = {"kubernetes.io/metadata.name": "keda"}
SOMEWHERE = {"kubernetes.io/metadata.name": "default"}
DNS, KAFKA, POSTGRESQL, HTTPS, OTLP, REGISTRY, LAG, PROMETHEUS = 53, 9093, 5432, 443, 4318, 8081, 8082, 9090


def policies_of(rendered: Rendered, name: str) -> Iterator[Manifest]:
    """The policies that select a pod."""
    labels = rendered.pod_templates()[name.replace("_", "-")]["metadata"]["labels"]
    for policy in rendered.of("NetworkPolicy").values():
        if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items():
            yield policy["spec"]


def lets_in(rendered: Rendered, name: str, namespace: dict[str, str], port: int) -> bool:
    """Whether a pod of a namespace reaches a port. A rule that names nobody lets everybody in."""
    everybody = {"namespaceSelector": {"matchLabels": namespace}}
    policies = [policy for policy in policies_of(rendered, name) if "Ingress" in policy["policyTypes"]]
    return not policies or any(
        port in {one["port"] for one in rule["ports"]}
        and any(
            peer.get("namespaceSelector", {}).get("matchLabels") == namespace for peer in rule.get("from", [everybody])
        )
        for policy in policies
        for rule in policy["ingress"]
    )


def reaches(rendered: Rendered, name: str) -> set[int]:
    """Ports somewhere else that a pod may connect to."""
    policies = [policy for policy in policies_of(rendered, name) if "Egress" in policy["policyTypes"]]
    assert policies, "nothing denies"
    return {port["port"] for policy in policies for rule in policy["egress"] for port in rule["ports"]}


@pytest.mark.parametrize("process", PROCESSES)
def test_prometheus_reaches_the_internal_port_and_others_do_not(defaults: Rendered, process: str) -> None:
    assert lets_in(defaults, process, MONITORING, 9090)
    assert not lets_in(defaults, process, SOMEWHERE, 9090)
    assert not lets_in(defaults, process, INGRESS_CONTROLLER, 9090)


def test_the_ingress_controller_reaches_the_edge_alone(defaults: Rendered) -> None:
    reached = {
        (one, port)
        for one in PROCESSES
        for port in (8080, 8082, 9090)
        if lets_in(defaults, one, INGRESS_CONTROLLER, port)
    }

    assert reached == {("ingest", 8080)}


def test_the_console_is_reached_by_those_who_are_named_alone(render: Render, defaults: Rendered) -> None:
    for who in (INGRESS_CONTROLLER, MONITORING, KEDA, SOMEWHERE):
        assert not lets_in(defaults, "console", who, 8081)
    opened = render("console")
    assert lets_in(opened, "console", INGRESS_CONTROLLER, 8081)
    assert lets_in(opened, "console", {"team": "desk"}, 8081)
    assert not lets_in(opened, "console", SOMEWHERE, 8081)


def test_keda_reaches_the_lag_service_alone(defaults: Rendered) -> None:
    assert {one for one in PROCESSES for port in (8080, 8082, 9090) if lets_in(defaults, one, KEDA, port)} == {"lag"}


@pytest.mark.parametrize(("option", "asking"), [("toolbox", {"console", "toolbox"}), ("defaults", {"console"})])
def test_the_lag_service_is_asked_by_what_people_use_alone(render: Render, option: str, asking: set[str]) -> None:
    rendered = render(option)
    peers = [
        peer["podSelector"]["matchLabels"]
        for policy in policies_of(rendered, "lag")
        for rule in policy.get("ingress", [])
        for peer in rule["from"]
        if "podSelector" in peer
    ]
    pods = {name: template["metadata"]["labels"].items() for name, template in rendered.pod_templates().items()}

    assert {name for name, labels in pods.items() if any(one.items() <= labels for one in peers)} == asking


@pytest.mark.parametrize("process", PROCESSES)
def test_nobody_reaches_what_nobody_is_named_for(render: Render, process: str) -> None:
    rendered = render("nobody named")

    assert [
        (who, port)
        for who in (KEDA, MONITORING, INGRESS_CONTROLLER, SOMEWHERE)
        for port in (8080, 8082, 9090)
        if lets_in(rendered, process, who, port)
    ] == []


def test_who_is_named_reaches_the_registry(render: Render) -> None:
    assert lets_in(render("named networks"), "ingest", {"team": "analysts"}, 9090)
    assert not lets_in(render("named networks"), "lag", {"team": "analysts"}, 9090)


@pytest.mark.parametrize(
    ("process", "ports"),
    [
        ("ingest", {DNS, KAFKA, POSTGRESQL}),
        ("enrich", {DNS, KAFKA, POSTGRESQL}),
        ("synthesize", {DNS, KAFKA, POSTGRESQL, HTTPS}),
        ("deliver", {DNS, KAFKA, POSTGRESQL, HTTPS}),
        ("feedback_aggregate", {DNS, KAFKA, POSTGRESQL}),
        ("reconcile", {DNS, KAFKA, POSTGRESQL, HTTPS}),
        ("sealer", {DNS, POSTGRESQL}),
        ("lag", {DNS, KAFKA, POSTGRESQL}),
        ("console", {DNS, KAFKA, POSTGRESQL, HTTPS, LAG}),
        ("setup-migrate", {DNS, POSTGRESQL}),
        ("setup-topics", {DNS, KAFKA, POSTGRESQL}),
    ],
)
def test_a_process_reaches_what_it_needs_and_nothing_else(defaults: Rendered, process: str, ports: set[int]) -> None:
    assert reaches(defaults, process) == ports


@pytest.mark.parametrize(
    ("option", "process", "ports"),
    [
        ("bearer mode", "enrich", {DNS, KAFKA, POSTGRESQL, HTTPS}),
        ("no model", "synthesize", {DNS, KAFKA, POSTGRESQL}),
        ("toolbox", "toolbox", {DNS, KAFKA, POSTGRESQL, HTTPS, LAG}),
        ("prometheus", "toolbox", {DNS, KAFKA, POSTGRESQL, HTTPS, LAG, PROMETHEUS}),
        ("prometheus", "console", {DNS, KAFKA, POSTGRESQL, HTTPS, LAG, PROMETHEUS}),
        ("traces and registry", "enrich", {DNS, KAFKA, POSTGRESQL, OTLP, REGISTRY}),
        ("traces and registry", "sealer", {DNS, POSTGRESQL, OTLP}),
    ],
)
def test_an_option_opens_what_it_needs(render: Render, option: str, process: str, ports: set[int]) -> None:
    assert reaches(render(option), process) == ports


def test_desks_and_models_are_not_in_a_private_network(defaults: Rendered) -> None:
    outside = [
        peer["ipBlock"]
        for process in ("deliver", "synthesize", "reconcile")
        for policy in policies_of(defaults, process)
        for rule in policy.get("egress", [])
        if HTTPS in {port["port"] for port in rule["ports"]}
        for peer in rule["to"]
    ]

    assert outside
    for block in outside:
        private = (
            {"fc00::/7", "fe80::/10"} if ":" in block["cidr"] else {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"}
        )
        assert private <= set(block["except"])


def test_named_networks_are_the_only_ones(render: Render) -> None:
    blocks = {
        port["port"]: rule.get("to")
        for policy in policies_of(render("named networks"), "enrich")
        for rule in policy.get("egress", [])
        for port in rule["ports"]
    }

    assert blocks[KAFKA] == [{"ipBlock": {"cidr": "10.1.0.0/24"}}]
    assert blocks[POSTGRESQL] == [{"ipBlock": {"cidr": "10.2.0.0/24"}}]


def test_every_policy_selects_a_pod_of_ours_and_every_pod_is_guarded(rendered: Rendered) -> None:
    policies = rendered.of("NetworkPolicy")
    labels = [template["metadata"]["labels"] for template in rendered.pod_templates().values()]
    if not policies:
        return  # the option that has none

    for name, policy in policies.items():
        assert any(policy["spec"]["podSelector"]["matchLabels"].items() <= one.items() for one in labels), name
    for one in rendered.pod_templates():
        assert {"Ingress", "Egress"} <= {
            kind for policy in policies_of(rendered, one) for kind in policy["policyTypes"]
        }


def test_there_are_none_where_the_values_say_so(render: Render) -> None:
    assert render("no network policies").of("NetworkPolicy") == {}


def test_what_runs_before_the_chart_brings_its_own_policies(defaults: Rendered) -> None:
    for job in ("setup-migrate", "setup-topics"):
        annotations = defaults.one("NetworkPolicy", job)["metadata"]["annotations"]
        weight = int(defaults.one("Job", job)["metadata"]["annotations"]["helm.sh/hook-weight"])
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert int(annotations["helm.sh/hook-weight"]) < weight
