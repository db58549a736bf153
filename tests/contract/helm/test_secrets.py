"""Who gets which secret: each process what is named for it and nothing else, always from a Secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from infra.ops.local.stack.services import RINGS
from schemas.topics import SIGNED_BY
from tests.contract.helm.chart import Helm, HelmRefused, Manifest, Rendered, facts
from tests.contract.helm.conftest import Render
from tests.contract.helm.options import OPTIONS

PROCESSES = tuple(facts())
SECRET_VARIABLE = re.compile(r"PASSWORD|_KEYS$|API_KEY$|TOKEN")
AUTHORITIES = {"kafka-ca", "postgresql-ca"}


RECONCILING = {("ticketstream-reconcile", "database-password"), ("ticketstream-reconcile", "signing.pem")}
"""What the command `reconcile` needs of that process's Secret."""


def secrets_of(pod: Manifest) -> set[tuple[str, str]]:
    """`(Secret, key)` that a pod is given, as a variable or as a file."""
    (container,) = pod["containers"]
    references = [entry["valueFrom"]["secretKeyRef"] for entry in container["env"] if "valueFrom" in entry]
    given = {(one["name"], one["key"]) for one in references}
    for volume in pod["volumes"]:
        if "secret" in volume:
            assert volume["secret"]["items"], "the keys by name, never the whole Secret"
            given |= {(volume["secret"]["secretName"], item["key"]) for item in volume["secret"]["items"]}
    return given


def expected(process: str, *, rings: Mapping[str, tuple[str, ...]], sasl: bool = True) -> set[str]:
    """The keys of a process's Secret, by what the code says of it."""
    keys = {"database-password"} | {ring.replace("_", "-") for ring in rings.get(process, ())}
    keys |= {"kafka-password"} if sasl and process != "sealer" else set()
    keys |= {"signing.pem"} if process in SIGNED_BY or process == "console" else set()
    keys |= {"operator-database-password"} if process == "console" else set()
    return keys | ({"openrouter-api-key"} if process == "synthesize" else set())


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_has_its_own_secrets_and_no_others(defaults: Rendered, process: str) -> None:
    rings = {name: found for name, found in RINGS.items() if name != "enrich"}
    own = f"ticketstream-{process.replace('_', '-')}"
    given = {(name, key) for name, key in secrets_of(defaults.pod(process)) if name not in AUTHORITIES}

    assert given == {(own, key) for key in expected(process, rings=rings)} | (
        RECONCILING if process == "console" else set()
    )


def test_enrich_opens_credentials_only_where_tenants_are_in_bearer_mode(render: Render) -> None:
    given = {key for name, key in secrets_of(render("bearer mode").pod("enrich")) if name not in AUTHORITIES}

    assert given == expected("enrich", rings=RINGS)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_logs_in_to_the_database_as_its_own_role(defaults: Rendered, process: str) -> None:
    variables = defaults.environment(process)
    urls = {name: value for name, value in variables.items() if name.startswith("DATABASE_URL")}

    also = ["DATABASE_URL_OPERATOR", "DATABASE_URL_RECONCILE"] if process == "console" else []
    assert list(urls) == [f"DATABASE_URL_{process.upper()}", *also]
    assert urls[f"DATABASE_URL_{process.upper()}"] == (
        f"postgresql://ticketstream_{process}@postgresql:5432/ticketstream"
        "?sslmode=verify-full&sslrootcert=/etc/ticketstream/postgresql/ca.crt"
    )
    assert variables["PGPASSWORD"] == (f"ticketstream-{process.replace('_', '-')}", "database-password")


@pytest.mark.parametrize("process", [name for name in PROCESSES if name != "sealer"])
def test_a_process_logs_in_to_kafka_as_its_own_principal(defaults: Rendered, process: str) -> None:
    variables = defaults.environment(process)

    assert variables["KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
    assert variables["KAFKA_SASL_USERNAME"] == f"ticketstream-{process}"
    assert variables["KAFKA_SSL_CA_LOCATION"] == "/etc/ticketstream/kafka/ca.crt"


def test_the_sealer_hears_nothing_of_kafka(defaults: Rendered) -> None:
    assert [name for name in defaults.environment("sealer") if name.startswith("KAFKA")] == []


def test_what_is_secret_comes_from_a_secret(rendered: Rendered) -> None:
    plain = {
        (name, entry["name"])
        for name, template in rendered.pod_templates().items()
        for entry in template["spec"]["containers"][0]["env"]
        if SECRET_VARIABLE.search(entry["name"]) and "valueFrom" not in entry
    }

    assert plain == set()


def test_the_chart_makes_no_secret_itself(rendered: Rendered) -> None:
    assert rendered.of("Secret") == {}


def test_a_file_of_a_secret_is_not_for_everybody(rendered: Rendered) -> None:
    for template in rendered.pod_templates().values():
        assert template["spec"]["securityContext"]["fsGroup"] == 10001
        for volume in template["spec"]["volumes"]:
            if volume["name"] in ("keys", "kafka-client", "reconcile-key"):
                assert volume["secret"]["defaultMode"] == 0o440, volume["name"]


def test_existing_secrets_are_called_as_the_values_say(render: Render) -> None:
    rendered = render("existing secrets")

    assert rendered.environment("feedback_aggregate")["PGPASSWORD"] == (
        "tickets-feedback-aggregate",
        "database-password",
    )
    assert rendered.of("ExternalSecret") == {}
    annotations = rendered.pod_templates()["ingest"]["metadata"]["annotations"]
    assert annotations["ticketstream.com/secrets-revision"] == "2026-11-20"


def test_the_command_reconcile_has_what_the_process_of_that_name_has(render: Render, defaults: Rendered) -> None:
    process = defaults.environment("reconcile")
    for rendered, name in ((defaults, "console"), (render("toolbox"), "toolbox")):
        given, pod = rendered.environment(name), rendered.pod(name)
        assert given["DATABASE_URL_RECONCILE"] == process["DATABASE_URL_RECONCILE"]
        assert given["PGPASSWORD_RECONCILE"] == process["PGPASSWORD"]
        folder, _, file = str(given["TICKETSTREAM_RECONCILE_SIGNING_KEY_FILE"]).rpartition("/")
        (volume,) = (one["name"] for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == folder)
        (secret,) = (one["secret"] for one in pod["volumes"] if one["name"] == volume)
        assert (secret["secretName"], secret["items"]) == ("ticketstream-reconcile", [{"key": file, "path": file}])


def test_external_secrets_hold_what_pods_are_given_and_no_more(render: Render) -> None:
    rendered = render("external secrets")
    made = {
        (name, item["secretKey"]) for name, one in rendered.of("ExternalSecret").items() for item in one["spec"]["data"]
    }
    given = set().union(*(secrets_of(template["spec"]) for template in rendered.pod_templates().values()))

    replays = {("ticketstream-operator", "signing.pem"), ("ticketstream-console", "signing.pem")}
    assert {one for one in given if one[0] not in AUTHORITIES} - made == replays
    assert made - given == set()


def test_a_roles_password_is_in_the_store_once(render: Render) -> None:
    setup = render("external secrets").of("ExternalSecret")["ticketstream-setup"]["spec"]["data"]
    remote = {item["secretKey"]: item["remoteRef"] for item in setup}

    assert remote["role-password-feedback-aggregate"] == {
        "key": "ticketstream/feedback-aggregate",
        "property": "database-password",
    }


def test_secrets_either_exist_or_are_made(helm: Helm) -> None:
    with pytest.raises(HelmRefused, match="either exist or are made"):
        helm.template(*OPTIONS["external secrets"], "--set", "secrets.existing=tickets")


def test_a_store_is_named(helm: Helm) -> None:
    with pytest.raises(HelmRefused, match="which store"):
        helm.template("--set", "secrets.external.enabled=true")


@pytest.mark.parametrize("process", [name for name in PROCESSES if name != "sealer"])
def test_with_client_certificates_each_process_shows_its_own(render: Render, process: str) -> None:
    rendered = render("client certificates")
    own = f"ticketstream-{process.replace('_', '-')}"
    variables: dict[str, Any] = rendered.environment(process)

    assert {(own, "kafka.crt"), (own, "kafka.key")} <= secrets_of(rendered.pod(process))
    assert variables["KAFKA_SSL_KEY_LOCATION"] == "/etc/ticketstream/kafka-client/kafka.key"
    assert "KAFKA_SASL_PASSWORD" not in variables
