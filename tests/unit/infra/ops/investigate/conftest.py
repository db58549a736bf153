from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def runbooks() -> frozenset[str]:
    """By name."""
    return frozenset(file.stem for file in Path("infra/runbooks").glob("*.md"))
