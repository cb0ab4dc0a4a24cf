"""Approvals: what is shown is what will run, only an exact answer grants, and what was allowed for good can be taken back."""

import builtins
import itertools
import json
import os
import pty
import re
import select
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codex_jupyter._visible_text import is_visible, reveal
from codex_jupyter.notebook.chat.transcript import question_card, typed_answers
from codex_jupyter.notebook.render import TurnInfo, footer_bundle, item_bundle
from codex_jupyter.notebook.render.approval import record
from codex_jupyter.notebook.render.phrases import count
from codex_jupyter.notebook.session.keyboard import ANSWERS, MAX_LINES, TRIES, Keyboard, ask, question_text
from codex_jupyter.sdk import ApprovalRequest, CommandExecutionItem, FileChangeItem, FileUpdateChange, McpToolCallItem, Turn
from codex_jupyter.sdk.transports.app_server.approvals import request_of
from codex_jupyter.testing import ScriptedModel, patch, shell, write_file
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel
from tests.notebook.render.markup import text_of
from tests.notebook.session.test_app_server import execute_with_keyboard
from tests.security.exact import HOSTILE, PIECES, quotes, unrevealed

Scripted = Callable[[Script], ScriptedModel]
ALWAYS = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git"]}}
JSON = st.recursive(
    HOSTILE | st.none() | st.booleans() | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner)
)


def command_request(command: str = "git status", **params: Any) -> ApprovalRequest:
    params = {"command": command, "availableDecisions": ["accept", ALWAYS, "cancel"], **params}
    request = request_of("item/commandExecution/requestApproval", params)
    assert request is not None
    return request


def shown(request: ApprovalRequest, columns: int = 80) -> dict[str, str]:
    """Return the content of a question by label, read back from what is shown. Every line is checked."""
    text = question_text(request, columns, full=True)
    assert all(character in "\n\t" or is_visible(character) for character in text)
    lines = text.split("\n")
    assert all(width(line) < columns for line in lines if "│" in line or "┆" in line)
    quoted, ours = quotes(lines)
    assert ours[0].startswith("Codex asks: ")
    assert [line for line in ours[1:] if not line.startswith(r"(\x..,")] == []
    return {name: unrevealed(character) for name, character in quoted.items()}


def width(line: str) -> int:
    return sum(
        8 if char == "\t" else 0 if unicodedata.category(char) in ("Mn", "Me") else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in line
    )


# What is shown is what will run.


@given(HOSTILE)
@settings(max_examples=400, deadline=None)
def test_a_text_reads_back_from_what_is_shown_and_every_character_can_be_seen(text: str) -> None:
    """In a block and in a line; so no two texts look the same."""
    for one_line in (False, True):
        exact = reveal(text, one_line=one_line)
        assert unrevealed(exact) == text
        assert all(is_visible(character) or (character in "\n\t" and not one_line) for character in exact)
        assert not re.search(r" {41}|\n[ \t]*\n[ \t]*\n[ \t]*\n", exact)


@cache
def characters() -> dict[str, list[str]]:
    """All characters of Unicode, by category."""
    by_category: dict[str, list[str]] = {}
    for character in map(chr, range(sys.maxunicode + 1)):
        by_category.setdefault(unicodedata.category(character), []).append(character)
    return by_category


@pytest.mark.parametrize("category", ["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])
def test_no_character_of_an_invisible_category_is_shown_raw(category: str) -> None:
    """All of Unicode, but for the space, newline and tab."""
    assert [character for character in characters()[category] if is_visible(character) and character not in " \n\t"] == []


BLANK = [
    *(0x00, 0x07, 0x08, 0x0B, 0x0D, 0x1B, 0x7F, 0x80, 0x90, 0x9B, 0x9D, 0x9F, 0xA0, 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x1680),
    *(0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180E, 0x180F, *range(0x2000, 0x2010), *range(0x2028, 0x2030), *range(0x205F, 0x2070)),
    *(0x2800, 0x3000, 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9), 0xFFFC, 0xE000, 0xFFFE, 0x1D159),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), 0x13441, 0x13442, 0x16FE4, 0xD800, 0xF0000, *range(0xE0000, 0xE1000)),
]
"""Code points that show nothing, or only room: Default_Ignorable_Code_Point of Unicode, controls, spaces, and symbols without ink."""


def test_characters_that_look_like_nothing_are_not_shown_raw() -> None:
    for character in map(chr, BLANK):
        assert not is_visible(character)
        assert reveal(f"a{character}b") != f"a{character}b"
    for character in "a~!é中אع👩│ ":
        assert is_visible(character)


@given(HOSTILE, HOSTILE, HOSTILE, st.integers(26, 200))
@settings(max_examples=200, deadline=None)
def test_a_command_is_asked_about_as_it_will_run(command: str, reason: str, folder: str, columns: int) -> None:
    """At the keyboard, and on the card; the agent's text stands right of the gutter only."""
    request = command_request(command, reason=reason, cwd=folder)
    expected = {name: text for name, text in {"command": command, "reason": reason, "folder": folder, "always": "git"}.items() if text}
    assert shown(request, columns) == expected
    card = question_card(request)
    assert {fact["name"]: unrevealed(fact["text"]) for fact in card["facts"]} == expected
    assert card["title"] == "Run this command?"
    assert unrevealed(record(request, "accept")) == f"you allowed this once: {command}"
    assert "\n" not in record(request, "accept")


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=100, deadline=None)
def test_a_patch_is_asked_about_with_its_moves_and_the_folder_that_it_grants(path: str, move: str, diff: str, root: str) -> None:
    changes = [
        {"path": path, "kind": {"type": "update", "move_path": move}, "diff": diff},
        {"path": "b", "kind": {"type": "add"}, "diff": ""},
    ]
    request = request_of("item/fileChange/requestApproval", {"grantRoot": root}, {"changes": changes})
    assert request is not None
    quoted = shown(request)
    assert quoted["files"] == f"update {path}" + (f"\n  to {move}" if move else "") + "\nadd b"
    assert quoted["patch"] == f"{path}\n{diff}\nb\n"
    assert quoted.get("may write", "") == root
    assert len(reveal(path, one_line=True).split("\n")) == 1  # a path cannot add a file to the list


@given(JSON, HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=100, deadline=None)
def test_a_tool_is_asked_about_with_all_of_its_arguments(arguments: Any, server: str, tool: str, message: str) -> None:
    meta = {"codex_approval_kind": "mcp_tool_call", "tool_name": tool, "tool_params": arguments, "persist": ["always"]}
    request = request_of("mcpServer/elicitation/request", {"serverName": server, "message": message, "_meta": meta})
    assert request is not None
    quoted = shown(request)
    assert [quoted.get(name, "") for name in ("server", "tool", "message")] == [server, tool, message]
    if isinstance(arguments, dict):
        arguments = {name: value for name, value in arguments.items() if value is not None}
    if isinstance(arguments, str) or arguments is None:
        assert quoted.get("arguments", "") == (arguments or "")
    else:
        assert json.loads(quoted["arguments"]) == arguments


@given(
    st.dictionaries(st.sampled_from(["network", "fileSystem", "new"]), JSON.filter(lambda value: value is not None), min_size=1), HOSTILE
)
@settings(max_examples=100, deadline=None)
def test_permissions_and_hosts_are_shown(permissions: dict[str, Any], host: str) -> None:
    """Permissions of a command, and permissions that are requested alone."""
    network = {"host": host, "protocol": "https"}
    of_command = command_request("x", additionalPermissions=permissions, networkApprovalContext=network)
    alone = request_of("item/permissions/requestApproval", {"permissions": permissions})
    assert alone is not None
    assert json.loads(shown(of_command)["permissions"]) == json.loads(shown(alone)["permissions"]) == permissions
    if host:
        assert shown(of_command)["host"] == f"{host} (https)"
        assert question_text(of_command).startswith("Codex asks: Let this command reach a host?\n")


def test_nothing_is_cut_without_a_way_to_see_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The question says how much is missing, and `f` shows it, before anything is decided."""
    lines = [f"+line {number}" for number in range(3_000)]
    changes = [{"path": "a", "kind": {"type": "add"}, "diff": "\n".join(lines)}]
    request = request_of("item/fileChange/requestApproval", {}, {"changes": changes})
    assert request is not None
    prompts, decision = answer(monkeypatch, request, "f", "n")
    assert f"{3_001 - MAX_LINES:,} more lines: answer f to see all" in prompts[0]
    assert "+line 1500" not in prompts[0]
    assert quotes(capsys.readouterr().out.split("\n"))[0]["patch"] == "a\n" + "\n".join(lines)
    assert decision == "decline"
    assert [fact["text"].count("\n") for fact in question_card(request)["facts"] if fact["name"] == "patch"] == [3_000]


def test_all_of_a_long_text_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    request = command_request("\n".join(f"echo {number}" for number in range(2_000)))
    answer(monkeypatch, request, "full", "n")
    quoted, _ = quotes(capsys.readouterr().out.split("\n"))
    assert quoted["command"] == request.command


@given(HOSTILE)
@example("\n" * 60 + "\x1b]0;PWNED\x07" * 3 + " " * 200)
@settings(max_examples=200, deadline=None)
def test_a_command_on_screen_is_the_one_that_ran(command: str) -> None:
    """Its lines are marked; so are those of the record."""
    item = CommandExecutionItem(id="c", command=command, aggregated_output="", exit_code=0, status="completed")
    bundle = item_bundle(item)
    first, *more = bundle["text/plain"].split("\n")[:-1]
    assert (first[:6], {line[:6] for line in more}) == ("    $ ", {"    > "} if more else set())
    lines = [first, *more]
    assert unrevealed("\n".join(line[6:] for line in lines)) == command
    exact, html = reveal(command), text_of(bundle["text/html"])
    assert "\n> ".join(exact.split("\n")) in html or f"whole command, {count(command.count(chr(10)) + 1, 'line')}{exact}" in html
    info = TurnInfo(decisions=(record(command_request(command), "accept"),))
    for text in footer_bundle(Turn(), info).values():
        assert all(character == "\n" or character == "\t" or is_visible(character) for character in text)
    said = footer_bundle(Turn(), info)["text/plain"].split("\n")[:-1]
    assert all(line.startswith("  ┆ ") for line in said[1:])
    assert unrevealed("".join([said[0], *(line[4:] for line in said[1:])])) == f"you allowed this once: {command}"


@pytest.mark.parametrize("piece", PIECES)
def test_what_the_agent_did_hides_nothing(piece: str) -> None:
    """Paths, tools, arguments: in both forms, every character can be seen."""
    text = f"x{piece}y"
    change = FileUpdateChange(path=f"/w/{text}", kind="update")
    for item in (
        FileChangeItem(id="f", changes=[change], status="completed"),
        McpToolCallItem(id="t", server=text, tool=text, arguments={text: text}, status="completed"),
        CommandExecutionItem(id="c", command=f"{text}\rls", aggregated_output="", status="completed"),
    ):
        bundle = item_bundle(item, diff=text)
        for shown_text in (bundle["text/plain"], text_of(bundle["text/html"])):
            assert reveal(text, one_line=item.type != "command_execution").split("\n")[0] in shown_text
            assert all(character in "\n\t" or is_visible(character) for character in shown_text)


def test_letters_of_other_scripts_do_not_reorder_a_command_on_screen() -> None:
    """Its parts are read in the order in which they run; a command without such letters needs no style for it."""
    for command, has_order in (("rm א ; ב ls", True), ("rm a ; b ls", False)):
        html = item_bundle(CommandExecutionItem(id="c", command=command, status="completed"))["text/html"]
        assert ("unicode-bidi:bidi-override" in html) == has_order


def test_a_shell_of_the_agent_is_a_part_of_the_command() -> None:
    """Only shells of the system are left out on screen."""
    for wrapper, visible in (
        ("/bin/bash -lc", False),
        ("/usr/bin/zsh -c", False),
        ("bash -lc", False),
        ("/home/x/bash -lc", True),
        ("./bash -c", True),
    ):
        text = item_bundle(CommandExecutionItem(id="c", command=f"{wrapper} 'ls -l'", status="completed"))["text/plain"]
        assert text.startswith(f"    $ {wrapper} 'ls -l'" if visible else "    $ ls -l\n")


def test_an_answer_of_a_card_is_the_option_and_not_what_was_shown() -> None:
    """Text that is shown through escapes is returned unchanged."""
    schema = {"type": "object", "properties": {"q": {"type": "string", "enum": ["a\u200bb", "c"], "default": "d\x1b"}}}
    request = request_of("mcpServer/elicitation/request", {"message": "?", "serverName": "s", "requestedSchema": schema})
    assert request is not None
    (question,) = question_card(request)["questions"]
    assert (question["options"], question["value"]) == ([r"a\u200bb", "c"], r"d\x1b")
    for text, meant in ((r"a\u200bb", "a\u200bb"), (r"d\x1b", "d\x1b"), ("other", "other")):
        assert typed_answers(request, {"q": text}) == {"q": meant}


# Only an exact answer grants.


def answer(monkeypatch: pytest.MonkeyPatch, request: ApprovalRequest, *typed: str, seconds: float = 2.0) -> tuple[list[str], Any]:
    """Answer at a keyboard of a front end, each time after so many seconds. The prompts, and the decision."""
    prompts: list[str] = []
    lines = iter(typed)

    def read(prompt: str = "") -> str:
        prompts.append(prompt)
        return next(lines)

    monkeypatch.setattr(builtins, "input", read)
    clock = itertools.count(0.0, seconds)
    return prompts, ask(request, Keyboard(clock=lambda: next(clock)))


NOT_ANSWERS = [
    *("abort", "absolutely not", "are you sure?", "a", "al", "alway", "always!", "always please", "stop", "skip", "say no", "ss", "sess"),
    *(
        "you must not",
        "ye",
        "yess",
        "y es",
        "yn",
        "y y",
        "y,",
        "1",
        "",
        "accept",
        "ok",
        "s = df.sum()",
        "never",
        "not",
        "co",
        "ſ",
        "ｙ",
        "y\u200b",
        "\u2004y\ufeff",
    ),
]


@pytest.mark.parametrize("typed", NOT_ANSWERS)
def test_an_answer_that_is_not_a_whole_word_of_those_named_is_asked_again(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    prompts, decision = answer(monkeypatch, command_request(), typed, "n")
    assert decision == "decline"
    assert prompts[1] == "This is not a valid answer, so nothing is decided. y, s, always, n, c > "


@pytest.mark.parametrize(
    ("typed", "decision"),
    [
        *(("y", "accept"), ("yes", "accept"), (" YES ", "accept"), ("s", "accept_for_session"), ("Session", "accept_for_session")),
        *(("always", "accept_always"), ("n", "decline"), ("no", "decline"), ("c", "cancel"), ("cancel", "cancel")),
    ],
)
def test_a_named_word_decides(monkeypatch: pytest.MonkeyPatch, typed: str, decision: str) -> None:
    assert answer(monkeypatch, command_request(), typed)[1] == decision


@given(HOSTILE)
@settings(deadline=None)
def test_no_other_text_grants(text: str) -> None:
    words = {word for typed in ANSWERS.values() for word in typed}
    with pytest.MonkeyPatch.context() as monkeypatch:
        if text.strip().lower() not in words:
            prompts, decision = answer(monkeypatch, command_request(), *[text] * TRIES)
            assert (len(prompts), decision) == (TRIES, "decline")


def test_after_many_other_answers_it_is_a_no(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(monkeypatch, command_request(), *["what?"] * TRIES)[1] == "decline"
    assert capsys.readouterr().out == f"There was no valid answer in {TRIES} tries, so the request is declined.\n"


def test_a_choice_that_is_not_offered_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    request = command_request(availableDecisions=["accept", "cancel"])
    prompts, decision = answer(monkeypatch, request, "s", "always", "n")
    assert (len(prompts), decision) == (3, "decline")
    assert prompts[0].endswith("\ny, n, c > ")


def test_an_answer_that_comes_at_once_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither yes, nor the answer to a question of the agent."""
    prompts, decision = answer(monkeypatch, command_request(), *["y"] * TRIES, seconds=0.9)
    assert (len(prompts), decision) == (TRIES, "decline")
    assert prompts[1].startswith("This was typed too early to be an answer.")
    asks = request_of("item/tool/requestUserInput", {"questions": [{"id": "q", "question": "Delete it?"}]})
    assert asks is not None
    assert answer(monkeypatch, asks, *["yes"] * TRIES, seconds=0.9)[1] == "decline"
    assert answer(monkeypatch, asks, "yes")[1] == {"q": "yes"}


CHILD = """
import fcntl, struct, sys, termios, time
from codex_jupyter.notebook.session.keyboard import Keyboard, ask
from codex_jupyter.sdk.transports.app_server.approvals import request_of
print("ready", flush=True)
while not struct.unpack("i", fcntl.ioctl(0, termios.FIONREAD, struct.pack("i", 0)))[0]:
    time.sleep(0.01)
request = request_of("item/commandExecution/requestApproval", {"command": "rm x"})
print("decided", ask(request, Keyboard(terminal=True)), flush=True)
"""


@pytest.mark.integration
def test_in_a_terminal_what_was_typed_before_the_question_is_dropped() -> None:
    """A real one: the y that waits in it decides nothing."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""

    def until(text: bytes) -> None:
        nonlocal said
        while text not in said:
            assert select.select([ours], [], [], 60)[0], said
            said += os.read(ours, 4096)

    try:
        until(b"ready")
        os.write(ours, b"y\n")
        until(b"y, s, n, c > ")
        os.write(ours, b"n\n")
        until(b"decided")
        until(b"decline")
        assert b"decided accept" not in said
    finally:
        child.kill()
        child.wait()
        os.close(ours)


# With the real CLI, in a real kernel.

HIDING = "echo one \x1b]0;PWNED\x07; echo made > made.txt \u200b# \u202e" + "\n" * 60 + "y       yes, this once"


def test_a_real_question_hides_nothing_of_the_command_and_neither_do_the_item_and_the_record(kernel: Kernel, scripted: Scripted) -> None:
    scripted([[[shell(HIDING, justification="nice\x1b[2K\rreason")], "Done."]])
    prompts, text = execute_with_keyboard(kernel, "%%codex -a on-request -s read-only\ngo", "y")
    quoted, ours = quotes(prompts[0].split("\n"))
    assert HIDING in unrevealed(quoted["command"])
    assert unrevealed(quoted["reason"]) == "nice\x1b[2K\rreason"
    assert sum(line.startswith("  y  ") for line in ours) == 1
    assert len(prompts[0].split("\n")) < 25
    assert r"\x1b]0;PWNED\x07; echo made > made.txt \u200b# \u202e" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u202e]", prompts[0] + text)


def test_typed_ahead_text_decides_nothing_in_a_real_kernel(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """With a long first second, so that no machine is too slow for it."""
    scripted([[[shell("echo made > made.txt", justification="x")], "Pity."]])
    kernel.execute("from codex_jupyter.notebook.session import keyboard\nkeyboard.TOO_EARLY = 300.0")
    try:
        prompts, text = execute_with_keyboard(kernel, "%%codex -a on-request -s read-only\ngo", *["y"] * TRIES, reading=0)
    finally:
        kernel.execute("keyboard.TOO_EARLY = 1.0")
    assert len(prompts) == TRIES
    assert "you declined: " in text
    assert not (tmp_path / "work" / "made.txt").exists()


def test_a_rule_is_listed_and_revoked_and_the_next_prompt_asks_again(kernel: Kernel, scripted: Scripted, codex_home: Path) -> None:
    """In the same thread, whose server had read the rule."""
    command = shell("git --version", justification="x")
    scripted([[[command], "One."], [[command], "Two."], [[command], "Three."]])
    assert kernel.execute("%codex rules").value == "Nothing is approved permanently."
    cell = "%%codex -a on-request -s read-only\ngo"
    asked, _ = execute_with_keyboard(kernel, cell, "always")
    assert "always │ git --version\n" in asked[0]
    assert execute_with_keyboard(kernel, cell)[0] == []
    listed = kernel.execute("%codex rules").value
    assert listed is not None
    assert listed.splitlines()[1].startswith("1   commands  git --version  ")
    assert listed.endswith(str(codex_home / "rules" / "default.rules"))
    for wrong in ("2", "0", "-1", "x", ""):
        refused = kernel.execute(f"%codex rules revoke {wrong}")
        assert ("There is no rule" if wrong else "Give the number") in f"{refused.error}{refused.text}"
    done = kernel.execute("%codex rules revoke 1")
    assert done.text == "Not approved permanently any more: commands git --version."
    assert len(execute_with_keyboard(kernel, cell, "n")[0]) == 1
    assert kernel.execute("%codex rules").value == "Nothing is approved permanently."


def test_in_the_demo_nothing_is_allowed_for_good(kernel: Kernel, tmp_path: Path) -> None:
    """It is not offered, and not an answer; the session is."""
    kernel.execute(
        "from codex_jupyter.testing import ScriptedModel, shell\ncommand = shell('git --version', justification='x')\n"
        f"model = ScriptedModel([[[command], [command], 'One.']], codex_home={str(tmp_path / 'demo')!r})\n%codex use model"
    )
    prompts, text = execute_with_keyboard(kernel, "%%codex -a on-request -s read-only\ngo", "always", "s")
    assert prompts[0].endswith("\ny, s, n, c > ")
    assert "always" not in prompts[0]
    assert prompts[1].startswith("This is not a valid answer")
    assert "you allowed this for the session: " in text
    assert not (tmp_path / "demo" / "rules").exists()
    kernel.execute("%codex demo off")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "codex-jupyter" / "demo"


@pytest.mark.integration
def test_rules_of_an_earlier_demo_end_when_the_next_one_starts_and_with_it(state: Path, tmp_path: Path) -> None:
    """In the shared home; a home of the user's choice is the user's."""
    rule = 'prefix_rule(pattern=["rm"], decision="allow")\n'
    own = tmp_path / "own"
    for home in (state, own):
        (home / "rules").mkdir(parents=True)
        (home / "rules" / "default.rules").write_text(rule)
    with ScriptedModel([], codex_home=own), ScriptedModel([]):
        assert not (state / "rules").exists()
        (state / "rules").mkdir()
        (state / "rules" / "default.rules").write_text(rule)
    assert not (state / "rules").exists()
    assert (own / "rules" / "default.rules").read_text() == rule


def test_a_move_is_shown_in_a_real_question(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "work" / "old.txt").write_text("one\n")
    moves = "*** Begin Patch\n*** Update File: old.txt\n*** Move to: new.txt\n@@\n-one\n+two\n*** End Patch"
    long = write_file("long.txt", "".join(f"line {number}\n" for number in range(500)))
    scripted([[[patch(moves)], [long], "Pity."]])
    prompts, text = execute_with_keyboard(kernel, "%%codex -a on-request -s read-only\ngo", "n", "f", "n")
    files, _ = quotes(prompts[0].split("\n"))
    assert files["files"] == f"update {tmp_path}/work/old.txt\n  to {tmp_path}/work/new.txt"
    assert "line 250" not in prompts[1]
    assert "more lines: answer f to see all" in prompts[1]
    assert "line 250\n" in text
