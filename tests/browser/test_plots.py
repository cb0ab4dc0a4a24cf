"""Plots as input in real JupyterLab: what the user sees above the turn is what the model gets."""

import os
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect

PLOT = """%matplotlib inline
import matplotlib.pyplot as plt
plt.hist([1, 2, 2, 2, 3, 7, 8, 8, 9], bins=9); plt.show()"""
ASK = """%%codex
Why is @plot bimodal?"""
LOOK = """import io
from PIL import Image
sent, = model.requests[-1].images
print("the model got", "x".join(map(str, Image.open(io.BytesIO(sent.data)).size)), "pixels")"""
SETUP = """%load_ext codex_jupyter
from codex_jupyter.testing import ScriptedModel, shell
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="80"><rect width="200" height="80" fill="#0a0"/></svg>'
model = ScriptedModel([[shell(f"printf '%s' '{SVG}' > drawn.svg"), "Two groups."]]).start()
%codex use model
%config CodexMagics.sandbox = 'danger-full-access'"""


def test_a_plot_is_asked_about(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """Its thumbnail is above the turn, the model receives its pixels, and the agent's own image is below, with a link."""
    notebook = new_notebook(
        cells=[new_code_cell(source) for source in (SETUP, PLOT, ASK, LOOK)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "plots.ipynb")
    page = open_notebook(tmp_path / "plots.ipynb", "plots.ipynb")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    cells = page.locator(".jp-CodeCell")
    expect(cells.nth(3).locator(".jp-OutputArea-output")).to_contain_text("the model got", timeout=60_000)
    plot, thumbnail = cells.nth(1).locator(".jp-RenderedImage img"), cells.nth(2).locator("img[alt^='plot 1']")
    expect(thumbnail).to_be_visible()
    size = plot.evaluate("image => image.naturalWidth + 'x' + image.naturalHeight")
    expect(cells.nth(3).locator(".jp-OutputArea-output")).to_contain_text(f"the model got {size} pixels")
    box = thumbnail.bounding_box()
    assert box is not None
    assert 20 < max(box["width"], box["height"]) <= 97
    drawn = cells.nth(2).locator("img[alt^='drawn.svg']")
    assert drawn.evaluate("image => image.complete && image.naturalWidth") == 400  # twice its size, for sharp screens
    shown = drawn.bounding_box()
    assert shown is not None
    assert shown["width"] == 200
    link = cells.nth(2).get_by_role("link", name="drawn.svg")
    if folder := os.environ.get("SCREENSHOTS"):
        cells.nth(2).screenshot(path=Path(folder) / "plots.png")
    link.click()
    expect(page.locator(".jp-ImageViewer img")).to_be_visible()
