"""A shell in the process of the test."""

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.notebook.shells import close_shell


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A new shell, without the one of an earlier test."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    yield shell
    close_shell(shell)
    InteractiveShell.clear_instance()
