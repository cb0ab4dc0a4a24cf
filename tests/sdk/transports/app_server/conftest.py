"""The codex CLI as an app-server."""

import pytest

from tests.sdk.conftest import Real


@pytest.fixture
def live(real: Real) -> Real:
    """The real CLI as an app-server."""
    real.transport = "app-server"
    return real
