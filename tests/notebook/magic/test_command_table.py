"""The table of commands agrees with what the commands take."""

import pytest

from codex_jupyter.demo import SCRIPTS
from codex_jupyter.notebook.magic.command_table import find_command


@pytest.mark.parametrize("line", ["demo", *(f"demo {name}" for name in SCRIPTS)])
def test_the_demo_command_takes_the_names_of_all_scripts(line: str) -> None:
    """The pattern repeats the names, because importing the scripts at load would be slow."""
    match = find_command(line)
    assert match is not None
    assert match[0].function == "demo"
