"""Take the images of the README: `python .ci/take_screenshots.py [NAME ...]` writes them to `notebooks/images/`.

A real JupyterLab runs the notebooks in Chromium, in the light and in the dark theme. Look at the images before you commit them.
"""

import itertools
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final

import nbformat
from PIL import Image, ImageChops
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import KERNEL_IDLE, Lab, chromium, jupyterlab  # noqa: E402 - needs the path above

IMAGES: Final = ROOT / "notebooks" / "images"
WIDTH: Final = 900
"""Width of the page in CSS pixels. The images have twice as many pixels, the moving one as many."""
HEIGHT: Final = 560
"""Height of the moving image."""
PAGE_HEIGHT: Final = 400
"""CSS pixels of the page above and below a cell."""
MAX_HEIGHT: Final = 1000
"""Maximum height of an image in CSS pixels. The rest is cropped."""
MARGIN: Final = 16
"""Pixels around the content of an image."""
BORDER: Final = 4
"""Pixels at the bottom of a cell in which the next one may start."""
COLOURS: Final = 128
"""Number of colours of an image, which make a screenshot a third as large."""
LAST_FRAME_MS: Final = 4000
MAX_BYTES: Final = 1_000_000
"""Limit of a moving image, so that the README loads fast."""
Shoot = Callable[[Lab, Browser, str], None]


def shoot_turn(lab: Lab, browser: Browser, theme: str) -> None:
    """Record the first turn of the quickstart."""
    page = open_notebook(lab, browser, "quickstart", theme, scale=1)
    cell = run_cells(page, until="%%codex")
    cell.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    clip = cell.evaluate("(cell, height) => { const {x, y, width} = cell.getBoundingClientRect(); return {x, y, width, height}; }", HEIGHT)
    page.keyboard.press("Control+Enter")
    frames: list[tuple[float, Image.Image]] = []
    done = False
    while not done:
        done = re.search(r"\d", cell.locator(".jp-InputPrompt").inner_text()) is not None
        frames.append((time.monotonic(), Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB")))
    durations = [round((after - before) * 1000) for (before, _), (after, _) in itertools.pairwise(frames)]
    save_animation([image for _, image in frames], [*durations, LAST_FRAME_MS], IMAGES / f"turn-{theme}.webp")


def shoot_cell(notebook: str, text: str, name: str, lab: Lab, browser: Browser, theme: str) -> None:
    """Take an image of the first cell of a notebook that contains a text, after all cells have run."""
    page = open_notebook(lab, browser, notebook, theme, scale=2)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    cell = page.locator(".jp-CodeCell").filter(has_text=text).first
    expect(page.locator(".jp-CodeCell .jp-InputPrompt").last).to_have_text(re.compile(r"\[\d+\]"), timeout=240_000)
    page.wait_for_function(KERNEL_IDLE, timeout=120_000)
    # The line of the work stays folded: it would repeat the changes that are shown below it.
    cell.evaluate("cell => [...cell.querySelectorAll('details')].slice(1).forEach(fold => { fold.open = !fold.closest('.codex-chat'); })")
    # The notebook scrolls, so only a page that is higher than the cell shows all of it.
    height = cell.evaluate("cell => cell.getBoundingClientRect().height")
    page.set_viewport_size({"width": WIDTH, "height": round(height) + PAGE_HEIGHT})
    cell.scroll_into_view_if_needed()
    cell.locator(".jp-Cell-outputArea, .jp-InputArea").first.wait_for()
    # The pointer and the selection would draw buttons and lines.
    page.locator(".jp-Cell").first.click()
    page.mouse.move(0, 0)
    save_image(cell.screenshot(), IMAGES / f"{name}-{theme}.png")


def save_image(png: bytes, path: Path) -> None:
    """Write an image with few colours, without empty space, and not higher than a reader sees at once."""
    whole = Image.open(BytesIO(png)).convert("RGB")
    image = whole.crop((0, 0, whole.width, whole.height - BORDER))
    ground = Image.new("RGB", image.size, image.getpixel((image.width - 1, image.height - 1)))
    box = ImageChops.difference(image, ground).getbbox() or (0, 0, *image.size)
    bottom = min(box[3] + MARGIN, image.height, MAX_HEIGHT * 2)
    image.crop((max(0, box[0] - MARGIN), max(0, box[1] - MARGIN), min(image.width, box[2] + MARGIN), bottom)).quantize(
        COLOURS, dither=Image.Dither.NONE
    ).save(path, optimize=True)


LAB_CELLS: Final = (
    """from codex_jupyter.testing import ScriptedModel, ScriptedTurn
FENCE = "`" * 3
ANSWER = "The second run was the fastest: **38 minutes** for 10 km, 3:48 per kilometre."
CODE = f"{FENCE}python\\n# cell pace\\ndef pace(minutes, km=10):\\n    return minutes / km\\n{FENCE}"
model = ScriptedModel([
    ScriptedTurn([f"`km - 10` is zero for the default distance. A pace is the time per kilometre.\\n{CODE}"], match="failed"),
    ScriptedTurn([ANSWER]),
]).start()
runs = {"first": 42, "second": 38, "third": 51}
%load_ext codex_jupyter
%codex use model
%config CodexMagics.preset = 'read-only'""",
    "%%codex\nWhich of my runs was the fastest? They are the minutes for 10 km.",
    "def pace(minutes, km=10):\n    return minutes / (km - 10)",
    "[pace(minutes) for minutes in runs.values()]",
)
"""The notebook of the image of JupyterLab. Its first cell is not in the image."""
LAB_SIZE: Final[ViewportSize] = {"width": 1240, "height": 900}
"""Size of the page of that image in CSS pixels."""


def shoot_lab(lab: Lab, browser: Browser, theme: str) -> None:
    """Take an image of the extension in JupyterLab: a turn in a cell, a fix of an earlier cell, and the chat."""
    settings = lab.root.parent / "settings" / "codex-jupyter" / "plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"load_into_kernels": true}')
    lab.configure("apputils-extension/themes", theme=f"JupyterLab {theme.title()}")
    cells = [nbformat.v4.new_code_cell(source) for source in LAB_CELLS]
    cells[2].id = "pace"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(document, lab.root / f"runs-{theme}.ipynb")
    page = browser.new_context(viewport=LAB_SIZE, device_scale_factor=2).new_page()
    page.goto(lab.notebook(f"runs-{theme}.ipynb"))
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    page.locator(".jp-CodeCell .cm-content").first.click()
    for _ in cells:
        page.keyboard.press("Shift+Enter")
    page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Open Codex").click()
    page.get_by_role("button", name="Fix with Codex").click(timeout=60_000)
    panel = page.get_by_role("region", name="Codex", exact=True)
    expect(page.get_by_role("group", name="Change by Codex")).to_be_visible(timeout=60_000)
    expect(panel.locator("article")).to_have_count(2, timeout=60_000)
    page.locator(".jp-CodeCell").nth(1).evaluate("cell => cell.scrollIntoView({ block: 'start' })")
    page.mouse.move(0, 0)
    save_image(page.screenshot(), IMAGES / f"lab-{theme}.png")


def open_notebook(lab: Lab, browser: Browser, notebook: str, theme: str, *, scale: int) -> Page:
    """Open a copy of a notebook without outputs, and wait for its kernel."""
    (source,) = (ROOT / "notebooks").glob(f"*{notebook}.ipynb")
    copy = nbformat.read(source, as_version=4)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    name = f"{notebook}-{theme}.ipynb"
    nbformat.write(copy, lab.root / name)
    lab.configure("apputils-extension/themes", theme=f"JupyterLab {theme.title()}")
    page = browser.new_context(viewport={"width": WIDTH, "height": 1200}, device_scale_factor=scale).new_page()
    page.goto(lab.notebook(name))
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    return page


def run_cells(page: Page, *, until: str) -> Locator:
    """Run the cells above the first one that starts with a text, and return that one."""
    cells = page.locator(".jp-Cell")
    cells.first.click()
    for number in range(cells.count()):
        cell = cells.nth(number)
        if cell.locator(".cm-content").count() and cell.locator(".cm-content").inner_text().startswith(until):
            page.wait_for_function(KERNEL_IDLE, timeout=60_000)
            return cell
        page.keyboard.press("Shift+Enter")
    raise ValueError(f"No cell starts with {until}.")


def save_animation(frames: list[Image.Image], durations: list[int], path: Path) -> None:
    """Write an animated WebP. Frames that are equal become one.

    Raises:
        ValueError: If the file is larger than a README should load.
    """
    kept: list[Image.Image] = []
    times: list[int] = []
    for frame, duration in zip(frames, durations, strict=True):
        if kept and frame.tobytes() == kept[-1].tobytes():
            times[-1] += duration
        else:
            kept.append(frame)
            times.append(duration)
    kept[0].save(path, save_all=True, append_images=kept[1:], duration=times, loop=0, quality=60, method=6, minimize_size=True)
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path.name} has {size:,} bytes. The limit is {MAX_BYTES:,}: record fewer or smaller frames.")


SHOTS: Final[dict[str, Shoot]] = {
    "lab": shoot_lab,
    "turn": shoot_turn,
    "gallery": partial(shoot_cell, "gallery", "Tidy up the files", "gallery"),
    "chat": partial(shoot_cell, "chat", "talk = chat()", "chat"),
    "kernel": partial(shoot_cell, "kernel", "step by step", "kernel"),
}


def main(names: list[str]) -> None:
    """Take the named images, or all."""
    with tempfile.TemporaryDirectory(prefix="codex-jupyter-images-") as folder, jupyterlab(Path(folder)) as lab, chromium() as browser:
        for name in names or SHOTS:
            for theme in ("light", "dark"):
                SHOTS[name](lab, browser, theme)
                lab.shut_down_kernels()


if __name__ == "__main__":
    main(sys.argv[1:])
