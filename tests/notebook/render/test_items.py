"""Every kind of item in every state, in both forms."""

import subprocess
import sys
from typing import Any

import pytest

from codex_jupyter.notebook.render import item_bundle, items_bundle, plain_text
from codex_jupyter.notebook.render.phrases import duration, relative_path, shell_command, short_id
from codex_jupyter.sdk.models.events import parse_event
from codex_jupyter.sdk.models.items import ThreadItem, UnknownItem
from tests.notebook.render.markup import check_bundle, items_saying, read, text_of

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
DIFF = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,2 +1,3 @@\n-old\n+new\n+more\n same\n"
SECRET_SIGNS = {"running": "●", "failed": "✗", "declined": "⊘", "interrupted": "■", "done": "✓"}


def item(kind: str, /, **fields: Any) -> ThreadItem:
    """An item as the wire gives it."""
    import json

    event = parse_event(json.dumps({"type": "item.completed", "item": {"id": "item_0", "type": kind, **fields}}))
    parsed: ThreadItem = event.item  # type: ignore[union-attr]
    return parsed


def command(**fields: Any) -> ThreadItem:
    """A command."""
    return item("command_execution", **{"command": "/bin/bash -lc 'ls -la'", **fields})


CHANGES = [{"path": "/w/new.py", "kind": "add"}, {"path": "/w/src/a.py", "kind": "update"}, {"path": "/etc/x", "kind": "delete"}]
CASES: list[tuple[ThreadItem, list[str]]] = [
    (item("agent_message", text="Hello *you*"), ["Hello"]),
    (item("reasoning", text="**Plan**\n\nfirst this"), ["Plan", "first this"]),
    (item("reasoning", text="Only one line"), ["Only one line"]),
    (command(status="in_progress"), ["$ ls -la", "running", "3.0 s"]),
    (command(status="completed", exit_code=0, aggregated_output="total 0\n"), ["$ ls -la", "total 0", "exit 0"]),
    (command(status="failed", exit_code=2, aggregated_output="no\n"), ["$ ls -la", "no", "exit 2"]),
    (command(status="failed"), ["failed"]),
    (command(status="declined"), ["declined"]),
    (command(status="interrupted", aggregated_output="part"), ["part", "interrupted"]),
    (command(status="paused_by_moon"), ["paused by moon"]),
    (item("file_change", changes=CHANGES, status="in_progress"), ["running", "add new.py"]),
    (
        item("file_change", changes=CHANGES, status="completed"),
        ["+ added new.py", "~ changed src/a.py", "− deleted /etc/x", "more", "done"],
    ),
    (item("file_change", changes=CHANGES, status="failed"), ["failed", "~ change src/a.py"]),
    (item("file_change", changes=[], status="interrupted"), ["interrupted"]),
    (item("mcp_tool_call", server="srv", tool="t", arguments={"a": 1}, status="in_progress"), ["srv.t(a=1)", "running"]),
    (item("mcp_tool_call", server="srv", tool="t", arguments={"a": [1]}, status="in_progress"), ["srv.t", '"a": [', "running"]),
    (
        item(
            "mcp_tool_call", server="srv", tool="t", arguments={}, status="completed", result={"content": [{"type": "text", "text": "yes"}]}
        ),
        ["srv.t", "yes", "done"],
    ),
    (item("mcp_tool_call", server="srv", tool="t", status="completed", result={"content": [], "structured_content": {"k": 5}}), ['"k": 5']),
    (item("mcp_tool_call", server="srv", tool="t", status="failed", error={"message": "broke"}), ["failed", "broke"]),
    (
        item("mcp_tool_call", server="srv", tool="t", status="failed", result={"content": [{"type": "text", "text": "bad"}]}),
        ["failed", "bad"],
    ),
    (item("mcp_tool_call", server="srv", tool="t", status="interrupted"), ["interrupted"]),
    (item("collab_tool_call", tool="spawn_agent", prompt="do it", status="in_progress"), ["start sub-agent", "do it", "running"]),
    (
        item("collab_tool_call", tool="wait", agents_states={"t1": {"status": "errored", "message": "oh"}}, status="completed"),
        ["wait for sub-agents", "t1", "failed", "oh", "done"],
    ),
    (item("collab_tool_call", tool="new_tool", status="failed"), ["new_tool", "failed"]),
    (item("web_search", query="", action={"type": "other"}), ["searching the web", "started"]),
    (item("web_search", query="a ...", action={"type": "search", "queries": ["a", "b"]}), ["searched the web for a | b", "done"]),
    (item("web_search", query="q", action={"type": "open_page", "url": "https://example.com"}), ["opened https://example.com"]),
    (item("web_search", query="q", action={"type": "find_in_page", "url": "https://e.com", "pattern": "abc"}), ["abc in https://e.com"]),
    (item("web_search", query="q", action=None), ["searched the web for q"]),
    (
        item("todo_list", items=[{"text": "one", "completed": True}, {"text": "two", "completed": False}]),
        ["plan, 1 of 2 done", "one", "two"],
    ),
    (
        item("todo_list", items=[{"text": "one", "status": "in_progress"}, {"text": "two", "status": "pending"}]),
        ["plan, 0 of 2 done", "one (running)", "two"],
    ),
    (item("file_change", changes=[{"path": "/w/a", "kind": "update", "move_path": "/w/b"}], status="completed"), ["~ moved a → b", "done"]),
    (item("image_view", path="/w/p.png"), ["looked at image p.png", "done"]),
    (
        item("image_generation", status="completed", revised_prompt="a cat", result=PNG),
        ["image generation: a cat", "done"],
    ),
    (
        item("image_generation", status="failed", failure={"type": "usageLimitExceeded"}),
        ["image generation", "failed", "usageLimitExceeded"],
    ),
    (item("context_compaction"), ["summarised the thread", "done"]),
    (item("sub_agent_activity", kind="started", agent_thread_id="t1", agent_path="/root/helper"), ["sub-agent helper started"]),
    (
        item(
            "dynamic_tool_call",
            namespace="nb",
            tool="run",
            arguments={"a": 1},
            status="completed",
            success=True,
            content_items=[{"type": "inputText", "text": "three"}],
        ),
        ["tool nb.run(a=1)", "three", "done"],
    ),
    (
        item("dynamic_tool_call", tool="run", status="failed", content_items=[{"type": "inputText", "text": "no"}]),
        ["tool run", "no", "failed"],
    ),
    (item("entered_review_mode", review="the changes"), ["code review: the changes"]),
    (item("exited_review_mode", review="Fine."), ["code review complete"]),
    (item("hook_prompt", fragments=[{"text": "Be brief.", "hook_run_id": "h"}]), ["a hook added to the prompt", "Be brief."]),
    (
        item("hook_run", event_name="preToolUse", status="blocked", entries=[{"kind": "stop", "text": "Not here."}]),
        ["hook pre tool use", "blocked", "stop: Not here."],
    ),
    (
        item("approval_review", status="denied", risk_level="high", rationale="Deletes files.", action={"type": "command"}),
        ["automatic review of command, high risk", "denied", "Deletes files."],
    ),
    (item("plan", text="First this."), ["proposed plan", "First this."]),
    (item("sleep", duration_ms=2000), ["waited 2.0 s"]),
    (item("error", message="Model metadata not found"), ["⚠ warning: Model metadata not found"]),
    (item("hologram", beam=3), ["item of an unknown type: hologram", '"beam": 3']),
]


@pytest.mark.parametrize(("shown", "words"), CASES)
def test_every_item_says_what_it_is_in_both_forms(shown: ThreadItem, words: list[str]) -> None:
    """HTML and plain text hold the same words, and both are harmless."""
    bundle = item_bundle(shown, cwd="/w", elapsed=3.0, diff=DIFF)
    check_bundle(bundle)
    seen = " ".join(text_of(bundle["text/html"]).split())
    for word in words:
        assert word in seen
        assert word in bundle["text/plain"]


@pytest.mark.parametrize("status", ["in_progress", "completed", "failed", "declined", "interrupted"])
def test_no_state_is_shown_by_colour_alone(status: str) -> None:
    """Each state has its own word and its own symbol."""
    seen = text_of(item_bundle(command(status=status))["text/html"])
    assert [word for word, symbol in SECRET_SIGNS.items() if f"{symbol} {word}" in seen] == [
        {"in_progress": "running", "completed": "done"}.get(status, status)
    ]


@pytest.mark.parametrize("shown", [case for case, _ in CASES])
def test_the_markup_of_an_item_stays_below_a_kilobyte(shown: ThreadItem) -> None:
    """The markup around the text of one item is small, so that long turns stay light. Files and folds of one item count, too."""
    html = item_bundle(shown, cwd="/w", elapsed=3.0)["text/html"]
    assert len(html.encode()) - len(text_of(html).encode()) <= 1024


def test_a_message_is_plain_text_while_it_streams() -> None:
    """Half-written Markdown is not parsed; the finished message is."""
    message = item("agent_message", text="a **b** `c")
    assert "a **b** `c" in text_of(item_bundle(message, streaming=True)["text/html"])
    assert "<strong" in item_bundle(message)["text/html"]
    assert items_bundle([message], streaming={"item_0"}) == item_bundle(message, streaming=True)


def test_long_output_is_folded_between_its_edges() -> None:
    """Ten lines at each end stay in sight; the fold says how many it hides; all lines are there."""
    output = "".join(f"line {i}\n" for i in range(100))
    html = item_bundle(command(status="completed", exit_code=0, aggregated_output=output))["text/html"]
    before, _, rest = html.partition("<details>")
    folded, _, after = rest.partition("</details>")
    assert ("line 9\n" in before + "\n", "line 10" in before) == (False, False)
    assert text_of(before + "</div>").splitlines()[-1].endswith("line 9")
    assert "⋯ 80 more lines" in folded
    assert "line 10\n" in folded
    assert after.count("line ") == 10


def test_huge_output_is_capped_and_says_so() -> None:
    """A megabyte of output makes a small card that says how much is left out."""
    output = "".join(f"line {i}\n" for i in range(100_000))
    bundle = item_bundle(command(status="completed", exit_code=0, aggregated_output=output))
    assert len(bundle["text/html"]) < 25_000
    assert len(bundle["text/plain"]) < 2_000
    assert "lines left out" in bundle["text/html"]
    assert "line 99999" in bundle["text/html"]
    assert f"⋯ {100_000 - 2 * plain_text.EDGE_LINES:,} more lines ⋯" in bundle["text/plain"]
    assert "line 99999" in bundle["text/plain"]


def test_short_output_is_not_folded() -> None:
    """A fold for a handful of lines would only be in the way."""
    html = item_bundle(command(status="completed", exit_code=0, aggregated_output="x\n" * 24))["text/html"]
    assert "<details" not in html


def test_a_short_diff_is_open_and_a_long_one_is_folded() -> None:
    """The file has its counts. Its lines are tinted, and have their numbers and signs. Headers are not shown."""
    change = item("file_change", changes=CHANGES[1:2], status="completed")
    short = item_bundle(change, diff=DIFF, cwd="/w")["text/html"]
    assert '<details open="">' in short
    assert "~ changed src/a.py +2 −1" in text_of(short)
    assert "1 − old\n1 + new\n2 + more\n3   same\n" in text_of(short)
    assert "@@" not in text_of(short)
    assert "+++" not in text_of(short)
    long = item_bundle(change, diff=DIFF.replace("+1,3", "+1,53").replace("+new", "+x\n" * 50 + "+new"))["text/html"]
    assert "<details>" in long


def image_of(**block: str) -> list[dict[str, str | None]]:
    """The images shown for one result block."""
    call = item("mcp_tool_call", server="s", tool="t", status="completed", result={"content": [{"type": "image", **block}]})
    return [attributes for tag, attributes in read(item_bundle(call)["text/html"]).seen if tag == "img"]


def test_result_images_are_shown_if_they_are_what_they_say() -> None:
    """An image must be base64, of a raster type, and start with the signature of its type. Anything else is named."""
    assert [image["src"] for image in image_of(data=PNG, mimeType="image/png")] == [f"data:image/png;base64,{PNG}"]
    assert image_of(data=PNG, mimeType="image/jpeg") == []
    assert image_of(data=PNG, mimeType="image/svg+xml") == []
    assert image_of(data="not base64!", mimeType="image/png") == []
    assert image_of(data=PNG + "\n", mimeType="image/png") == []


def test_dollar_signs_of_shell_text_are_not_mathematics() -> None:
    """MathJax ignores everything but messages."""
    for shown in items_saying("$x$ and $y$"):
        html = item_bundle(shown)["text/html"]
        assert ("mathjax_ignore" in html) == (shown.type != "agent_message")


def test_items_can_share_one_output() -> None:
    """Several items are one bundle, each with its own time and diff."""
    items = [command(status="in_progress"), item("file_change", changes=CHANGES, status="completed").model_copy(update={"id": "f"})]
    bundle = items_bundle(items, cwd="/w", elapsed={"item_0": 61.0}, diffs={"f": DIFF})
    check_bundle(bundle)
    assert "running · 1 min 01 s\n\n    + added new.py" in bundle["text/plain"]
    assert "+more" in bundle["text/plain"]
    assert items_bundle([]) == {"text/html": "", "text/plain": ""}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/bin/bash -lc 'ls'", "ls"),
        ("bash -c \"echo 'a b'\"", "echo 'a b'"),
        ("/usr/bin/zsh -lc 'x'", "x"),
        ("/bin/sh -c 'a' b", "/bin/sh -c 'a' b"),
        ("/bin/bash -lc 'unclosed", "/bin/bash -lc 'unclosed"),
        ("ls | bash -lc 'x'", "ls | bash -lc 'x'"),
        ("fish -c 'x'", "fish -c 'x'"),
    ],
)
def test_the_shell_around_a_command_is_not_shown(line: str, shown: str) -> None:
    """Only a plain `sh -c '...'` is taken off."""
    assert shell_command(line) == shown


def test_times_ids_and_paths_are_short() -> None:
    assert [duration(s) for s in (-1, 0.04, 9.94, 9.96, 59.6, 185, 3720)] == [
        "0.0 s",
        "0.0 s",
        "9.9 s",
        "10 s",
        "1 min 00 s",
        "3 min 05 s",
        "1 h 02 min",
    ]
    assert short_id("01a2023e-ec8b-7f50-89d6-35f1e90c87a4") == "01a2023e…87a4"
    assert [relative_path(p, "/w") for p in ("/w/a", "/wider/a", "/w", "b")] == ["a", "/wider/a", "/w", "b"]
    assert relative_path("/w/a", "/w/") == "a"
    assert relative_path("/w/a", None) == "/w/a"


@pytest.mark.integration
def test_importing_the_renderer_loads_no_heavy_library() -> None:
    """Parser, sanitiser and highlighter come with the first card, IPython never."""
    code = (
        "import sys, codex_jupyter.notebook.render; print([m for m in ('nh3', 'markdown_it', 'pygments', 'IPython') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_unknown_items_are_one_line() -> None:
    """An item of a later CLI is folded away with its JSON."""
    html = item_bundle(UnknownItem.model_validate({"id": "x", "type": "hologram", "beam": 3}))["text/html"]
    assert [tag for tag, _ in read(html).seen] == ["div", "details", "summary", "span", "pre"]


def test_images_of_client_tools_are_shown_if_they_have_the_format_that_they_claim() -> None:
    urls = [
        f"data:image/png;base64,{PNG}",
        f"data:image/jpeg;base64,{PNG}",
        "https://e.com/a.png",
        f"data:image/png;base64,{PNG}" * 100_000,
    ]
    shown = item("dynamic_tool_call", tool="run", content_items=[{"type": "inputImage", "imageUrl": url} for url in urls])
    html = item_bundle(shown)["text/html"]
    assert html.count("<img") == 1
    assert html.count("[image, ") == 3


@pytest.mark.parametrize(
    ("status", "title"),
    [
        ("in_progress", "2 lines of code for the kernel"),  # also while it waits for approval
        ("completed", "ran 2 lines in the kernel"),
        ("failed", "2 lines of code for the kernel"),
    ],
)
def test_code_for_the_kernel_has_run_only_if_its_call_is_complete(status: str, title: str) -> None:
    code = item("dynamic_tool_call", namespace="kernel", tool="run", arguments={"code": "x = 1\nx"}, status=status)
    assert item_bundle(code)["text/plain"].startswith(title)


def test_cut_images_of_a_large_tool_result_are_described() -> None:
    """The CLI sends a result of more than 1 MiB as one text, which is not valid JSON."""
    data = "iVBO" * 10_000
    cut = f'{{"content":[{{"type":"image","data":"{data}…123 chars truncated…{data}","mimeType":"image/png"}}]}}'
    shown = item("mcp_tool_call", server="s", tool="t", result={"content": [{"type": "text", "text": cut}]})
    for text in item_bundle(shown).values():
        assert "iVBOiVBO" not in text
        assert "characters of base64" in text


def test_an_answer_that_is_json_is_a_table_or_indented() -> None:
    """A small object and a list of rows are tables. Other JSON has lines. Text that only looks like JSON is Markdown."""
    small = item_bundle(item("agent_message", text='{"good": true, "reason": "<b>"}'))["text/html"]
    assert text_of(small) == "goodtruereason<b>"
    rows = item_bundle(item("agent_message", text='[{"a": 1, "b": 2}, {"a": 3, "b": 4}]'))["text/html"]
    assert text_of(rows) == "ab1234"
    listed = item_bundle(item("agent_message", text='{"rows": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}'))["text/html"]
    assert text_of(listed) == "rowsab1234"
    assert listed.count("<td") == 4
    others = item_bundle(item("agent_message", text='{"rows": [1, 2]}'))["text/html"]
    assert text_of(others) == '{\n  "rows": [\n    1,\n    2\n  ]\n}'
    nested = item_bundle(item("agent_message", text='{"a": {"b": [1]}}'))["text/html"]
    assert text_of(nested) == '{\n  "a": {\n    "b": [\n      1\n    ]\n  }\n}'
    assert "<strong" in item_bundle(item("agent_message", text="[1] is **not** JSON"))["text/html"]


def test_frequent_warnings_of_the_cli_are_in_plain_words() -> None:
    message = "This session was recorded with model `a` but is resuming with `b`. Consider switching back to `a` as it may affect Codex."
    for form in item_bundle(item("error", message=message)).values():
        assert "recorded" not in form
        assert "The thread continues with the model" in form


def test_an_output_that_is_not_complete_says_so() -> None:
    """The CLI sends the first line of an output only when the command has ended."""
    for status, cut in (("in_progress", True), ("interrupted", True), ("completed", False)):
        html = item_bundle(command(status=status, aggregated_output="second line\n"))["text/html"]
        assert ("<em>⋯</em>" in html) == cut


def test_a_line_of_a_file_that_looks_like_a_header_of_a_diff_is_a_line() -> None:
    """The head of each part contains the number of its lines, so `-- a` that was removed is not the name of a file."""
    change = item("file_change", changes=[{"path": "/w/q.sql", "kind": "update"}], status="completed")
    html = item_bundle(change, cwd="/w", diff="--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n--- old\n+++ new\n same\n")["text/html"]
    assert "~ changed q.sql +1 −1" in text_of(html)
    assert "1 − -- old\n1 + ++ new\n2   same\n" in text_of(html)
