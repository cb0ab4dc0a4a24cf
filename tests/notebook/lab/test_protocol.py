"""The messages of JupyterLab's pages are the same in Python and in JavaScript."""

import re
from pathlib import Path
from typing import Any, get_args, is_typeddict

import pytest

from codex_jupyter.notebook.lab import COMM_TARGET, protocol, service
from tests.notebook.chat.test_protocol import properties

SOURCE = (Path(protocol.__file__).parent / "labextension" / "static" / "protocol.js").read_text(encoding="utf-8")
TYPEDEFS = re.findall(r"@typedef \{object\} (\w+)\n(.*?)\*/", SOURCE, re.DOTALL)
IN_JAVASCRIPT = {name: sorted(re.findall(r"@property \{(.+)\} (\[?\w+\]?)", body)) for name, body in TYPEDEFS}
UNIONS = {name: set(re.findall(r"\w+", body)) for body, name in re.findall(r"@typedef \{([^{}]*)\} (\w+)", SOURCE) if "|" in body}
IN_PYTHON: dict[str, Any] = {name: value for name, value in vars(protocol).items() if is_typeddict(value)}


def test_both_languages_have_the_same_types_of_messages() -> None:
    assert IN_PYTHON.keys() == IN_JAVASCRIPT.keys()


@pytest.mark.parametrize("name", IN_PYTHON)
def test_a_message_has_the_same_properties_in_both_languages(name: str) -> None:
    assert IN_JAVASCRIPT[name] == properties(IN_PYTHON[name])


@pytest.mark.parametrize(("name", "union"), [("Message", protocol.Message), ("Action", protocol.Action)])
def test_the_unions_list_every_message_and_every_action(name: str, union: Any) -> None:
    members = {member.__name__ for member in get_args(union)}
    assert members == UNIONS[name]
    assert members == {typed for typed in IN_PYTHON if typed.endswith(name)}


def test_the_kernel_performs_every_action_of_the_protocol() -> None:
    names = {get_args(IN_PYTHON[member.__name__].__annotations__["do"])[0] for member in get_args(protocol.Action)}
    assert names == set(service.ACTIONS)


def test_both_languages_have_the_same_constants() -> None:
    assert f'COMM_TARGET = "{COMM_TARGET}";' in SOURCE
    assert f"PROTOCOL = {protocol.PROTOCOL};" in SOURCE
