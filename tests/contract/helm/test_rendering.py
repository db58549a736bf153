"""Helm takes the chart, and a cluster what it renders: with its defaults and with each option."""

from __future__ import annotations

import configparser
import copy
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.contract.helm.chart import CHART, ROOT, Helm, HelmRefused, Rendered, StrictLoader
from tests.contract.helm.kinds import faults
from tests.contract.helm.options import OPTIONS

LONGEST_NAME = 63


@pytest.mark.parametrize("option", OPTIONS)
def test_helm_finds_nothing_to_complain_of(helm: Helm, option: str) -> None:
    helm.lint(*OPTIONS[option])


def test_a_cluster_takes_all_of_it(rendered: Rendered) -> None:
    assert {
        f"{one['kind']} {one['metadata']['name']}": found for one in rendered.manifests if (found := faults(one))
    } == {}


def test_no_object_stands_twice(rendered: Rendered) -> None:
    counted = Counter((one["kind"], one["metadata"]["name"]) for one in rendered.manifests)

    assert [one for one, number in counted.items() if number > 1] == []


def test_names_of_a_long_release_fit(helm: Helm) -> None:
    rendered = helm.template(*OPTIONS["toolbox"], release="a-release-whose-name-is-as-long-as-helm-lets-it-be-53")

    assert [one["metadata"]["name"] for one in rendered.manifests if len(one["metadata"]["name"]) > LONGEST_NAME] == []
    assert len(rendered.of("Deployment")) == 10


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("autoscalling.mode=cpu", "autoscalling"),
        ("processes.enrich.replicas.maximum=3", "maximum"),
        ("processes.feedbackAggregate.replicas.max=3", "feedbackAggregate"),
        ("processes.sealer.replicas.max=3", "replicas"),
        ("processes.enrich.settings.TICKETSTREAM_SLOT=9", "TICKETSTREAM_SLOT"),
        ("processes.deliver.settings.TICKETSTREAM_GRACE_SECONDS=9", "TICKETSTREAM_GRACE_SECONDS"),
        ("networkPolicy.prometheus[0].namespaceSelectors.x=y", "namespaceSelectors"),
        ("kafka.sasl.password=secret", "password"),
        ("kafka.securityProtocol=TLS", "securityProtocol"),
        ("postgresql.sslMode=prefer", "sslMode"),
        ("processes.enrich.resources.limits.memory=2GB", "memory"),
        ("isolationProbeSeconds=301", "isolationProbeSeconds"),
    ],
)
def test_a_slip_in_the_values_is_refused(helm: Helm, wrong: str, named: str) -> None:
    with pytest.raises(HelmRefused, match=named):
        helm.template("--set", wrong)
    with pytest.raises(HelmRefused, match=named):
        helm.lint("--set", wrong)


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        (["processes.enrich.replicas.min=11"], "min 11 is more than max 10"),
        (["ingress.host="], "ingress.host"),
        (["postgresql.ca.secret="], "Name its Secret"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(helm: Helm, values: list[str], cure: str) -> None:
    with pytest.raises(HelmRefused, match=cure):
        helm.template(*(part for value in values for part in ("--set", value)))


def test_the_notes_say_how_to_go_on(helm: Helm, tmp_path: Path) -> None:
    notes = helm.notes(tmp_path / "chart", *OPTIONS["toolbox"])

    assert "kubectl -n ai-agents-production exec -it deploy/ticketstream-toolbox" in notes
    assert "curl -i https://tickets.example.com/keys" in notes
    assert "get scaledobjects" in notes


def test_the_chart_installs_the_release_of_its_tree() -> None:
    package = configparser.ConfigParser()
    package.read(ROOT / "setup.cfg", encoding="utf-8")

    assert (
        yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
        == package["metadata"]["version"]
    )


class TestTheLook:
    """What these tests rely on finds what they look for."""

    def test_a_misspelt_field(self, defaults: Rendered) -> None:
        deployment = copy.deepcopy(defaults.one("Deployment", "enrich"))
        deployment["spec"]["replica"] = 2

        assert "replica" in faults(deployment)[0]

    def test_a_misspelt_field_of_keda(self, defaults: Rendered) -> None:
        scaled = copy.deepcopy(defaults.one("ScaledObject", "enrich"))
        scaled["spec"]["minReplicaCont"] = 2
        scaled["spec"]["triggers"][0]["metadata"]["metricName"] = "lag"

        assert len(faults(scaled)) == 2

    def test_a_number_where_keda_wants_text(self, defaults: Rendered) -> None:
        scaled = copy.deepcopy(defaults.one("ScaledObject", "enrich"))
        scaled["spec"]["triggers"][0]["metadata"]["targetValue"] = 1

        assert "not of type 'string'" in faults(scaled)[0]

    def test_a_kind_that_nobody_knows(self) -> None:
        assert faults({"apiVersion": "v1", "kind": "Podd", "metadata": {"name": "x"}})

    def test_a_key_that_stands_twice(self) -> None:
        with pytest.raises(yaml.YAMLError, match="twice"):
            yaml.load("a: 1\na: 2", Loader=StrictLoader)  # noqa: S506 - a safe loader
