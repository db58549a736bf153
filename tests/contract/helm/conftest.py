"""Helm, and the chart rendered once per set of values."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.contract.helm.chart import CURE, Helm, Rendered, find_helm
from tests.contract.helm.options import OPTIONS

Render = Callable[[str], Rendered]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Skips where helm isn't installed; in CI nothing may be missing."""
    executable = find_helm()
    if executable is None:
        absent = f"helm is missing: {CURE}"
        if os.environ.get("CI") == "true":
            pytest.fail(absent, pytrace=False)
        pytest.skip(absent)
    return Helm(executable)


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """The release with one of OPTIONS."""
    done: dict[str, Rendered] = {}

    def rendered(option: str) -> Rendered:
        if option not in done:
            done[option] = helm.template(*OPTIONS[option])
        return done[option]

    return rendered


@pytest.fixture(scope="session")
def defaults(render: Render) -> Rendered:
    return render("defaults")


@pytest.fixture(params=list(OPTIONS))
def rendered(request: pytest.FixtureRequest, render: Render) -> Rendered:
    """With each of OPTIONS in turn."""
    return render(request.param)
