"""What `ticketstream reconcile` takes from its surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.ops.cli.commands.reconcile import KEY_FILE, PROCESS_KEY_FILE, _settings
from infra.ops.cli.failure import Failure
from infra.ops.cli.surroundings import Surroundings
from infra.runtime.keys.rings import new_ring_key


def around(folder: Path, *named: str) -> Surroundings:
    """Each variable that is named has a file of its own name."""
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "DATABASE_URL_RECONCILE": "postgresql:///ticketstream",
        "TICKETSTREAM_CREDENTIAL_KEYS": new_ring_key("k1"),
    }
    for name in named:
        (folder / name).touch()
    return Surroundings(folder, given | {name: str(folder / name) for name in named})


@pytest.mark.parametrize(
    ("named", "taken"),
    [((KEY_FILE, PROCESS_KEY_FILE), KEY_FILE), ((KEY_FILE,), KEY_FILE), ((PROCESS_KEY_FILE,), PROCESS_KEY_FILE)],
)
@pytest.mark.parametrize("local", [True, False])
def test_the_key_file_that_is_named_goes_before_the_local_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...], taken: str, local: bool
) -> None:
    (tmp_path / "stacks").touch()

    def stacks(_: Path, environment: Mapping[str, str]) -> dict[str, str]:
        return {} if environment.get(KEY_FILE) else {KEY_FILE: str(tmp_path / "stacks")}

    monkeypatch.setattr("infra.ops.local.stack.endpoints.reconcile_environment", stacks)
    monkeypatch.setattr(Surroundings, "variables", property(lambda self: self.given))
    monkeypatch.setattr(Surroundings, "endpoints", SimpleNamespace() if local else None)

    assert _settings(around(tmp_path, *named)).signing_key_file == tmp_path / taken
    if local:
        assert _settings(around(tmp_path)).signing_key_file == tmp_path / "stacks"
    else:
        with pytest.raises(Failure, match=KEY_FILE):
            _settings(around(tmp_path))
