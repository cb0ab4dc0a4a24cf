"""The gallery in JupyterLab and in Notebook 7: every kind of item in every state, as a reader sees it."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import TOKEN, Lab

GALLERY = Path(__file__).parents[2] / "notebooks" / "03_gallery.ipynb"
OUTPUTS = ".jp-OutputArea-output.jp-RenderedHTMLCommon"
KINDS = {
    "message": "None of the seven stands out",
    "table": "deviation",
    "code": "def outliers",
    "reasoning": "thinking: Weighing the readings",
    "command": "$ python3 run_tests.py",
    "long output": "⋯ 100 more lines",
    "exit code": "✗ exit 1 · cat missing.csv",
    "added file": "+ added stats.py",
    "changed file": "~ changed stats.py",
    "deleted file": "− deleted stats.py",
    "diff": "~ changed stats.py +1 −1",
    "plan": "plan, 1 of 3 done",
    "search": "searched the web for python statistics.fmean",
    "warning": "⚠ warning: Codex does not know the model",
    "work": "Worked for",
    "failed turn": "✗ Failed after",
    "tool": "tool plots.heat_map(columns=8, rows=4)",
    "failed tool": "the format tiff is not supported",
    "declined command": "⊘ declined",
    "sub-agent": "start sub-agent",
    "failed change": "✗ failed",
    "unknown item": "item of an unknown type: weather_report",
    "interrupted turn": "■ Interrupted after",
    "timed out turn": "◷ Timed out after",
    "demo": "scripted demo",
}

# Every text of ours with its contrast to what lies behind it, WCAG 2: colours are composited with all their opacities.
CONTRASTS = """selector => {
  const parse = value => {
    const [r, g, b, a = 1] = value.match(/[\\d.]+/g).map(Number);
    return value.startsWith('color(srgb') ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = (top, below, opacity) => {
    const a = top[3] * opacity;
    return [0, 1, 2].map(i => top[i] * a + below[i] * (1 - a)).concat(1);
  };
  const luminance = color => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const c = color[i] / 255;
    return sum + weight * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  }, 0);
  const found = [];
  for (const output of document.querySelectorAll(selector)) {
    const walker = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode, element = text.parentElement;
      if (!text.data.trim() || element.closest('mjx-container, .MathJax') || !element.checkVisibility()) continue;
      const chain = [];
      for (let node = element; node; node = node.parentElement) chain.unshift(node);
      // From the page to the text; inside a dimmed element everything is mixed with what lies behind that element.
      const paint = (at, behind) => {
        const node = chain[at], style = getComputedStyle(node);
        const ground = over(parse(style.backgroundColor), behind, 1);
        const [below, ink] = at + 1 < chain.length ? paint(at + 1, ground) : [ground, over(parse(style.color), ground, 1)];
        const opacity = Number(style.opacity);
        return [over(below, behind, opacity), over(ink, behind, opacity)];
      };
      const [ground, ink] = paint(0, [255, 255, 255, 1]);
      const [low, high] = [luminance(ground), luminance(ink)].sort((a, b) => a - b);
      const style = getComputedStyle(element);
      const colored = style.color !== getComputedStyle(output).color;
      const dimmed = chain.some(node => output.contains(node) && Number(getComputedStyle(node).opacity) < 1);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      found.push({text: text.data.trim().slice(0, 40), ratio: (high + 0.05) / (low + 0.05), secondary: colored || dimmed || large});
    }
  }
  return found;
}"""
TOO_WIDE = """selector => {
  const page = [document.scrollingElement, document.querySelector('.jp-WindowedPanel-outer'), ...document.querySelectorAll(selector)];
  return page.filter(element => element.scrollWidth > element.clientWidth + 1).map(element => element.className);
}"""


@pytest.fixture(params=["lab-light", "lab-dark", "notebook7"])
def gallery(request: pytest.FixtureRequest, lab: Lab, page: Page) -> Page:
    """The stored gallery on a page, without a kernel: nothing is run."""
    where: str = request.param
    name = f"gallery-{where}.ipynb"
    (lab.root / name).write_bytes(GALLERY.read_bytes())
    lab.configure("apputils-extension/themes", theme="JupyterLab Dark" if where == "lab-dark" else "JupyterLab Light")
    page.goto(f"{lab.url}/notebooks/{name}?token={TOKEN}" if where == "notebook7" else lab.notebook(name))
    expect(outputs(page).filter(has_text="Timed out").last).to_be_attached(timeout=60_000)
    if folder := os.environ.get("SCREENSHOTS"):
        shoot(page, Path(folder), where)
    return page


def outputs(page: Page) -> Locator:
    return page.locator(OUTPUTS)


def shoot(page: Page, folder: Path, where: str) -> None:
    """Take a screenshot of each turn."""
    cells = page.locator(".jp-CodeCell").filter(has=page.locator(OUTPUTS))
    for number in range(cells.count()):
        cells.nth(number).scroll_into_view_if_needed()
        cells.nth(number).screenshot(path=folder / f"gallery-{where}-{number}.png")


def test_every_kind_of_item_is_seen_legible_and_operable(gallery: Page) -> None:
    """Each kind in each state is visible, folds open by keyboard, no text is too faint, and the page does not scroll sideways."""
    check_folds(gallery)
    gallery.evaluate("selector => document.querySelectorAll(`${selector} details`).forEach(fold => { fold.open = true; })", OUTPUTS)
    for kind, words in KINDS.items():
        expect(outputs(gallery).filter(has_text=words).first, kind).to_be_visible()
    pictures = gallery.locator(f"{OUTPUTS} img")
    expect(pictures).to_have_count(1)
    assert pictures.evaluate("image => image.naturalWidth") == 240
    texts = gallery.evaluate(CONTRASTS, OUTPUTS)
    assert len(texts) > 200
    assert {text["text"]: round(text["ratio"], 2) for text in texts if text["ratio"] < (3 if text["secondary"] else 4.5)} == {}
    assert gallery.evaluate(TOO_WIDE, OUTPUTS) == []
    gallery.set_viewport_size({"width": 700, "height": 450})  # a page of 1,400 x 900 at 200 %
    assert gallery.evaluate(TOO_WIDE, OUTPUTS) == []
    # The stored notebook is not trusted, so the colours are those of `test_contrast`.
    assert violations(gallery, OUTPUTS, without=("color-contrast", "region", "heading-order", "scrollable-region-focusable")) == []


def check_folds(page: Page) -> None:
    """Tab reaches a fold, Enter and the space bar open and close it; each has words on it."""
    folds = page.locator(f"{OUTPUTS} details")
    assert folds.count() > 5
    assert all(text.strip() for text in folds.locator("> summary").all_text_contents())
    summary = folds.first.locator("> summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(folds.first).to_have_attribute("open", "")
    page.keyboard.press("Space")
    expect(folds.first).not_to_have_attribute("open", "")
    page.keyboard.press("Tab")
    assert summary.evaluate("element => element !== document.activeElement")
    page.keyboard.press("Shift+Tab")
    assert summary.evaluate("element => element === document.activeElement")
