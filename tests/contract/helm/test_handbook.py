"""kubectl and helm lines of handbook, runbooks and the chart's README name what the chart renders."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.contract.helm.chart import NAMESPACE, RELEASE, Helm, Rendered, values
from tests.unit.infra.handbook.commands import commands
from tests.unit.infra.handbook.pages import CHART_README, PAGES, shown

NAMED = {"deploy": "Deployment", "deployment": "Deployment", "job": "Job", "svc": "Service", "service": "Service"}
KINDS = {
    "scaledobject": "ScaledObject",
    "deploy": "Deployment",
    "ingress": "Ingress",
    "job": "Job",
    "networkpolicy": "NetworkPolicy",
}
CLUSTERS_OWN = frozenset({"pods", "hpa", "externalsecret", "nodes", "namespace"})
"""Kinds that the chart doesn't render, or that others make of what it renders."""
VERBS_WITH_KINDS = ("get", "delete", "top")


@pytest.fixture(scope="module")
def release(helm: Helm) -> Rendered:
    """With all that the pages speak of."""
    return helm.template("--set", "toolbox.enabled=true")


def unknown(words: tuple[str, ...], release: Rendered) -> list[str]:
    """What such a line of kubectl names and the chart doesn't have."""
    found = [f"{word}" for word in words if not _is_there(word, release)]
    found += [f"-n {name}" for name in _after("-n", words) if name != NAMESPACE]
    found += [f"-l {label}" for label in _after("-l", words) if not _is_label(label, release)]
    found += [f"-c {name}" for name in _after("-c", words) if name not in _containers(release)]
    verb = next((word for word in words if word in VERBS_WITH_KINDS), None)
    kinds = words[words.index(verb) + 1].split(",") if verb else []
    known = {name for name, kind in KINDS.items() if release.of(kind)} | CLUSTERS_OWN
    return [
        *found,
        *(kind for kind in kinds if kind.removesuffix("s") not in known and kind not in known and "/" not in kind),
    ]


def _is_there(word: str, release: Rendered) -> bool:
    kind, _, name = word.partition("/")
    return kind not in NAMED or not name or name in release.of(NAMED[kind])


def _is_label(label: str, release: Rendered) -> bool:
    name, _, value = label.partition("=")
    return any(one["metadata"].get("labels", {}).get(name) == value for one in release.manifests)


def _containers(release: Rendered) -> set[str]:
    return {one["name"] for pod in release.pod_templates().values() for one in pod["spec"]["containers"]}


def _after(option: str, words: tuple[str, ...]) -> list[str]:
    return [following for word, following in pairwise(words) if word == option]


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_kubectl_names_what_the_chart_renders(file: Path, release: Rendered) -> None:
    """But where a sentence names a subcommand alone."""
    every = [one for one in commands(file, "kubectl") if not (one.inline and len(one.words) == 1)]
    lines = [one.words for one in every if "…" not in "".join(one.words)]

    assert [(words, wrong) for words in lines if (wrong := unknown(words, release))] == []
    if file != CHART_README:  # which says at its top where everything is
        assert [words for words in lines if words[:2] != ("-n", NAMESPACE)] == []


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_helm_sets_values_that_there_are(file: Path) -> None:
    settings = [
        name for one in commands(file, "helm") for given in _after("--set", one.words) for name in [given.split("=")[0]]
    ]

    for setting in settings:
        found = values()
        for part in setting.split("."):
            assert part in found, setting
            found = found[part]


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_deployments_in_the_text_are_those_of_the_chart(file: Path, release: Rendered) -> None:
    named = set(re.findall(rf"\bdeploy/({RELEASE}-[a-z-]+)", file.read_text(encoding="utf-8")))

    assert named - set(release.of("Deployment")) == set()


def test_a_name_that_there_is_not_is_noticed(release: Rendered) -> None:
    good = ("-n", NAMESPACE, "logs", "deploy/ticketstream-enrich")

    assert unknown(good, release) == []
    assert unknown((*good[:3], "deploy/ticketstream-enrichment"), release)
    assert unknown(("-n", "production", *good[2:]), release)
    assert unknown((*good, "-c", "sidecar"), release)
    assert unknown(("-n", NAMESPACE, "get", "scaledobjects,hpas2"), release)
    assert unknown(("-n", NAMESPACE, "delete", "job", "-l", "app=ticketstream"), release)
