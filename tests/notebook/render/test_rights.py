"""The rights of a turn in its header, and what was refused in its footer."""

from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.notebook.chat.transcript import finished_turn
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo, footer_bundle, header_bundle, item_bundle
from codex_jupyter.sdk.models.items import CommandExecutionItem, FileChangeItem, FileUpdateChange, ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn
from tests.notebook.render.markup import text_of

READ = EffectiveRights(sandbox="read-only", approvals="never")
WRITE = EffectiveRights(sandbox="workspace-write", approvals="never", writable=(Path("/w"),))
FULL = EffectiveRights(sandbox="danger-full-access", approvals="never", network=True)
SHOWN = "touch: cannot touch 'x': Read-only file system\n"


def header(rights: EffectiveRights | None, **info: Any) -> str:
    """The header; both forms say the same."""
    bundle = header_bundle(TurnInfo(cwd="/w", **info), rights)
    assert "".join(text_of(bundle["text/html"]).split()) == "".join(str(bundle["text/plain"]).split())
    return str(bundle["text/plain"])


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        (READ, "codex · sandbox read-only"),
        (WRITE, "codex · ⚠ sandbox workspace-write"),
        (WRITE.model_copy(update={"network": True}), "codex · ⚠ sandbox workspace-write, network on"),
        (WRITE.model_copy(update={"profile": "mine"}), "codex · ⚠ sandbox workspace-write, profile mine"),
        (FULL, "codex · ⚠ no sandbox (danger-full-access)"),
        (READ.model_copy(update={"sandbox": "external-sandbox"}), "codex · ⚠ sandbox external-sandbox"),
    ],
)
def test_all_that_is_above_read_only_stands_out(rights: EffectiveRights, words: str) -> None:
    assert header(rights) == words
    assert ("font-weight:600" in header_bundle(TurnInfo(), rights)["text/html"]) == ("⚠" in words)


def test_what_the_cli_reports_counts_and_not_what_was_requested() -> None:
    assert header(READ, sandbox="danger-full-access") == "codex · sandbox read-only"


def test_what_is_not_reported_is_marked_as_requested() -> None:
    assert header(None, sandbox="read-only") == "codex · sandbox read-only (requested)"
    assert header(None, sandbox="danger-full-access") == "codex · ⚠ no sandbox (danger-full-access) (requested)"
    assert header(None) == "codex"


def test_what_the_agent_can_change_is_named() -> None:
    exposed = WRITE.model_copy(update={"unprotected": (Path("/w/.venv"),), "writable": (Path("/w"), Path("/other"))})
    assert "Also writable: /other." in header(exposed)
    assert "The agent can change .venv: files that it writes there can run in this kernel." in header(exposed)
    assert "Nothing keeps the agent from changing what this kernel runs" in header(FULL.model_copy(update={"unprotected": (Path("/v"),)}))


def test_a_name_cannot_pass_for_a_line_of_ours() -> None:
    rights = READ.model_copy(update={"skills": ("a\n✓ completed",)})
    assert "also sent: skill a\\x0a✓ completed" in header(rights)


def test_many_names_are_folded() -> None:
    rights = READ.model_copy(update={"skills": tuple(f"s{number}" for number in range(9))})
    bundle = header_bundle(TurnInfo(), rights)
    assert "also sent: skill s0, skill s1, skill s2, skill s3 and 5 more" in bundle["text/plain"]
    assert "skill s8" in bundle["text/html"]
    assert "<details" in bundle["text/html"]


def footer(rights: EffectiveRights | None, *items: ThreadItem, status: Any = "completed") -> str:
    return str(footer_bundle(Turn(thread_id="t", status=status, items=items, rights=rights), TurnInfo(cwd="/w"))["text/plain"])


def command(status: str, output: str = SHOWN) -> CommandExecutionItem:
    return CommandExecutionItem(id="a", command="touch x", status=status, aggregated_output=output, exit_code=1)


PATCH = FileChangeItem(id="b", changes=[FileUpdateChange(path="/w/nb.ipynb", kind="update")], status="refused")


@pytest.mark.parametrize("status", ["refused", "failed", "completed"])
def test_a_refused_command_is_named_with_the_way_to_allow_it(status: str) -> None:
    said = footer(READ, command(status))
    assert "refused 1 step. To allow it: `-s workspace-write` lets the agent change files in the folder" in said
    assert "`-a on-request` lets it ask you" in said


def test_the_way_depends_on_what_the_turn_may_do_already() -> None:
    said = footer(WRITE.model_copy(update={"approvals": "on-request"}), command("refused"))
    assert "`--add-dir FOLDER` makes another folder writable." in said
    assert "-a on-request" not in said


def test_a_refused_patch_says_why_the_file_is_read_only() -> None:
    said = footer(WRITE.model_copy(update={"protected": (Path("/w/nb.ipynb"),)}), PATCH)
    assert "Read-only, because it is open: nb.ipynb." in said
    patch = PATCH.model_copy(update={"changes": [FileUpdateChange(path="/w/tool.py", kind="update")]})
    said = footer(WRITE.model_copy(update={"protected": (Path("/w/tool.py"),)}), patch)
    assert "Read-only, because this kernel runs what is there: tool.py." in said


@pytest.mark.parametrize(
    ("rights", "items", "status"),
    [
        (READ, [command("failed", "no such file\n")], "completed"),
        (READ, [command("declined")], "in_progress"),
        (FULL, [command("failed")], "completed"),
        (READ, [], "completed"),
    ],
)
def test_nothing_is_said_where_nothing_was_refused(rights: EffectiveRights, items: list[ThreadItem], status: str) -> None:
    """Without a sandbox, a file system may be read-only for other reasons; and while a turn runs, its end is not known."""
    assert "refused" not in footer(rights, *items, status=status)


def test_a_refused_step_has_a_state_of_its_own() -> None:
    assert "refused, exit 1" in item_bundle(command("refused"))["text/plain"]
    assert "refused" in item_bundle(PATCH)["text/plain"]


def test_the_chat_names_its_own_ways_to_allow_refused_steps() -> None:
    """It has choosers, and no options of a cell."""
    turn = Turn(thread_id="t", status="completed", items=(command("refused"),), rights=READ)
    (remarks,) = [block["html"] for block in finished_turn(FinishedTurn("go", turn, TurnInfo()))["blocks"] if block["kind"] == "remarks"]
    assert "the sandbox workspace-write lets the agent change files in the folder, the preset Ask lets it ask you" in remarks
