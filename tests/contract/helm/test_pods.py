"""How pods run: with few rights, watched, and with time to stop."""

from __future__ import annotations

import pytest

from infra.runtime.telemetry.internal_server import CHECK_SECONDS
from tests.contract.helm.chart import Helm, Rendered, facts, selected
from tests.contract.helm.conftest import Render

PROCESSES = tuple(facts())
STAGES = [name for name, one in facts().items() if one["scales"] == "stage"]
OTHERS_STOP_WITHIN = 15


def test_pods_have_no_rights_that_they_do_not_need(rendered: Rendered) -> None:
    """Pod Security Standard `restricted`, and a root file system that can't be written."""
    for name, template in rendered.pod_templates().items():
        pod = template["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert not [volume for volume in pod["volumes"] if not {"emptyDir", "secret"} & volume.keys()], name


def test_there_is_room_for_temporary_files(rendered: Rendered) -> None:
    for template in rendered.pod_templates().values():
        (container,) = template["spec"]["containers"]
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108 - in a pod


def test_what_is_mounted_is_a_volume_of_the_pod(rendered: Rendered) -> None:
    for name, template in rendered.pod_templates().items():
        (container,) = template["spec"]["containers"]
        mounted = [mount["name"] for mount in container["volumeMounts"]]
        assert sorted(mounted) == sorted(volume["name"] for volume in template["spec"]["volumes"]), name


def test_files_that_variables_name_are_mounted(rendered: Rendered) -> None:
    for name, template in rendered.pod_templates().items():
        (container,) = template["spec"]["containers"]
        folders = {mount["mountPath"] for mount in container["volumeMounts"]}
        named = {
            entry["value"]
            for entry in container["env"]
            if entry["name"].endswith(("_FILE", "_LOCATION")) and "value" in entry
        }
        assert {path.rpartition("/")[0] for path in named} <= folders, name


@pytest.mark.parametrize("process", STAGES)
def test_what_a_stage_was_doing_outlives_its_container(defaults: Rendered, process: str) -> None:
    folder = defaults.environment(process)["TICKETSTREAM_RUN_DIR"]
    (mount,) = [one for one in defaults.container(process)["volumeMounts"] if one["mountPath"] == folder]
    (volume,) = [one for one in defaults.pod(process)["volumes"] if one["name"] == mount["name"]]

    assert "emptyDir" in volume
    assert "medium" not in volume["emptyDir"]


@pytest.mark.parametrize("process", PROCESSES)
def test_probes_ask_the_port_that_the_process_is_told(defaults: Rendered, process: str) -> None:
    container = defaults.container(process)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}

    assert {str(ports[probe["port"]]) for probe in probes.values()} == {
        defaults.environment(process)["TICKETSTREAM_INTERNAL_PORT"]
    }
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    assert container["readinessProbe"]["timeoutSeconds"] > CHECK_SECONDS


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_is_told_to_listen_where_it_can_be_reached(defaults: Rendered, process: str) -> None:
    variables = defaults.environment(process)

    assert {value for name, value in variables.items() if name.endswith("_HOST")} == {"0.0.0.0"}  # noqa: S104 - in a pod


@pytest.mark.parametrize("process", PROCESSES)
def test_kubernetes_waits_until_a_process_has_stopped(defaults: Rendered, process: str) -> None:
    grace = defaults.pod(process)["terminationGracePeriodSeconds"]
    before = defaults.container(process).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    needs = 330 if process == "synthesize" else OTHERS_STOP_WITHIN

    assert needs + before + 10 <= grace <= needs + before + 30


def test_calls_that_may_last_longer_are_waited_for(helm: Helm) -> None:
    rendered = helm.template("--set", "processes.synthesize.settings.TICKETSTREAM_GRACE_SECONDS=600")

    assert rendered.environment("synthesize")["TICKETSTREAM_GRACE_SECONDS"] == "600"
    assert rendered.pod("synthesize")["terminationGracePeriodSeconds"] == 630


@pytest.mark.parametrize("process", PROCESSES)
def test_replicas_are_spread_over_zones_and_nodes(defaults: Rendered, process: str) -> None:
    rules = defaults.pod(process)["topologySpreadConstraints"]
    templates = list(defaults.pod_templates().values())

    assert {rule["topologyKey"] for rule in rules} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for rule in rules:
        spread = list(selected(templates, rule["labelSelector"]["matchLabels"]))
        assert spread == [defaults.pod_templates()[process.replace("_", "-")]]


def test_pods_are_placed_as_the_values_say(render: Render) -> None:
    for template in render("placed").pod_templates().values():
        pod = template["spec"]
        assert pod["nodeSelector"] == {"pool": "workers"}
        assert pod["tolerations"][0]["key"] == "pool"
        assert pod["priorityClassName"] == "business"
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["containers"][0]["image"] == "ticketstream@sha256:" + "0" * 64


def test_no_registry_is_named(defaults: Rendered) -> None:
    assert {template["spec"]["containers"][0]["image"] for template in defaults.pod_templates().values()} == {
        "ticketstream:0.1.0"
    }


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_has_an_account_without_rights(defaults: Rendered, process: str) -> None:
    name = defaults.pod(process)["serviceAccountName"]

    assert defaults.of("ServiceAccount")[name]["automountServiceAccountToken"] is False
    assert defaults.of("RoleBinding") == {}
    assert defaults.of("ClusterRoleBinding") == {}


def test_what_must_not_run_twice_never_does(defaults: Rendered) -> None:
    for process in ("reconcile", "sealer"):
        spec = defaults.one("Deployment", process)["spec"]
        assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
