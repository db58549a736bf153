"""The chart, rendered by helm: manifests by kind and name, and what the tests ask of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "helm" / "ticketstream"
KUBERNETES = "1.33"  # a helm built with go install takes itself for 1.20
NAMESPACE = "ai-agents-production"
RELEASE = "ticketstream"
HELM_SECONDS = 60
CURE = "go install helm.sh/helm/v3/cmd/helm@v3.22.0"

NOTES_AS_MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data:
  text: |
{{ tpl (.Files.Get "notes.txt") . | indent 4 }}
"""

Manifest = dict[str, Any]


class HelmRefused(Exception):
    """Helm didn't take the values; the message is its own."""


def find_helm() -> str | None:
    """On PATH, else where `go install` puts it."""
    places = [os.environ.get("GOBIN"), str(Path(os.environ.get("GOPATH") or Path.home() / "go") / "bin")]
    return shutil.which("helm") or next(
        (found for place in places if place and (found := shutil.which("helm", path=place))), None
    )


@dataclass(frozen=True)
class Rendered:
    """All objects of a release, hooks too. `text` is what helm printed."""

    text: str
    manifests: tuple[Manifest, ...]

    def of(self, kind: str) -> dict[str, Manifest]:
        """By name."""
        return {one["metadata"]["name"]: one for one in self.manifests if one["kind"] == kind}

    def one(self, kind: str, name: str) -> Manifest:
        return self.of(kind)[f"{RELEASE}-{name}"]

    def pod_templates(self) -> dict[str, Manifest]:
        """Of Deployments and Jobs, by name without the release's."""
        return {
            name.removeprefix(f"{RELEASE}-"): one["spec"]["template"]
            for kind in ("Deployment", "Job")
            for name, one in self.of(kind).items()
        }

    def pod(self, process: str) -> Manifest:
        spec: Manifest = self.pod_templates()[process.replace("_", "-")]["spec"]
        return spec

    def container(self, process: str) -> Manifest:
        (only,) = self.pod(process)["containers"]
        assert isinstance(only, dict)
        return only

    def environment(self, process: str) -> dict[str, Any]:
        """Variable → its value, or `(Secret, key)`."""
        return {entry["name"]: _value(entry) for entry in self.container(process)["env"]}


@dataclass(frozen=True)
class Helm:
    executable: str

    def template(self, *options: str, release: str = RELEASE, chart: Path = CHART) -> Rendered:
        """Raises HelmRefused."""
        text = self._run(
            "template", release, str(chart), "--namespace", NAMESPACE, "--kube-version", KUBERNETES, *options
        )
        return Rendered(text, tuple(one for one in yaml.load_all(text, Loader=StrictLoader) if one))

    def lint(self, *options: str) -> None:
        """Raises HelmRefused."""
        self._run("lint", "--strict", str(CHART), "--kube-version", KUBERNETES, *options)

    def notes(self, copy: Path, *options: str) -> str:
        """What helm says after an installation. For want of a cluster a copy of the chart has the text as a template of its own."""
        shutil.copytree(CHART, copy)
        (copy / "templates" / "NOTES.txt").rename(copy / "notes.txt")
        (copy / "templates" / "notes.yaml").write_text(NOTES_AS_MANIFEST, encoding="utf-8")
        found = self.template(*options, chart=copy).of("ConfigMap")["notes"]["data"]["text"]
        assert isinstance(found, str)
        return found

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.executable, *arguments], capture_output=True, text=True, timeout=HELM_SECONDS, check=False
        )
        if done.returncode:
            raise HelmRefused(done.stderr + done.stdout)
        return done.stdout


class StrictLoader(yaml.CSafeLoader):
    """Refuses a key that stands twice, of which YAML's loaders would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {sorted(twice)}", node.start_mark)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def facts() -> dict[str, Manifest]:
    """What the chart says of each process."""
    found: dict[str, Manifest] = yaml.safe_load((CHART / "files" / "processes.yaml").read_text(encoding="utf-8"))
    return found


def values() -> Manifest:
    found: Manifest = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return found


def settings(pairs: Mapping[str, object]) -> list[str]:
    """As options of helm."""
    return [part for name, value in pairs.items() for part in ("--set-json", f"{name}={json.dumps(value)}")]


def selected(manifests: Sequence[Manifest], labels: Mapping[str, str]) -> Iterator[Manifest]:
    """Those whose labels a selector takes."""
    return (one for one in manifests if labels.items() <= one["metadata"]["labels"].items())


def _value(entry: Manifest) -> Any:
    if "value" in entry:
        return entry["value"]
    reference = entry["valueFrom"]["secretKeyRef"]
    return reference["name"], reference["key"]
