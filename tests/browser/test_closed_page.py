"""A page that is closed while a cell runs for the agent, and opened again."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import run_cell
from tests.browser.conftest import Lab
from tests.browser.test_lab_extension import consent as consent
from tests.browser.test_notebook_cells import LONG, SETUP, shoot, write
from tests.sdk.support.fake import wait_until

NAMES = ("again", "inside", "behind", "killed")
SCRIPT = SETUP + (
    "from codex_jupyter.testing import shell\n"
    "from codex_jupyter.notebook.cell_tools import page\n"
    "from codex_jupyter.notebook.lab import pages\n"
    "agent = ScriptedModel([\n"
    "    ScriptedTurn([tool('read_notebook'), tool('run_cell', code, cell=f'cell-{n}'), shell(f'touch {word}-told'), 'End.'], match=word)\n"
    "    for n, (word, code) in enumerate(SOURCES.items(), start=1)\n"
    "])\n"
    "%codex use agent"
)
IMPATIENT = "page.RELOAD_SECONDS, pages.PING_SECONDS = 0, 1"
END = """print(*(line for line in answers().splitlines() if "cannot be shown" in line), sep="\\n")"""


def end_abruptly(page: Page) -> None:
    """Let the process of a page crash, so that it cannot say that it ends."""
    with suppress(PlaywrightError):
        page.goto("chrome://crash")


@pytest.mark.usefixtures("consent")
def test_the_agent_and_the_user_learn_that_a_page_was_closed_and_a_tab_that_is_opened_again_continues(
    tmp_path: Path, lab: Lab, own_page: Page, open_notebook: Callable[..., Page]
) -> None:
    """In place of a blocking prompt, and as a cell that the page runs for a turn in the background."""
    longs = {name: LONG.replace("NAME", name) for name in NAMES}
    for name in NAMES:
        os.mkfifo(lab.root / f"{name}-go")  # the cell waits for the other end
    prompts = ["%%codex\nagain", "%%codex\ninside", "%%codex --bg\nbehind", "%%codex\nkilled"]
    path = write(tmp_path / "closed.ipynb", SCRIPT.replace("SOURCES", repr(longs)), *longs.values(), *prompts, IMPATIENT, END)
    page = open_notebook(path, "closed.ipynb")
    cells = {name: number for number, name in enumerate(NAMES, start=1)}

    def open_again() -> Page:
        page = own_page.context.new_page()
        page.goto(lab.notebook("closed.ipynb"))
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        return page

    def output(cell: int) -> Locator:
        return page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea")

    def start(name: str) -> None:
        run_cell(page, cells[name] + len(NAMES))
        expect(output(cells[name])).to_have_text("early", timeout=60_000)
        page.on("dialog", lambda dialog: dialog.accept())  # about changes that are not saved
        with page.expect_event("crash" if name == "killed" else "close"):
            if name == "killed":
                end_abruptly(page)
            else:
                page.close(run_before_unload=True)

    run_cell(page, 0)
    start("again")
    page = open_again()
    expect(output(cells["again"])).to_contain_text("The page was reloaded while this cell ran.", timeout=60_000)
    (lab.root / "again-go").open("w").close()
    expect(output(cells["again"])).to_contain_text("late")
    expect(output(cells["again"] + len(NAMES))).to_contain_text("End.", timeout=30_000)
    count = 2 * len(NAMES)
    run_cell(page, count + 1)
    for name in NAMES[1:]:
        start(name)
        (lab.root / f"{name}-go").open("w").close()
        wait_until((lab.root / f"{name}-told").exists)
        page = open_again()
        expect(output(cells[name] + len(NAMES))).to_contain_text("its output cannot be shown", timeout=60_000)
        expect(output(cells[name] + len(NAMES))).to_contain_text("End.")
    run_cell(page, count + 2)
    for how in ("completed as In[6]", "ended", "completed as In[10]"):
        # A browser does not send for certain that a page ends. The kernel then notices that the page does not answer.
        expect(output(count + 2)).to_contain_text(f"The cell has {how}, but its output cannot be shown: the page of the notebook")
    shoot(page.locator(".jp-Notebook"), "cells-closed")
