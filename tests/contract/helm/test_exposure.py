"""What can be reached: from outside three paths of the edge with TLS, inside each process's ports."""

from __future__ import annotations

import pytest

from tests.contract.helm.chart import Rendered, facts
from tests.contract.helm.conftest import Render


@pytest.mark.parametrize("option", ["defaults", "ingress"])
def test_the_outside_reaches_three_paths_with_tls(render: Render, option: str) -> None:
    spec = render(option).one("Ingress", "ingest")["spec"]
    (rule,) = spec["rules"]
    paths = {path["path"]: path["pathType"] for path in rule["http"]["paths"]}

    assert paths == {"/api": "Prefix", "/f": "Prefix", "/keys": "Exact"}
    assert spec["tls"] == [
        {"hosts": [rule["host"]], "secretName": "tickets" if option == "ingress" else "ticketstream-tls"}
    ]
    assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == {"ticketstream-ingest"}


def test_without_an_ingress_links_name_the_public_address_all_the_same(render: Render) -> None:
    rendered = render("no ingress")

    assert rendered.of("Ingress") == {}
    assert rendered.environment("deliver")["TICKETSTREAM_PUBLIC_URL"] == "https://tickets.example.com"


def test_services_lead_to_ports_of_their_pods(rendered: Rendered) -> None:
    for name, service in rendered.of("Service").items():
        (template,) = [
            one
            for one in rendered.pod_templates().values()
            if service["spec"]["selector"].items() <= one["metadata"]["labels"].items()
        ]
        ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP", name


@pytest.mark.parametrize("process", [name for name, one in facts().items() if "port" in one])
def test_a_process_listens_where_its_service_leads(defaults: Rendered, process: str) -> None:
    assert defaults.environment(process)[f"TICKETSTREAM_{process.upper()}_PORT"] == str(
        defaults.one("Service", process)["spec"]["ports"][0]["port"]
    )


def test_the_ingress_leads_to_a_port_of_the_service(defaults: Rendered) -> None:
    (rule,) = defaults.one("Ingress", "ingest")["spec"]["rules"]
    ports = {port["name"] for port in defaults.one("Service", "ingest")["spec"]["ports"]}

    assert {path["backend"]["service"]["port"]["name"] for path in rule["http"]["paths"]} <= ports


def test_keda_is_told_of_a_lag_service_that_knows_something(defaults: Rendered) -> None:
    """One that isn't ready gets no requests: KEDA sees an error, and falls back."""
    assert "publishNotReadyAddresses" not in defaults.one("Service", "lag")["spec"]
