"""The chat widget in real front ends, against the scripted model."""

import os
import re
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter, MarkdownExporter
from playwright.sync_api import Page, expect

from tests.browser.chats import Opened, check_saved_copy, notebook, run_cell, say, until
from tests.browser.conftest import KERNEL_IDLE, TOKEN, Lab, open_in_notebook_7
from tests.browser.test_gallery import CONTRASTS


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_conversation_is_readable_and_its_code_goes_into_a_new_cell(opened: Opened, theme: str) -> None:
    """Requests and results appear, code goes into a new cell, and the agent's text stays text."""
    page, chat = opened(f"chat-{theme}.ipynb", "import codex_jupyter\nchat = codex_jupyter.chat()\nchat", dark=theme == "dark")
    say(chat, "hello there")
    log = chat.get_by_role("log")
    expect(log.get_by_text("hello there")).to_be_visible()
    expect(log.get_by_text("echo looked")).to_be_visible()
    expect(log.get_by_text("print('from the chat')")).to_be_visible()
    say(chat, "attack")
    expect(log.get_by_text("<script>window.hacked=1</script>")).to_be_visible()
    assert page.evaluate("window.hacked") is None
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / f"chat-{theme}.png")
    texts = page.evaluate(CONTRASTS, ".codex-chat")
    assert len(texts) > 15
    assert {text["text"]: round(text["ratio"], 2) for text in texts if text["ratio"] < (3 if text["secondary"] else 4.5)} == {}
    log.get_by_label("Insert the code into a new cell").click()
    expect(page.locator(".jp-CodeCell").nth(2).locator(".cm-content")).to_contain_text("print('from the chat')")


def test_it_answers_and_stops_while_the_kernel_is_busy(opened: Opened) -> None:
    """A running cell holds back neither a prompt nor a stop."""
    page, chat = opened("chat-busy.ipynb", "%codex chat", "busy = 0")
    page.locator(".jp-CodeCell").nth(2).locator(".cm-content").fill("import threading; threading.Event().wait(); print('cell is done')")
    run_cell(page, 2)
    expect(page.locator(".jp-CodeCell").nth(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    say(chat, "hello there")
    log = chat.get_by_role("log")
    expect(log.get_by_text("print('from the chat')")).to_be_visible()
    say(chat, "slow please")
    expect(log.get_by_text("sleep 3005")).to_be_visible()
    chat.get_by_label("Stop the turn").click()
    expect(log.locator("article[data-status=interrupted]")).to_be_visible()
    assert page.get_by_text("cell is done", exact=True).count() == 0


def test_prompts_wait_their_turn(opened: Opened) -> None:
    """Prompts that are sent meanwhile are queued, can be edited, and start when they can. Two views and the cells show the same."""
    page, chat = opened("chat-queue.ipynb", "import codex_jupyter\nchat = codex_jupyter.chat()\nchat", "chat", "%codex and from a cell?")
    other = page.locator(".codex-chat").nth(1)
    for view in (chat, other):
        expect(view.get_by_role("log").get_by_text("The cell and the chat are one.")).to_be_visible()
    say(chat, "slow please")
    expect(chat.get_by_label("Stop the turn")).to_be_visible()
    say(chat, "one more")
    say(chat, "remove me")
    queue = other.get_by_label("Waiting prompts")
    expect(queue.get_by_role("listitem")).to_have_count(2)
    queue.get_by_label("Remove this prompt").nth(1).click()
    expect(queue.get_by_role("listitem")).to_have_count(1)
    queue.get_by_label("Edit this prompt").click()
    expect(queue.get_by_role("listitem")).to_have_count(0)
    box = other.get_by_label("Message to Codex")
    expect(box).to_have_value("one more")
    box.press("Enter")
    expect(queue.get_by_role("listitem")).to_have_count(1)
    other.get_by_label("Stop the turn").click()
    queue.get_by_label("Send the next prompt").click()
    for view in (chat, other):
        expect(view.get_by_role("log").get_by_text("Fine.")).to_be_visible()
    box.press("ArrowUp")
    expect(box).to_have_value("one more")


def test_threads_are_started_renamed_forked_searched_and_deleted(opened: Opened) -> None:
    """Each with its own conversation. A new one starts at once, and its first prompt is its title."""
    _, chat = opened("chat-threads.ipynb", "%codex chat")
    log, thread, more = chat.get_by_role("log"), chat.get_by_label("Thread", exact=True), chat.get_by_role("menuitem")
    shown = thread.locator("option:checked")
    say(chat, "ask about the cell")
    expect(log.get_by_text("The cell and the chat are one.")).to_be_visible()
    expect(shown).to_have_text("ask about the cell")
    chat.get_by_label("More about this thread").click()
    more.get_by_text("Fork").click()
    expect(thread).to_have_value("main_fork")
    say(chat, "go on")
    expect(log.get_by_text("Fine.")).to_be_visible()
    chat.get_by_label("More about this thread").click()
    more.get_by_text("Rename").click()
    title = chat.get_by_label("Title of this thread")
    title.fill("The second one")
    title.press("Enter")
    expect(shown).to_have_text("The second one")
    thread.select_option("main")
    expect(log.get_by_text("The cell and the chat are one.")).to_be_visible()
    expect(log.get_by_text("Fine.")).to_have_count(0)
    chat.get_by_label("new thread").click()
    expect(thread).to_have_value("chat")
    expect(log.get_by_role("article")).to_have_count(0)
    chat.get_by_label("Sandbox").select_option("read-only")
    expect(chat.get_by_label("Sandbox")).to_have_value("read-only")
    assert "gpt" in " ".join(chat.get_by_label("Model", exact=True).locator("option").all_inner_texts())
    chat.get_by_label("resume thread").click()
    chat.get_by_label("Search threads").fill("second one")
    expect(chat.locator(".codex-stored li")).to_have_count(1)
    chat.get_by_label("Delete: The second one").click()
    chat.get_by_label("Delete for good: The second one").click()
    expect(chat.get_by_text("No thread matches.")).to_be_visible()
    expect(thread.locator("option")).to_have_count(2)


PLOT = """%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 3, 2]); plt.show()
%codex chat"""
LOOK = """import io; from PIL import Image
print("got", [Image.open(io.BytesIO(sent.data)).size for sent in model.requests[-1].images])"""
PASTE = """async element => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 50, height: 40 });
    const blob = await new Promise(done => canvas.toBlob(done));
    const data = new DataTransfer();
    data.items.add(new File([blob], 'pasted.png', { type: 'image/png' }));
    element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def test_images_are_sent_with_the_prompt(opened: Opened, tmp_path: Path) -> None:
    """Pasted, from a file, from the notebook's plots, and by mention; what cannot go is refused with a reason."""
    page, chat = opened("chat-pictures.ipynb", PLOT, LOOK)
    attached, box = chat.get_by_label("Attached images"), chat.get_by_label("Message to Codex")
    box.evaluate(PASTE)
    expect(attached.get_by_text("pasted.png · 50 x 40 px")).to_be_visible()
    from PIL import Image

    noise = Image.frombytes("RGB", (1500, 1000), os.urandom(4_500_000))
    noise.save(tmp_path / "large.png")
    (tmp_path / "notes.txt").write_text("text")
    files = chat.get_by_label("Image files", exact=True)
    files.set_input_files(tmp_path / "large.png")
    expect(attached.get_by_text("large.png · 1,500 x 1,000 px")).to_be_visible()
    files.set_input_files(tmp_path / "notes.txt")
    expect(chat.get_by_role("alert")).to_contain_text("notes.txt is not a PNG, JPEG, GIF or WebP image.")
    chat.get_by_label("Attach a plot of the notebook").click()
    chat.get_by_role("group", name="Plots of the notebook").get_by_role("button").first.click()
    expect(attached.get_by_text("plot 1")).to_be_visible()
    attached.get_by_label("Remove pasted.png").click()
    expect(attached.locator("figure")).to_have_count(2)
    box.press_sequentially("the picture, and @pl")
    expect(chat.get_by_role("option", name="@plot")).to_be_visible()
    box.press("Enter")
    expect(box).to_have_value("the picture, and @plot ")
    box.press("Enter")
    expect(chat.get_by_role("log").get_by_text("I see it.")).to_be_visible()
    expect(attached.locator("figure")).to_have_count(0)
    expect(chat.get_by_role("log").locator("img[alt^='large.png']")).to_be_visible()
    run_cell(page, 2)
    expect(page.locator(".jp-CodeCell").nth(2)).to_contain_text(re.compile(r"got \[\(1500, 1000\), \(\d+, 413\)\]"))
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / "chat-pictures.png")


def saved(path: Path, text: str) -> nbformat.NotebookNode:
    """A notebook, as soon as its file holds a text."""
    deadline = time.monotonic() + 20
    while text not in (content := path.read_text()):
        assert time.monotonic() < deadline, f"{text} is not saved"
        time.sleep(0.1)
    read: nbformat.NotebookNode = nbformat.reads(content, 4)
    return read


@pytest.mark.usefixtures("own_page")
def test_nothing_is_lost_when_the_page_is_reloaded_or_the_kernel_is_gone(opened: Opened, lab: Lab) -> None:
    """A reload finds the conversation and the draft; a notebook without its kernel holds a readable copy, which the live chat hides."""
    page, chat = opened("chat-saved.ipynb", "chat = %codex chat\nchat", "print(repr(chat.draft))")
    say(chat, "ask about the cell")
    log = chat.get_by_role("log")
    expect(log.get_by_text("The cell and the chat are one.")).to_be_visible()
    say(chat, "slow please")
    expect(log.get_by_text("sleep 3005")).to_be_visible()
    chat.get_by_label("Message to Codex").fill("not sent yet")
    # The draft travels by itself.
    until(lambda: run_cell(page, 2), lambda: "not sent yet" in page.locator(".jp-CodeCell").nth(2).inner_text())
    copy = page.locator(".jp-OutputArea-output").filter(has_text="ask about the cell").last
    expect(copy).to_be_hidden()
    page.keyboard.press("Control+s")
    saved(lab.root / "chat-saved.ipynb", "> ask about the cell")
    page.reload()
    expect(log.get_by_text("sleep 3005")).to_be_visible(timeout=60_000)
    expect(log.get_by_text("The cell and the chat are one.")).to_be_visible()
    expect(chat.get_by_label("Message to Codex")).to_have_value("not sent yet")
    chat.get_by_label("Stop the turn").click()
    expect(log.locator("article[data-status=interrupted]")).to_be_visible()
    say(chat, "hello there")
    expect(log.get_by_text("print('from the chat')")).to_be_visible()
    # The page notices by itself that its copy is old.
    until(lambda: page.keyboard.press("Control+s"), lambda: "> hello there" in (lab.root / "chat-saved.ipynb").read_text())
    written = saved(lab.root / "chat-saved.ipynb", "> hello there")
    html, _ = HTMLExporter().from_notebook_node(written)
    markdown, _ = MarkdownExporter().from_notebook_node(written)
    for text in ("ask about the cell", "The cell and the chat are one.", "sleep 3005", "hello there"):
        assert text in html
        assert text in markdown
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    page.reload()
    check_saved_copy(page, "ask about the cell", trusted=True)
    expect(page.locator(".codex-chat-saved")).to_be_attached()
    # A new kernel comes with the page; a cell that is run before it is there makes JupyterLab ask for one.
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    run_cell(page, 0)
    run_cell(page, 1)
    expect(chat.get_by_label("Thread", exact=True)).to_have_value("main", timeout=60_000)
    # No one here has signed this file, so JupyterLab does not trust it.
    written.metadata["note"] = "from elsewhere"
    nbformat.write(written, lab.root / "chat-untrusted.ipynb")
    page.goto(lab.notebook("chat-untrusted.ipynb"))
    check_saved_copy(page, "ask about the cell", trusted=False)


@pytest.mark.parametrize("front_end", ["notebooks", "voila/render"])
def test_it_works_in_notebook_7_and_voila(lab: Lab, page: Page, front_end: str) -> None:
    """In Voila, which has no cells, code is copied instead of inserted."""
    name = f"chat-{front_end.partition('/')[0]}.ipynb"
    nbformat.write(notebook("%codex chat"), lab.root / name)
    if front_end == "voila/render":
        page.goto(f"{lab.url}/{front_end}/{name}?token={TOKEN}")
    else:
        open_in_notebook_7(page, lab, name)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    chat = page.locator(".codex-chat").first  # the panel of the Lab extension comes after it
    expect(chat.get_by_label("Thread", exact=True)).to_have_value("main", timeout=60_000)
    say(chat, "slow please")
    log = chat.get_by_role("log")
    expect(log.get_by_text("sleep 3005")).to_be_visible()
    chat.get_by_label("Stop the turn").click()
    expect(log.locator("article[data-status=interrupted]")).to_be_visible()
    say(chat, "hello there")
    expect(log.get_by_text("print('from the chat')")).to_be_visible()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
    log.get_by_label("Insert the code into a new cell").click()
    if front_end == "notebooks":
        expect(page.locator(".jp-CodeCell").nth(2).locator(".cm-content")).to_contain_text("print('from the chat')")


LONG = """import codex_jupyter
chat = codex_jupyter.chat()
chat.ask("hello there").result()
%codex wait
from codex_jupyter.notebook.session.current import current_session
current_session(get_ipython()).threads.conversations["main"].turns *= 500
chat"""


def test_a_long_conversation_is_loaded_as_it_is_read(opened: Opened) -> None:
    """Of 500 turns only the last are in the page; earlier ones come when the reader gets there. What the page missed, it asks for."""
    page, chat = opened("chat-long.ipynb", LONG, "chat.send({'type': 'notice', 'text': 'later than others', 'sequence': 10**6})")
    log = chat.get_by_role("log")
    expect(log.get_by_role("article")).to_have_count(20)
    log.evaluate("element => element.scrollTop = 0")
    expect(log.get_by_role("article")).to_have_count(40)
    expect(chat.get_by_label("Go to the newest message")).to_be_visible()
    run_cell(page, 2)
    say(chat, "שלום, what about the cell?")
    expect(log.get_by_text("The cell and the chat are one.")).to_be_visible()
    expect(log.get_by_role("article").nth(21)).not_to_be_attached()  # the last 20, and the new one if it had not ended yet
    direction = log.get_by_text("שלום").evaluate("element => getComputedStyle(element).direction")
    assert direction == "rtl"
    page.set_viewport_size({"width": 520, "height": 900})
    assert chat.evaluate("element => element.scrollWidth <= element.clientWidth")
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / "chat-narrow.png")


COLOUR = "element => getComputedStyle(element).backgroundColor"
APPROVING = """%config CodexMagics.sandbox = "read-only"
%config CodexMagics.approval = "on-request"
%codex chat"""


def test_the_agent_asks_by_a_card(opened: Opened, lab: Lab) -> None:
    """With the command, the reason, and what each choice means; while another cell runs, too."""
    page, chat = opened("chat-asks.ipynb", APPROVING, "busy = 0")
    page.locator(".jp-CodeCell").nth(2).locator(".cm-content").fill("import threading; threading.Event().wait()")
    run_cell(page, 2)
    say(chat, "ask me")
    card = chat.get_by_role("alertdialog", name="Run this command?")
    expect(card).to_contain_text("Run this command?")
    expect(card).to_contain_text("to show it")
    expect(card).to_contain_text("echo asked > asked.txt")
    expect(chat.get_by_role("log").get_by_text("waiting for you")).to_be_visible()
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / "chat-asks.png")
    card.get_by_role("button", name="yes, this once").click()
    expect(chat.get_by_role("log").get_by_text("Asked.", exact=True)).to_be_visible()
    expect(card).to_be_hidden()
    assert (lab.root / "asked.txt").read_text() == "asked\n"


def test_a_form_is_asked_on_until_it_is_right(opened: Opened) -> None:
    """A missing or invalid number is reported and can be corrected. The button keeps its colour under the mouse."""
    desk = {"command": sys.executable, "args": [str(Path(__file__).parents[1] / "sdk" / "support" / "mcp_server.py")]}
    settings = f"%config CodexMagics.settings = {{'mcp_servers': {{'desk': {desk}}}}}\n"
    _, chat = opened("chat-form.ipynb", settings + APPROVING)
    say(chat, "a form, please")
    card = chat.get_by_role("alertdialog", name="An MCP server asks.")
    give = card.get_by_role("button", name="give these answers")
    expect(give).to_be_visible()
    colour = give.evaluate(COLOUR)
    give.click()
    assert give.evaluate(COLOUR) == colour
    expect(chat.get_by_text("Age: an answer is needed.")).to_be_visible()
    card.get_by_role("combobox", name="Age").fill("old")
    give.click()
    expect(chat.get_by_text("Age: 'old' is not a whole number.")).to_be_visible()
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / "chat-form.png")
    card.get_by_role("combobox", name="Age").fill("41")
    give.click()
    expect(chat.get_by_role("log").get_by_text("Thanks.", exact=True)).to_be_visible()
    expect(card).to_be_hidden()
    expect(chat.get_by_role("log").get_by_text('"age": 41')).to_be_attached()
