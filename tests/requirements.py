"""Requirements of tests beside the Python packages, such as npm or a package index."""

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, but fail it in CI, where everything that the tests need must be present.

    Args:
        reason: What is missing.
    """
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
