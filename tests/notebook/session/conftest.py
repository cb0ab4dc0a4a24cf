"""A shell in the process of the tests."""

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.notebook.shells import new_shell


@pytest.fixture(scope="module")
def ipython(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    """A shell with the extension, for all tests of a file."""
    with new_shell(tmp_path_factory.mktemp("ipython")) as shell:
        shell.run_line_magic("load_ext", "codex_jupyter")
        yield shell
        shell.run_line_magic("unload_ext", "codex_jupyter")
