"""The page about other SDKs: every name exists, and the table of features is that of the code."""

import inspect
import json
import re
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import codex_jupyter
import codex_jupyter.sync
from codex_jupyter.sdk import CodexOptions, migration
from codex_jupyter.sdk.client_base import make_transport
from codex_jupyter.sdk.transports.base import Transport

PEERS = json.loads((Path(__file__).parents[1] / "data" / "peer_names.json").read_text(encoding="utf-8"))
"""The public names of the peers, with their versions: members, and parameters as `name(parameter=)`."""
PAGE = migration.__doc__ or ""


def rows(heading: str) -> list[list[str]]:
    """Return the cells of a table of the page, without its head."""
    part = next(part for part in PAGE.split("\n# ") if part.removeprefix("# ").startswith(heading))
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def pairs() -> list[tuple[str, str, str]]:
    return [(peer, left, right) for peer in PEERS for left, right in rows(f"From `{peer}`")]


@cache
def installed_names() -> frozenset[str] | None:
    """Return the names of `openai-codex`, if it is installed here in the version of the list."""
    if find_spec("openai_codex") is None or version("openai-codex") != PEERS["openai-codex"]["version"]:
        return None
    import openai_codex  # type: ignore[import-not-found,unused-ignore]

    return frozenset(dir(openai_codex))


def exists(name: str) -> bool:
    """Return whether a dotted name, or a parameter `name(parameter=)`, exists in this package."""
    path, _, parameter = name.rstrip("=)").partition("(")
    value: Any = codex_jupyter
    for part in path.split("."):
        fields = getattr(value, "model_fields", None) or getattr(value, "__dataclass_fields__", None) or {}
        if part in fields:
            value = fields[part]
        elif hasattr(value, part):
            value = getattr(value, part)
        else:
            # Attributes that are set by the constructor.
            return inspect.isclass(value) and f"self.{part}:" in inspect.getsource(value)
    return not parameter or parameter in inspect.signature(value).parameters


def test_both_tables_are_there() -> None:
    assert {peer for peer, _, _ in pairs()} == {"openai-codex", "@openai/codex-sdk"}
    assert len(pairs()) > 60


@pytest.mark.parametrize(("peer", "left", "right"), pairs(), ids=lambda text: str(text))
def test_a_name_of_the_page_exists_on_both_sides(peer: str, left: str, right: str) -> None:
    assert left in PEERS[peer]["names"]
    installed = installed_names()
    assert peer != "openai-codex" or installed is None or re.split(r"[.(]", left)[0] in installed
    assert exists(right)


def test_a_name_that_does_not_exist_is_found() -> None:
    assert not exists("Codex.thread_start")
    assert not exists("Codex.models(include_hidden=)")
    assert exists("Login.url")


@pytest.mark.parametrize("column", [(2, "exec"), (3, "app-server"), (4, "auto")])
def test_the_table_of_features_is_that_of_the_capabilities(column: tuple[int, str]) -> None:
    index, name = column
    transport = make_transport(name, CodexOptions())
    table = {row[1]: row[index] == "yes" for row in rows("Features by transport")}
    properties = {member for member, value in vars(Transport).items() if isinstance(value, property)}
    capabilities = {member for member in properties if member.startswith(("can_", "has_"))}
    assert set(table) == capabilities | {"open_turn"}
    for capability in capabilities:
        assert getattr(transport, capability) is table[capability], capability
