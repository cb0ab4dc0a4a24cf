"""Notebooks with stored outputs, read where no kernel and no extension is: nbconvert, GitHub, and this package itself."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert.exporters import HTMLExporter, LatexExporter, MarkdownExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from codex_jupyter.notebook.display.outputs import EMPTY
from codex_jupyter.notebook.render import (
    TURN_MIME,
    TURNS_MIME,
    answer_bundle,
    header_bundle,
    join,
    last_work_bundle,
    turn_bundle,
    turn_from_json,
)
from codex_jupyter.notebook.render.activity import work_items
from tests.notebook.render.markup import read

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
SAID = {
    "quickstart": ["summary.py", "days: 7", "mean: 6.0", "highest (day 6)"],
    "04_plots": ["two-groups.svg", "It has two humps", "plain diagonal gradient"],
    "06_kernel": ["trips.assign", "ran 2 lines in the kernel", "kernel run", "Bern is 95 km away"],
    "05_chat": ["looking around", "There is nothing in this folder yet.", "mean = sum"],
    "03_gallery": ["stats.py", "No such file or directory", "None of the seven stands out", "git push --force", "tiff is not supported"],
}
"""A file, the output of a command, an answer, ..., of each notebook."""
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
"""The type of a chat, which stands beside the copy of its conversation."""
ASK = """\
from codex_jupyter.testing import *
model = ScriptedModel([[[shell("echo from the $((40 + 2))nd shell")], "All **done**."]])
%load_ext codex_jupyter
%codex use model
"""


@pytest.fixture(params=SAID)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a notebook with stored outputs."""
    return str(request.param)


@pytest.fixture
def notebook(name: str) -> NotebookNode:
    return _read(NOTEBOOKS / f"{name}.ipynb")


def _read(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, 4)
    return notebook


def bundles(notebook: NotebookNode) -> Iterator[dict[str, Any]]:
    """The outputs that hold HTML."""
    for cell in notebook.cells:
        yield from bundles_of(cell)


def bundles_of(cell: NotebookNode) -> list[dict[str, Any]]:
    """The outputs of a cell that hold HTML. Outputs that were emptied take no space."""
    stored = [output.get("data", {}) for output in cell.get("outputs", ())]
    return [data for data in stored if "text/html" in data and data != EMPTY]


class _Text(HTMLParser):
    """Collects the text of a page without its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = 0
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def text_of_page(html: str) -> str:
    parser = _Text()
    parser.feed(html)
    return "".join(parser.parts)


@pytest.mark.integration
def test_nbconvert_makes_a_readable_page(notebook: NotebookNode, name: str) -> None:
    """File names, output and answers are on the page, each turn once."""
    body, _ = HTMLExporter().from_notebook_node(notebook)
    text = text_of_page(body)
    for words in SAID[name]:
        assert words in text


@pytest.mark.integration
def test_nbconvert_makes_readable_markdown(notebook: NotebookNode, name: str) -> None:
    """The HTML of the outputs goes into the Markdown whole, as GitHub and others show it."""
    body, _ = MarkdownExporter().from_notebook_node(notebook)
    text = text_of_page(body)
    for words in SAID[name]:
        assert words in text


@pytest.mark.integration
def test_nbconvert_makes_readable_latex(notebook: NotebookNode, name: str) -> None:
    """A printed notebook has the plain text of every turn."""
    # Markdown cells would need pandoc, which is not part of Python.
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    body, _ = LatexExporter().from_notebook_node(notebook)
    text = re.sub(r"\\([&%$#_{}])", r"\1", body)
    for words in SAID[name]:
        assert words in text


def test_stored_html_keeps_the_rules_of_github(notebook: NotebookNode) -> None:
    """No style blocks, ids, scripts, SVG or event handlers. Images are data URLs of raster types."""
    stored = list(bundles(notebook))
    assert len(stored) > 3
    for bundle in stored:
        read(bundle["text/html"])
        assert set(bundle) <= {"text/html", "text/plain", TURN_MIME, TURNS_MIME, WIDGET_MIME}


def test_stored_plain_text_is_readable_markdown(notebook: NotebookNode) -> None:
    """It holds no markup of HTML and no control sequence, and its code blocks are closed."""
    for bundle in bundles(notebook):
        text = bundle["text/plain"]
        assert text.strip() or not bundle["text/html"]  # the place of an answer that there is not
        assert not re.search(r"</?(div|span|section|pre|details)\b|\x1b|style=", text)
        assert text.count("```") % 2 == 0


def test_a_stored_turn_is_shown_again_as_it_was(notebook: NotebookNode) -> None:
    """The JSON in the last output of a cell gives back the turn, and the turn the same bundles."""
    turns = 0
    for cell in notebook.cells:
        shown = bundles_of(cell)
        for saved in [bundle[TURN_MIME] for bundle in shown if TURN_MIME in bundle]:
            turns += 1
            turn, info = turn_from_json(saved)
            assert turn_from_json(turn_bundle(turn, info)[TURN_MIME]) == (turn, info)
            again = turn_bundle(turn, info)
            if len(shown) > 1:  # one output per part: the JSON is in that of the answer
                work = last_work_bundle(work_items(turn), turn, info)
                parts = [header_bundle(info, turn.rights), answer_bundle(turn, info, error=False), work]
                assert as_seen(join(parts)) == as_seen(join(shown))
            else:
                assert as_seen(again) == as_seen(shown[0])
    assert turns >= 1


def as_seen(bundle: dict[str, Any]) -> list[str]:
    """Return the content of a bundle without the duration of items, which is shown live and not saved."""
    return [re.sub(r" · (\d+ h )?(\d+ min )?[\d.]+ (s|min)\b", "", bundle[mime]) for mime in ("text/html", "text/plain")]


@pytest.fixture
def asking(tmp_path: Path) -> NotebookNode:
    """A notebook of one turn, not run yet."""
    cells = [new_code_cell(ASK), new_code_cell("%%codex -s danger-full-access\nGo.")]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook: NotebookNode = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    return notebook


def check_finished(notebook: NotebookNode, cell: int = -1) -> None:
    """A cell, the last one if none is named, shows the turn in its last state."""
    shown = [text for output in notebook.cells[cell].outputs if (text := output["data"]["text/plain"])]
    assert "codex" in shown[0]
    text = "\n".join(shown)
    assert "from the 42nd shell" in text
    assert "All **done**." in text
    assert "✓ completed" in shown[-1]
    assert "running" not in text


@pytest.mark.integration
def test_nbclient_keeps_the_finished_turn(asking: NotebookNode, tmp_path: Path) -> None:
    """Without a front end, updates of an output still end in its last state."""
    NotebookClient(asking, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    check_finished(asking)


@pytest.mark.integration
def test_nbclient_keeps_a_turn_in_the_background(asking: NotebookNode, tmp_path: Path) -> None:
    """Output that came while no cell ran is there after `%codex wait`."""
    ask = ASK.replace("echo from", "touch begun; echo from")
    sources = (ask, "job = %codex --bg -s danger-full-access Go.", "1 + 1", "%codex wait")
    asking.cells = [new_code_cell(source) for source in sources]

    def between(cell_index: int, **_: object) -> None:
        deadline = time.monotonic() + 60
        while cell_index == 1 and not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    NotebookClient(
        asking, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}, on_cell_executed=between
    ).execute()
    check_finished(asking, 1)
    # The answer comes once more for front ends that ignore updates, and is withdrawn by one.
    assert [output.data for output in asking.cells[-1].outputs] == [EMPTY]


@pytest.mark.integration
def test_nbconvert_execute_keeps_the_finished_turn(asking: NotebookNode, tmp_path: Path) -> None:
    """`jupyter nbconvert --execute` writes a notebook with the finished turn."""
    nbformat.write(asking, tmp_path / "ask.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--output", "done.ipynb", str(tmp_path / "ask.ipynb")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    check_finished(_read(tmp_path / "done.ipynb"))
