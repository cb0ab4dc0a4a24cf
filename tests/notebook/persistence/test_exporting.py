"""Threads as files."""

import itertools
import json
import os
import re
from pathlib import Path
from typing import get_args

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from codex_jupyter.notebook.persistence.exporting import ExportFormat, export_turns, read_jsonl
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.notebook_file import past_turns
from codex_jupyter.notebook.render import TURN_MIME, TurnInfo, turn_bundle
from codex_jupyter.sdk import (
    AgentMessageItem,
    CommandExecutionItem,
    ErrorItem,
    FileChangeItem,
    FileUpdateChange,
    InputError,
    ReasoningItem,
    Turn,
    Usage,
)
from tests.invented import MODEL
from tests.notebook.render.markup import items_saying, read

THREAD = "01a2023e-ec8b-7f50-89d6-35f1e90c87a4"
INFO = TurnInfo(model=MODEL, sandbox="read-only", cwd="/w", elapsed=3.0)
FORMATS = get_args(ExportFormat)

FIRST = FinishedTurn(
    "Why is it *skewed*?\n\nLook at `data.csv`.",
    Turn(
        thread_id=THREAD,
        status="completed",
        items=(
            ReasoningItem(id="r", text="**Looking**\n\nat the data"),
            AgentMessageItem(id="m", text="First:\n\n- a list\n- of two"),
            CommandExecutionItem(id="c", command="head data.csv", aggregated_output="a,b\n```\n", exit_code=0, status="completed"),
            FileChangeItem(id="f", changes=[FileUpdateChange(path="/w/a.py", kind="update")], status="completed"),
            AgentMessageItem(id="n", text="## Answer\n\n| a | b |\n|---|---|\n| 1<br>2 | 3 |\n\n```python\nx = 1\n```"),
        ),
        usage=Usage(input_tokens=100, output_tokens=20),
        diffs={"f": "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n"},
    ),
    INFO,
)
SECOND = FinishedTurn(
    "Und nun? 😀",
    Turn(thread_id=THREAD, status="failed", items=(ErrorItem(id="e", message="no <b>network</b>"),), error="429 *Too Many*"),
    TurnInfo(demo=True),
)
TURNS = [FIRST, SECOND]


def headings(markdown: str) -> list[str]:
    """The headings that a reader of a Markdown document sees."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [inline.content for token, inline in itertools.pairwise(tokens) if token.type == "heading_open" and token.level == 0]


def test_markdown_is_a_transcript(tmp_path: Path) -> None:
    """Prompts are quoted, the agent's Markdown is its own, everything else is fenced, in order."""
    text = export_turns(TURNS, "md", tmp_path / "a.md").read_text()
    assert headings(text) == [f"Codex thread {THREAD}", "Turn 1", "Answer", "Turn 2"]
    for part in (
        "> Why is it *skewed*?\n>\n> Look at `data.csv`.",
        f"codex · {MODEL} · sandbox read-only",
        "> **Looking**",
        "- a list\n- of two\n\n````text\n$ head data.csv\na,b\n```",
        "~ changed a.py\n",
        "+y\n",
        "| 1<br>2 | 3 |\n\n```python\nx = 1\n```",
        "✓ completed · 3.0 s · 1 command · 1 file changed · 100 tokens in, 20 out",
        "> Und nun? 😀",
        "```text\n⚠ ",
        "429 \\*Too Many\\*",
    ):
        assert part in text
    assert text.index("Looking") < text.index("a list") < text.index("head data.csv") < text.index("Answer")


OPEN_ENDED = ["```python\nx = 1", "~~~~\nx", "<!-- ", "<script>", "<pre>\n\n", "<details>", "text <b>", "<?php", "    x\n```"]


@pytest.mark.parametrize("swallowing", OPEN_ENDED)
def test_no_message_swallows_what_follows(tmp_path: Path, swallowing: str) -> None:
    """An open fence, an open comment or HTML is shown to the letter; the next heading is one."""
    message = FinishedTurn(swallowing, Turn(thread_id=THREAD, items=(AgentMessageItem(id="m", text=swallowing),)), INFO)
    text = export_turns([message, SECOND], "md", tmp_path / "a.md").read_text()
    assert headings(text) == [f"Codex thread {THREAD}", "Turn 1", "Turn 2"]
    types = [part.type for token in MarkdownIt("commonmark").parse(text) for part in (token, *(token.children or ()))]
    assert not [kind for kind in types if kind.startswith("html")]
    assert swallowing.strip() in text


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("`~<>!-/ \n#*_[]()|ab1.$&\\=\t"), max_size=60))
def test_no_text_breaks_a_transcript(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """The text of a prompt or an item cannot hide the turn after it from a reader."""
    odd = FinishedTurn(text, Turn(thread_id=THREAD, items=tuple(items_saying(text)), error=text, warnings=(text,)), INFO)
    written = export_turns([odd, SECOND], "md", tmp_path_factory.mktemp("md") / "a.md").read_text()
    assert headings(written)[-1] == "Turn 2"
    assert "> Und nun? 😀" in written


def test_html_is_one_page_that_requests_nothing(tmp_path: Path) -> None:
    """The bundles as the notebook shows them, prompts as text, light and dark, and a policy that forbids all requests."""
    items = tuple(items_saying("<img src=http://x>"))
    hostile = FinishedTurn("<script>alert(1)</script>", Turn(thread_id='"><img src=x>', items=items), INFO)
    page = export_turns([*TURNS, hostile], "html", tmp_path / "a.html").read_text()
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "prefers-color-scheme: dark" in page
    assert turn_bundle(FIRST.turn, FIRST.info)["text/html"] in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert not re.search(r"<(?:link|img src=\"?http)|url\(|@import", page)
    body = page.split("<body>")[1].split("</body>")[0]
    read(body.replace(' class="prompt"', ""))


def test_a_hostile_thread_id_stays_text_and_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the page, in the title, and in the file's name."""
    monkeypatch.chdir(tmp_path)
    hostile = FinishedTurn("x", Turn(thread_id="../../<img src=x>"), INFO)
    path = export_turns([hostile], "html")
    assert path == tmp_path / "codex-imgsrcx.html"
    assert "<img" not in path.read_text()
    assert export_turns([FinishedTurn("x", Turn(), INFO)], "md").name == "codex-thread.md"


def test_a_notebook_reopens_as_it_looked(tmp_path: Path) -> None:
    """It is valid, has the prompts as Markdown and the bundles as outputs, and its turns are found again."""
    path = export_turns(TURNS, "ipynb", tmp_path / "a.ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "markdown", "code", "markdown", "code"]
    assert notebook.cells[1].source.startswith("> Why is it *skewed*?")
    [output] = notebook.cells[2].outputs
    assert output.data == turn_bundle(FIRST.turn, FIRST.info)
    assert set(output.data) == {"text/html", "text/plain", TURN_MIME}
    assert output.metadata == {"codex": {"thread_id": THREAD, "status": "completed"}}
    assert past_turns(path, THREAD) == [(each.turn, each.info) for each in TURNS]


def test_json_lines_come_back(tmp_path: Path) -> None:
    """One line per turn, equal to the turn that was written, also with a prompt that is not valid text."""
    turns = [*TURNS, FinishedTurn("lone \ud800 and\u2028line\r\n", Turn(), TurnInfo())]
    path = export_turns(turns, "jsonl", tmp_path / "a.jsonl")
    assert len(path.read_text().splitlines()) == 3
    assert read_jsonl(path) == turns
    path.write_text(path.read_text() + "\n\n")
    assert read_jsonl(path) == turns


@pytest.mark.parametrize("format", FORMATS)
def test_every_item_and_any_text_can_be_written(tmp_path: Path, format: ExportFormat) -> None:
    """Control characters, lone surrogates, an unknown prompt."""
    items = tuple(items_saying("\x1b[31m\x00 \u202e <x> ```"))
    turns = [FinishedTurn("lone \ud800 \x1b[2J", Turn(items=items), INFO), FinishedTurn("", Turn(items=items), INFO)]
    text = export_turns(turns, format, tmp_path / "file").read_text()
    assert "\x1b" not in text
    assert "\x00" not in text


def test_a_file_is_never_replaced_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next free number is taken; a file that was named is replaced."""
    monkeypatch.chdir(tmp_path)
    paths = [export_turns(TURNS, "jsonl") for _ in range(3)]
    assert paths == [tmp_path / name for name in ("codex-01a2023e.jsonl", "codex-01a2023e-2.jsonl", "codex-01a2023e-3.jsonl")]
    assert export_turns(TURNS[:1], "jsonl", Path("codex-01a2023e.jsonl")) == Path("codex-01a2023e.jsonl")
    assert [len(read_jsonl(path)) for path in paths] == [1, 2, 2]


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere on a line."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert export_turns(TURNS, "md", Path("~/a.md")) == tmp_path / "a.md"


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path: Path) -> None:
    """No turn, an unknown format, a folder in the file's place, a folder that does not exist."""
    with pytest.raises(InputError, match=r"^There is no turn to export\. Run a prompt first\.$"):
        export_turns([], "md")
    with pytest.raises(InputError, match=r"^'pdf' is not an export format\. Use one of md, html, ipynb, jsonl\.$"):
        export_turns(TURNS, "pdf")  # type: ignore[arg-type]
    for path in (tmp_path, tmp_path / "none" / "a.md"):
        with pytest.raises(InputError, match=rf"^The export to {re.escape(str(path))} failed: (is a|no such file or) directory\.$"):
            export_turns(TURNS, "md", path)


@pytest.mark.parametrize("line", ["x", "[]", "{}", '{"version": 2}', '{"version": 1, "turn": {}, "info": {}}', "\ufeff", "[" * 100_000])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    """The file and the line; a file that is not there, too."""
    path = export_turns(TURNS, "jsonl", tmp_path / "a.jsonl")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=rf"^{re.escape(str(path))}, line 3: this is not an exported turn"):
        read_jsonl(path)
    with pytest.raises(InputError, match="cannot be read: no such file"):
        read_jsonl(tmp_path / "none.jsonl")


def test_a_line_without_its_prompt_is_damaged(tmp_path: Path) -> None:
    """A bare turn is not an exported turn."""
    path = export_turns(TURNS[:1], "jsonl", tmp_path / "a.jsonl")
    data = json.loads(path.read_text())
    del data["prompt"]
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="line 1"):
        read_jsonl(path)


def test_an_export_does_not_write_through_a_link_and_does_not_wait_at_a_pipe(tmp_path: Path) -> None:
    """The agent can put both where the user exports to."""
    target, link, pipe = tmp_path / "settings", tmp_path / "out.md", tmp_path / "pipe.md"
    target.write_text("mine")
    link.symlink_to(target)
    os.mkfifo(pipe)
    for path in (link, pipe):
        with pytest.raises(InputError, match=rf"^The export to {re.escape(str(path))} failed: "):
            export_turns(TURNS, "md", path)
    assert target.read_text() == "mine"
