"""What runs before each installation and upgrade: migrations, then topics."""

from __future__ import annotations

import pytest

from infra.ops.cli.main import ticketstream
from sinks.postgres.roles import LOGINS
from tests.contract.helm.chart import Rendered, facts
from tests.contract.helm.conftest import Render

JOBS = ("setup-migrate", "setup-topics")


@pytest.mark.parametrize("job", JOBS)
def test_it_runs_first_and_again_when_it_failed(defaults: Rendered, job: str) -> None:
    manifest = defaults.one("Job", job)

    assert manifest["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "before-hook-creation" in manifest["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert manifest["spec"]["backoffLimit"] == 6


@pytest.mark.parametrize("job", JOBS)
def test_it_needs_nothing_that_the_chart_makes_later(defaults: Rendered, job: str) -> None:
    pod = defaults.pod(job)

    assert "serviceAccountName" not in pod
    assert "envFrom" not in pod["containers"][0]
    assert not [volume for volume in pod["volumes"] if "configMap" in volume]


def test_tables_come_before_topics(defaults: Rendered) -> None:
    migrate, topics = (int(defaults.one("Job", job)["metadata"]["annotations"]["helm.sh/hook-weight"]) for job in JOBS)

    assert migrate < topics


@pytest.mark.parametrize("option", ["defaults", "trial"])
@pytest.mark.parametrize("job", JOBS)
def test_its_command_is_one_of_ours(render: Render, option: str, job: str) -> None:
    group, command, *options = render(option).container(job)["args"]
    found = ticketstream.get_command(None, group)  # type: ignore[arg-type]  # looks nothing up in it
    made = found.commands[command].make_context(command, options)  # type: ignore[union-attr]

    if option == "trial" and job == "setup-topics":
        assert (made.params["partitions"], made.params["single_node"]) == (8, True)


def test_the_migration_sets_the_password_of_each_role_in_use(defaults: Rendered) -> None:
    variables = defaults.environment("setup-migrate")
    given = {
        name.removeprefix("TICKETSTREAM_ROLE_PASSWORD_").lower(): value
        for name, value in variables.items()
        if name.startswith("TICKETSTREAM_ROLE_PASSWORD_")
    }

    assert set(given) == {*facts(), "operator"}
    assert {f"ticketstream_{name}" for name in given} <= set(LOGINS)
    assert given["feedback_aggregate"] == ("ticketstream-setup", "role-password-feedback-aggregate")
    assert variables["DATABASE_URL"].startswith(
        "postgresql://migrator@postgresql:5432/ticketstream?sslmode=verify-full"
    )
    assert variables["PGPASSWORD"] == ("ticketstream-setup", "migrator-password")


def test_topics_are_made_by_the_administrator_and_noted_by_the_operator(defaults: Rendered) -> None:
    variables = defaults.environment("setup-topics")

    assert variables["KAFKA_SASL_USERNAME"] == "ticketstream-admin"
    assert variables["KAFKA_SASL_PASSWORD"] == ("ticketstream-setup", "kafka-password")
    assert "ticketstream_operator@" in variables["DATABASE_URL_OPERATOR"]
    assert "DATABASE_URL" not in variables


def test_its_external_secret_is_there_before(render: Render) -> None:
    rendered = render("external secrets")
    secrets = rendered.of("ExternalSecret")
    before = {name for name, one in secrets.items() if "helm.sh/hook" in one["metadata"].get("annotations", {})}

    assert before == {"ticketstream-setup"}
    assert int(secrets["ticketstream-setup"]["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0


def test_it_is_left_out_where_the_values_say_so(render: Render) -> None:
    assert render("no setup").of("Job") == {}
