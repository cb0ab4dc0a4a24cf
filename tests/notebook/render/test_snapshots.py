"""Every kind of item in every state, kept as text: a change of the renderer shows as a difference to read.

`pytest tests/notebook/render/test_snapshots.py --snapshot-update` takes the new look over.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from codex_jupyter.notebook.render import TurnInfo, footer_bundle, header_bundle, item_bundle, turn_bundle
from codex_jupyter.sdk.models.items import ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn, TurnStatus
from codex_jupyter.sdk.models.usage import Usage
from tests.invented import MODEL
from tests.notebook.render.test_items import CHANGES, DIFF, PNG, command, item
from tests.notebook.render.test_turn import replay

RECORDINGS = Path(__file__).parents[2] / "recordings"
INFO = TurnInfo(model=MODEL, sandbox="read-only", cwd="/w", thread_name="main", elapsed=83.0, demo=True)
RIGHTS = EffectiveRights(
    sandbox="workspace-write",
    network=True,
    writable=(Path("/w"), Path("/more")),
    unprotected=(Path("/w/.venv"),),
    instructions=(Path("/w/AGENTS.md"),),
    skills=("tidy",),
)
MARKDOWN = (
    "# Title\n\n**bold** *slanted* ~~gone~~ `code` $x_i$ [link](https://example.com)\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n"
    "```python\nif x:\n    return 'y'  # z\n```\n\n> quoted\n\n1. one\n   - [x] done\n"
)
RESULT = {"content": [{"type": "text", "text": "a picture"}, {"type": "image", "data": PNG, "mimeType": "image/png"}]}
AGENT = {"t1": {"status": "completed", "message": "All good."}}
ITEMS: dict[str, ThreadItem] = {
    "message": item("agent_message", text=MARKDOWN),
    "reasoning": item("reasoning", text="**Looking at the data** It has two columns.\n\nNothing else."),
    "reasoning_of_one_line": item("reasoning", text="**Looking**"),
    "command_running": command(status="in_progress", aggregated_output="so far\n"),
    "command_done": command(status="completed", exit_code=0, aggregated_output="\x1b[32mok\x1b[0m <1>\n"),
    "command_failed": command(status="failed", exit_code=2, aggregated_output="no such file\n"),
    "command_declined": command(status="declined"),
    "command_interrupted": command(status="interrupted"),
    "command_long": command(status="completed", exit_code=0, aggregated_output="".join(f"line {i}\n" for i in range(50))),
    "files_running": item("file_change", changes=CHANGES, status="in_progress"),
    "files_changed": item("file_change", changes=CHANGES, status="completed"),
    "files_failed": item("file_change", changes=CHANGES[:1], status="failed"),
    "tool_running": item("mcp_tool_call", server="srv", tool="t", arguments={"a": 1}, status="in_progress"),
    "tool_done": item("mcp_tool_call", server="srv", tool="t", arguments={}, status="completed", result=RESULT),
    "tool_structured": item("mcp_tool_call", server="srv", tool="t", status="completed", result={"content": [], "structured_content": [1]}),
    "tool_failed": item("mcp_tool_call", server="srv", tool="t", status="failed", error={"message": "it broke"}),
    "agent_started": item("collab_tool_call", tool="spawn_agent", prompt="do it", status="in_progress"),
    "agent_waited_for": item("collab_tool_call", tool="wait", agents_states=AGENT, status="completed"),
    "search_running": item("web_search", query="", action={"type": "other"}),
    "search_done": item("web_search", query="a ...", action={"type": "search", "queries": ["a", "b"]}),
    "page_opened": item("web_search", query="q", action={"type": "open_page", "url": "https://example.com"}),
    "plan": item("todo_list", items=[{"text": "one", "completed": True}, {"text": "run `two`", "completed": False}]),
    "warning": item("error", message="Model metadata for `x` not found"),
    "unknown": item("hologram", beam=3),
}
RECORDED = ["exec_command_parallel", "exec_file_change", "exec_mcp_rpcerror", "exec_collab_v1", "exec_web_search_gpt55", "exec_todo_list",
            "exec_turn_failed_429", "exec_sigint", "exec_error_item_model_metadata"]  # fmt: skip


def lines(html: str) -> str:
    """HTML with a line for each tag, and the styles shortened, so that a snapshot can be read."""
    html = re.sub(r' class="tex2jax_ignore mathjax_ignore"', "", html)
    html = re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,...", html)
    html = re.sub(r"font-family:[^;\"]*", "font-family:mono", html)
    return re.sub(r"(?=<(?!/|span|code|strong|em))", "\n", html).strip()


def forms(bundle: dict[str, Any]) -> str:
    """Both forms of a bundle, one below the other."""
    return f"{lines(bundle['text/html'])}\n\n{'-' * 20}\n{bundle['text/plain']}"


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_looks_as_before(name: str, snapshot: SnapshotAssertion) -> None:
    """Each kind in each state, in both forms."""
    assert forms(item_bundle(ITEMS[name], cwd="/w", elapsed=3.0, diff=DIFF if name == "files_changed" else None)) == snapshot


@pytest.mark.parametrize("name", ["message", "reasoning"])
def test_a_text_that_streams_looks_as_before(name: str, snapshot: SnapshotAssertion) -> None:
    """It is shown as it is."""
    assert forms(item_bundle(ITEMS[name], streaming=True)) == snapshot


@pytest.mark.parametrize("status", ["in_progress", "completed", "failed", "interrupted", "timed_out"])
def test_header_and_footer_look_as_before(status: TurnStatus, snapshot: SnapshotAssertion) -> None:
    """A turn in each state, with everything that a header and a footer can say."""
    error = None if status in ("in_progress", "completed") else "What went wrong."
    turn = Turn(thread_id="t", status=status, error=error, usage=Usage(input_tokens=1200, output_tokens=7), warnings=("Reconnecting 1/2",))
    assert f"{forms(header_bundle(INFO, RIGHTS))}\n\n{'=' * 20}\n{forms(footer_bundle(turn, INFO))}" == snapshot


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_turn_reads_as_before(name: str, snapshot: SnapshotAssertion) -> None:
    """The real CLI's output, as a transcript."""
    turn = replay(RECORDINGS / f"{name}.jsonl")
    assert turn_bundle(turn, TurnInfo(model=MODEL))["text/plain"] == snapshot
