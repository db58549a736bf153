"""Who may use which command: every command is in the table, and the handbook tells the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from infra.ops.cli.acting import Acting, NotAllowed, Operator
from infra.ops.cli.main import ticketstream
from infra.ops.cli.rights import FORGOTTEN, RIGHTS, Reach, right_to, running_command, told
from sinks.postgres.operator_tokens import Role
from sinks.postgres.tenant_settings import RULES, Approver, allowed, engineering

HANDBOOK = Path("infra/handbook/access.md")
NAMES_A_TENANT = {"tenant_id", "tenant", "tenants"}


def commands(command: click.Command = ticketstream, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be run, by its words."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


TREE = dict(commands())


def test_every_command_has_its_line_in_the_table() -> None:
    assert sorted(TREE.keys() - RIGHTS.keys()) == [], "say in infra/ops/cli/rights.py who may use it"


@pytest.mark.parametrize("name", sorted(TREE))
def test_a_command_that_names_a_tenant_asks_who_is_there(name: str) -> None:
    takes = NAMES_A_TENANT & {parameter.name for parameter in TREE[name].params}
    if takes:
        assert right_to(name).role is not None and right_to(name).reach is not Reach.NONE


def test_a_forgotten_command_is_for_engineers_of_all_tenants() -> None:
    assert right_to("no such command") == FORGOTTEN
    assert (FORGOTTEN.role, FORGOTTEN.reach) == (Role.ENGINEER, Reach.ALL)


def test_the_command_that_runs_is_known_by_its_words() -> None:
    seen: list[str] = []

    @click.group()
    def root() -> None: ...

    @root.group()
    def tenant() -> None: ...

    @tenant.command("set")
    def set_() -> None:
        seen.append(running_command())

    root.main(["tenant", "set"], standalone_mode=False)
    assert seen == ["tenant set"] and running_command() == ""


def said_in_the_handbook(marker: str) -> list[str]:
    """The rows of its table behind `<!-- marker -->`."""
    text = HANDBOOK.read_text("utf-8").partition(f"<!-- {marker} -->")[2].lstrip("\n").partition("\n\n")[0]
    return text.splitlines()[2:]


def test_the_handbook_says_who_may_use_which_command() -> None:
    rows = [f"| `{name}` | {' | '.join(told(name))} |" for name in sorted(TREE)]
    assert said_in_the_handbook("commands") == rows, "\n".join(["put this into the handbook:", *rows])


def test_the_handbook_says_who_may_change_which_setting() -> None:
    words: dict[object, str] = {True: "true", False: "false", None: "given", "": "none"}
    rows = [
        f"| `{name}` | {words.get(rule.default, rule.default)} | {allowed(name)} | {rule.approver.value} |"
        for name, rule in RULES.items()
    ]
    assert said_in_the_handbook("settings") == rows, "\n".join(["put this into the handbook:", *rows])


def test_every_setting_has_an_approver_and_its_default_is_allowed() -> None:
    from sinks.postgres import tenant_settings

    assert RULES.keys() == tenant_settings._PARSERS.keys()
    for name, rule in RULES.items():
        if rule.default is not None:
            assert tenant_settings.parse({name: rule.default}) == {name: rule.default}


def test_engineering_approves_what_the_customer_says_it_does() -> None:
    assert RULES["max_concurrent_jobs"].approver is Approver.ENGINEERING
    assert engineering(["gpt4_model", "enhancement_timeout_seconds", "no_such", "webhook_burst"]) == [
        "enhancement_timeout_seconds",
        "webhook_burst",
    ]
    assert allowed("max_concurrent_jobs") == "a whole number from 1 to 50"


def at_work(role: Role, *tenants: str) -> Acting:
    return Acting(None, None, Operator("pat", role, frozenset(tenants) or None))  # type: ignore[arg-type]  # neither is asked


def test_support_is_refused_what_is_for_engineers_and_told_the_cure() -> None:
    at_work(Role.ENGINEER).need_engineer("this")
    at_work(Role.SUPPORT).need_for_settings(["gpt4_model"])
    with pytest.raises(
        NotAllowed, match=r"changing webhook_burst is for engineers: ask one, or set TICKETSTREAM_OPERATOR_TOKEN"
    ):
        at_work(Role.SUPPORT).need_for_settings(["gpt4_model", "webhook_burst"])


def test_who_has_some_tenants_is_refused_others_and_all() -> None:
    pat = at_work(Role.ENGINEER, "msp-one", "msp-two")
    pat.need_tenants(["msp-one", "msp-two"])
    with pytest.raises(NotAllowed) as refused:
        pat.need_tenants(["msp-one", "msp-three"])
    assert refused.value.tenant_id == "msp-three"
    with pytest.raises(NotAllowed, match="name one of yours: msp-one, msp-two"):
        pat.need_all_tenants("--all-tenants")
    assert not pat.operator.may_touch(None) and at_work(Role.SUPPORT).operator.may_touch(None)
