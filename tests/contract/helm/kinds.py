"""Strict schemas of what is rendered: Kubernetes' own kinds as kubernetes-validate has them, other projects' from `crds/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource

from tests.contract.helm.chart import KUBERNETES, Manifest

CRDS = Path(__file__).with_name("crds")
TRIGGER_METADATA = {
    "metrics-api": {
        "url",
        "valueLocation",
        "targetValue",
        "activationTargetValue",
        "format",
        "unsafeSsl",
        "timeout",
        "aggregateFromKubeServiceEndpoints",
        "aggregationType",
        "authMode",
        "method",
        "keyParamName",
    },
    "cpu": {"value", "containerName"},
}
"""KEDA ignores a key that it doesn't know, and its schema takes any. Source: pkg/scalers of KEDA 2.20.2."""


def faults(manifest: Manifest) -> list[str]:
    """What a cluster would refuse, or silently drop."""
    return list(_faults(json.dumps(manifest, sort_keys=True)))


@cache  # most objects are the same with most options
def _faults(manifest_as_json: str) -> tuple[str, ...]:
    manifest = json.loads(manifest_as_json)
    kind = manifest["apiVersion"], manifest["kind"]
    try:
        validator = _others().get(kind) or _own(*kind)
    except FileNotFoundError:
        return (f"Kubernetes {KUBERNETES} has no kind {kind}",)
    found = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]
    return (*found, *_unknown_trigger_metadata(manifest))


@cache
def _own(api_version: str, kind: str) -> Draft202012Validator:
    """Of a kind of Kubernetes' own. Raises FileNotFoundError."""
    group, _, version = api_version.rpartition("/")
    of_version = f"{group.partition('.')[0]}-{version}" if group else version
    return Draft202012Validator(_schema(f"{kind.lower()}-{of_version}"), registry=_definitions())


@cache
def _definitions() -> Registry[Any]:
    return Resource.from_contents(_schema("_definitions")) @ Registry()


def _schema(name: str) -> Any:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def _unknown_trigger_metadata(manifest: Manifest) -> Iterator[str]:
    if manifest["kind"] != "ScaledObject":
        return
    for trigger in manifest["spec"]["triggers"]:
        for key in trigger["metadata"].keys() - TRIGGER_METADATA.get(trigger["type"], set()):
            yield f"trigger {trigger['type']} has no metadata {key}"


@cache
def _others() -> dict[tuple[str, str], Draft202012Validator]:
    found = {}
    for file in CRDS.glob("*.yaml"):
        crd = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
        for version in crd["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"], root=True)
            found[f"{crd['group']}/{version['name']}", crd["names"]["kind"]] = Draft202012Validator(schema)
    return found


def _strict(schema: dict[str, Any], *, root: bool = False) -> dict[str, Any]:
    """A structural schema of Kubernetes as one of JSON Schema that takes no unknown field."""
    if schema.pop("nullable", False) and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    if root:
        schema["properties"] |= {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
        }
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    for one in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
        if isinstance(one, dict):
            _strict(one)
    return schema
