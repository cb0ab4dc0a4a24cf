"""Rendered items in a real page: safe in a trusted notebook, readable in an untrusted one."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab

OURS = ("http://127.0.0.1", "data:", "blob:")
"""Prefixes of the addresses that a page may request."""
PAYLOADS = Path(__file__).parents[1] / "notebook" / "render" / "xss_payloads.txt"
ATTACK = f"""
import json
from IPython.display import display
from codex_jupyter.notebook.render import TurnInfo, item_bundle, turn_bundle
from codex_jupyter.sdk import *

attacks = [json.loads(line) for line in open({str(PAYLOADS)!r})]
kinds = [
    lambda text: AgentMessageItem(id="a", text=text),
    lambda text: AgentMessageItem(id="a", text=f"| a |\\n|---|\\n| {{text}} |\\n\\n> {{text}}"),
    lambda text: ReasoningItem(id="a", text=text),
    lambda text: CommandExecutionItem(id="a", command=text, aggregated_output=text, exit_code=0, status="completed"),
    lambda text: FileChangeItem(id="a", changes=[FileUpdateChange(path=text, kind=text)], status="completed"),
    lambda text: McpToolCallItem(
        id="a", server=text, tool=text, arguments={{text: text}}, status="completed",
        result=McpToolCallResult(content=[{{"type": "text", "text": text}}, {{"type": "image", "data": text, "mimeType": "image/png"}}]),
    ),
    lambda text: WebSearchItem(id="a", query=text, action={{"type": "search", "query": text}}),
    lambda text: TodoListItem(id="a", items=[TodoItem(text=text, completed=True)]),
    lambda text: CollabToolCallItem(id="a", tool=text, prompt=text, status="completed"),
    lambda text: ErrorItem(id="a", message=text),
    lambda text: UnknownItem(id="a", wire_type=text, field=text),
]
for kind in kinds:
    bundles = [item_bundle(kind(text), diff=f"--- a/x\\n+++ b/x\\n@@ -1 +1 @@\\n-{{text}}\\n+{{text}}\\n") for text in attacks]
    display({{"text/html": "".join(bundle["text/html"] for bundle in bundles), "text/plain": ""}}, raw=True)
for text in attacks[::20]:  # JupyterLab shows the first 50 outputs of a cell
    turn = Turn(thread_id=text, status="failed", error=text, warnings=(text,))
    display(turn_bundle(turn, TurnInfo(model=text, sandbox=text, cwd=text, thread_name=text)), raw=True)
print("all", len(attacks), "shown")
"""
# What a page must not do, however it is made to: every way a payload has of making itself known ends here.
TRAP = """
window.fired = [];
for (const name of ['alert', 'confirm', 'prompt', 'open']) {
  window[name] = (...values) => { window.fired.push([name, ...values.map(String)]); };
}
"""


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    """Write a notebook of some code cells."""

    def written(*cells: str) -> Path:
        notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
        path = tmp_path / "notebook.ipynb"
        nbformat.write(notebook, path)
        return path

    return written


@pytest.mark.usefixtures("own_page")
def test_no_attack_is_executed_in_a_trusted_notebook(notebook: Callable[..., Path], open_notebook: Callable[..., Page], page: Page) -> None:
    """Hundreds of payloads in every field of every item: no script runs, no request leaves, nothing dangerous is in the page."""
    assert len(PAYLOADS.read_text().splitlines()) >= 200
    page.add_init_script(TRAP)
    foreign: deque[str] = deque()
    page.on("request", lambda request: None if request.url.startswith(OURS) else foreign.append(request.url))
    open_notebook(notebook(ATTACK), "attacks.ipynb")
    page.evaluate("window.fired = []")
    run_all(page)
    expect(page.locator(".jp-OutputArea-output").filter(has_text="shown").last).to_be_visible(timeout=120_000)
    outputs = page.locator(".jp-OutputArea-output.jp-RenderedHTMLCommon")
    assert outputs.count() > 10
    violations = page.evaluate(
        """() => {
          const bad = [];
          for (const element of document.querySelectorAll('.jp-OutputArea-output *')) {
            const tag = element.tagName.toLowerCase();
            if (element.closest('.MathJax, mjx-container')) continue;
            if (['script', 'iframe', 'object', 'embed', 'svg', 'math', 'style', 'form', 'base', 'link', 'meta', 'template'].includes(tag))
              bad.push(tag);
            for (const attribute of element.attributes) {
              const value = attribute.value.replace(/[\\s\\u0000-\\u001f]/g, '').toLowerCase();
              if (attribute.name.startsWith('on') || attribute.name.startsWith('data-command')) bad.push(attribute.name);
              if (attribute.name === 'href' && !/^(https?:|mailto:)/.test(value)) bad.push('href ' + value);
              if (attribute.name === 'src' && !/^data:image\\/(png|jpeg|gif|webp);base64,/.test(value)) bad.push('src ' + value);
            }
          }
          for (const fold of document.querySelectorAll('.jp-OutputArea-output details')) fold.open = true;
          return bad;
        }"""
    )
    assert violations == []
    page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output details:not([open])').length === 0")
    assert page.evaluate("window.fired") == []
    assert not foreign


TURN = """
from codex_jupyter.testing import *
model = ScriptedModel([[
    [think("**Plan**\\n\\nLook first."), shell("printf '\\033[31mred\\033[0m plain\\n'")],
    write_file("made.py", "print('made')\\n"),
    "**Answer**\\n\\n| a | b |\\n|---|---|\\n| 1 | 2 |\\n\\n```python\\ndef f(): return 1\\n```\\n",
]])
%load_ext codex_jupyter
%codex use model
"""
ASK = "%%codex -s workspace-write\nMake it."


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_saved_turn_is_readable_when_it_is_reopened_untrusted(
    notebook: Callable[..., Path], open_notebook: Callable[..., Page], lab: Lab, page: Page, tmp_path: Path, theme: str
) -> None:
    """The sanitiser of an untrusted notebook leaves structure, folds, surfaces and layout as they were."""
    name = f"trusted-{theme}.ipynb"
    open_notebook(notebook(TURN, ASK), name, dark=theme == "dark")
    run_all(page)
    expect(page.locator(".jp-OutputArea-output").filter(has_text="Worked for").last).to_be_visible(timeout=60_000)
    live = _look(page)
    assert len(live) > 40
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = nbformat.read(lab.root / name, 4)
    # A changed notebook has no valid signature any more: it is not trusted.
    saved.cells.append(new_markdown_cell("changed by somebody else"))
    path = tmp_path / "untrusted.ipynb"
    nbformat.write(saved, path)
    open_notebook(path, f"untrusted-{theme}.ipynb", dark=theme == "dark")
    expect(page.locator(".jp-OutputArea-output").filter(has_text="Worked for").last).to_be_visible(timeout=60_000)
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.some(cell => cell.model.trusted === false)")
    assert _look(page) == live


def _look(page: Page) -> list[list[str]]:
    """Texts, tags and surfaces of a turn, as the browser computes them. Text colours differ, see `colors.text`."""
    look: list[list[str]] = page.evaluate(
        """() => [...document.querySelectorAll('.jp-OutputArea-output.jp-RenderedHTMLCommon *')].map(element => {
              const style = getComputedStyle(element);
              const edge = parseFloat(style.borderLeftWidth) ? style.borderLeftColor : '';
              return [element.tagName, style.backgroundColor, edge, style.display, style.fontWeight, style.whiteSpace,
                      element.children.length ? '' : element.textContent];
            })"""
    )
    return look


def test_a_fold_stays_open_while_other_items_change(notebook: Callable[..., Path], open_notebook: Callable[..., Page], page: Page) -> None:
    """Details that the reader opened in a finished step stay open, selected and in place when other steps follow, until the turn ends."""
    setup = """
import threading
from codex_jupyter.testing import *
gate, end = threading.Event(), threading.Event()
work = [[think("**Title**\\n\\nThe hidden part."), shell("echo one")], [wait_for(gate, 60), shell("echo two")]]
model = ScriptedModel([[*work, [wait_for(end, 60), say("done")]]])
def open_gate(): gate.set()
threading.Timer(12, open_gate).start()
%load_ext codex_jupyter
%codex use model
"""
    open_notebook(notebook(setup, ASK), "folds.ipynb")
    run_all(page)
    summary = page.locator(".jp-OutputArea-output summary").filter(has_text="Title").first
    expect(summary).to_be_visible(timeout=60_000)
    summary.focus()
    page.keyboard.press("Enter")
    hidden = page.get_by_role("paragraph").filter(has_text="The hidden part.")
    expect(hidden).to_be_visible()
    hidden.evaluate("element => getSelection().selectAllChildren(element)")
    page.set_viewport_size({"width": 1100, "height": 420})
    scroller = page.locator(".jp-WindowedPanel-outer")
    scroller.evaluate("element => { element.scrollTop = 120; }")
    place = hidden.bounding_box()
    expect(page.locator(".jp-OutputArea-output").filter(has_text="echo two").last).to_be_attached(timeout=60_000)
    page.wait_for_function("document.querySelector('.jp-Notebook').textContent.includes('exit 0')")
    expect(hidden).to_be_visible()
    assert scroller.evaluate("element => element.scrollTop") == 120
    assert hidden.bounding_box() == place
    assert "The hidden part." in page.evaluate("getSelection().toString()")
