"""The table of commands agrees with what the commands take."""

import pytest

from codex_jupyter.demo import SCRIPTS
from codex_jupyter.notebook.magic.command_table import find_command


@pytest.mark.parametrize("line", ["demo", *(f"demo {name}" for name in SCRIPTS)])
def test_the_demo_command_takes_the_names_of_all_scripts(line: str) -> None:
    match = find_command(line)
    assert match is not None
    assert match[0].function == "demo"


def test_the_demo_command_takes_a_wrong_name_to_list_the_scripts_and_off_ends_the_demo() -> None:
    functions = [match[0].function for line in ("demo nosuch", "demo off", "demo office") if (match := find_command(line)) is not None]
    assert functions == ["demo", "demo_off", "demo"]
