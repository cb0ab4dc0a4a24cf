"""Permanent approvals: all of them are listed, and one is revoked without a change of anything else."""

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_jupyter.sdk import ConfigError
from codex_jupyter.sdk.approval_rules import permanent_approvals, revoke
from codex_jupyter.testing import mcp, shell
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real
from tests.sdk.transports.app_server.test_approvals import Answers, desk, thread

RULES = """\
# Mine.
prefix_rule(pattern=["git", "status"], decision="allow")
prefix_rule(
    pattern = ["gh", ["pr", "issue"], "view"],  # either
    justification = "reads only",
)  # by hand
prefix_rule(pattern=["rm"], decision="forbidden")
prefix_rule(pattern=["ls", "a b"], decision="allow"); prefix_rule(pattern=["pwd"])
network_rule(host="a.example", protocol="https", decision="allow")
network_rule(host="b.example", protocol="https", decision="deny")
"""
CONFIG = """\
model = "x"  # approval_mode = "approve"
[mcp_servers.desk]
command = "desk"
default_tools_approval_mode = 'approve'

[mcp_servers.desk.tools.write]
approval_mode = "approve"   # yes
output_token_limit = 3

[mcp_servers.desk.tools.read]
approval_mode = "auto"

[mcp_servers.other]
command = "other"
tools = { one = { approval_mode = "approve" }, two = { approval_mode = "approve", output_token_limit = 1 } }
tools.three.approval_mode = "prompt"

[apps.mail.tools."send it"]
approval_mode = "approve"
"""


def home_of(folder: Path, rules: str = RULES, config: str = CONFIG.replace('tools.three.approval_mode = "prompt"\n', "")) -> Path:
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "default.rules").write_text(rules)
    (folder / "config.toml").write_text(config)
    return folder


def names(home: Path) -> list[tuple[str, str]]:
    return [(approval.subject, approval.name) for approval in permanent_approvals(home)[0]]


LISTED = [
    ("commands", "git status"),
    ("commands", "gh pr|issue view"),
    ("commands", "ls 'a b'"),
    ("commands", "pwd"),
    ("host", "https a.example"),
    ("all tools", "desk"),
    ("tool", "desk.write"),
    ("tool", "other.one"),
    ("tool", "other.two"),
    ("tool", "mail.send it"),
]


def test_all_that_is_allowed_is_listed_and_nothing_else(tmp_path: Path) -> None:
    """Rules that forbid or ask are not approvals."""
    home = home_of(tmp_path)
    assert names(home) == LISTED
    assert permanent_approvals(home)[1] == []
    assert permanent_approvals(tmp_path / "nowhere") == ([], [])


@pytest.mark.parametrize("number", range(len(LISTED)))
def test_one_is_taken_back_and_the_rest_stays(tmp_path: Path, number: int) -> None:
    """Comments, other rules and other settings included."""
    home = home_of(tmp_path)
    before = tomllib.loads((home / "config.toml").read_text())
    (home / "config.toml").chmod(0o600)
    revoke(permanent_approvals(home)[0][number])
    assert names(home) == LISTED[:number] + LISTED[number + 1 :]
    rules, config = (home / "rules" / "default.rules").read_text(), (home / "config.toml").read_text()
    assert "# Mine." in rules
    assert 'prefix_rule(pattern=["rm"], decision="forbidden")' in rules
    assert config.startswith('model = "x"  # approval_mode = "approve"\n')
    assert (home / "config.toml").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in home.iterdir()} == {"rules", "config.toml"}
    if number < 5:
        assert tomllib.loads(config) == before


def test_all_are_taken_back_one_by_one(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    while permanent_approvals(home)[0]:
        revoke(permanent_approvals(home)[0][0])
    assert "forbidden" in (home / "rules" / "default.rules").read_text()
    assert tomllib.loads((home / "config.toml").read_text())["mcp_servers"]["desk"]["tools"]["write"] == {"output_token_limit": 3}


def test_what_cannot_be_listed_is_named(tmp_path: Path) -> None:
    """A list that looked complete and were not would be a wrong one."""
    rules = 'NAME = "x"\n[prefix_rule(pattern=[n]) for n in ["a"]]\nprefix_rule(pattern=[NAME])\nprefix_rule(pattern=["b"])\n'
    home = home_of(tmp_path, rules, "x = [")
    (home / "rules" / "other.rules").write_text("prefix_rule(")
    (home / "rules" / "zero.rules").write_bytes(b"\x00\xff")
    approvals, problems = permanent_approvals(home)
    assert [approval.name for approval in approvals] == ["b"]
    assert [problem.split(str(home))[1].split(" cannot")[0].split(": this")[0] for problem in problems] == [
        "/rules/default.rules, line 2",
        "/rules/default.rules, line 3",
        "/rules/other.rules",
        "/rules/zero.rules",
        "/config.toml",
    ]


def test_what_is_gone_or_has_another_form_is_left_alone(tmp_path: Path) -> None:
    """The file stays as it is, and the error says where to edit it."""
    odd = 'mcp_servers.desk = { tools = { write = {\n"approval_mode" = """approve""" } } }\n'
    home = home_of(tmp_path, config=odd)
    for approval in (permanent_approvals(home)[0][0], permanent_approvals(home)[0][-1]):
        if approval.subject == "commands":
            (home / "rules" / "default.rules").write_text("")
        with pytest.raises(ConfigError, match="Edit the file"):
            revoke(approval)
    assert (home / "config.toml").read_text() == odd


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """As people have who keep their settings elsewhere."""
    home = home_of(tmp_path / "home")
    (home / "config.toml").rename(tmp_path / "dotfile")
    (home / "config.toml").symlink_to(tmp_path / "dotfile")
    revoke(permanent_approvals(home)[0][-1])
    assert (home / "config.toml").is_symlink()
    assert "send it" not in "".join(name for _, name in names(home))


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3), max_size=4), st.data())
@settings(deadline=None, max_examples=60)
def test_any_rule_that_the_cli_writes_can_be_taken_back(
    tmp_path_factory: pytest.TempPathFactory, rules: list[list[str]], data: st.DataObject
) -> None:
    """Its words are JSON strings."""

    lines = [f'prefix_rule(pattern={json.dumps(words, ensure_ascii=False)}, decision="allow")\n' for words in rules]
    home = home_of(tmp_path_factory.mktemp("home"), "".join(lines), "")
    approvals = permanent_approvals(home)[0]
    assert len(approvals) == len(rules)
    if rules:
        number = data.draw(st.integers(0, len(rules) - 1))
        revoke(approvals[number])
        kept = (home / "rules" / "default.rules").read_bytes().decode()
        assert sorted(kept) == sorted("".join(lines[:number] + lines[number + 1 :]))


@pytest.mark.anyio
async def test_what_the_real_cli_was_allowed_for_good_is_asked_about_again(real: Real) -> None:
    """A command by its rule, a tool by its setting."""
    home = real.folder / "home"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(tomli_w.dumps(desk()))
    turn = [[shell("git --version", justification="x")], [mcp("desk", "write", {})], "Done."]
    asked: list[int] = []
    for answers in (["accept_always"] * 2, [], ["decline"] * 2):
        handler = Answers(*answers)
        conversation = thread(real, [turn], model=DIRECT)
        await conversation.run("go", on_approval=handler)
        asked.append(len(handler.requests))
        if len(asked) == 2:
            assert names(home) == [("commands", "git --version"), ("tool", "desk.write")]
            for approval in permanent_approvals(home)[0]:
                revoke(approval)
            assert permanent_approvals(home) == ([], [])
    assert asked == [2, 0, 2]
