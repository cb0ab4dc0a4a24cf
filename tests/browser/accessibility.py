"""Check pages with axe-core, which npm installs with the tools of `.ci/javascript`."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.requirements import skip_or_fail

FOLDER: Final = Path(__file__).parents[2] / ".ci" / "javascript"
SCRIPT: Final = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""The rules of these tags are checked."""
RUN: Final = """async ([selector, tags, without]) => {
  const rules = Object.fromEntries(without.map(name => [name, { enabled: false }]));
  const { violations } = await axe.run(selector, { runOnly: { type: 'tag', values: tags }, rules, resultTypes: ['violations'] });
  const describe = ({ html, failureSummary }) => `${html.slice(0, 200)} (${failureSummary})`;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(describe).join(', ')}`);
}"""


@cache
def _axe() -> str:
    """Return the code of axe-core. Without npm, its tests fail in CI and are skipped elsewhere."""
    if not SCRIPT.exists():
        npm = shutil.which("npm")
        if npm is None:
            skip_or_fail("npm is needed to install axe-core")
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, check=True)
    return SCRIPT.read_text(encoding="utf-8")


def violations(page: Page, selector: str, *, without: tuple[str, ...] = ()) -> list[str]:
    """Return what violates WCAG 2.2 AA, or good practice, in a part of a page. One text for each rule.

    Args:
        page: The page.
        selector: CSS selector of the part.
        without: Rules that are not checked, such as those about a whole page.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    texts: Any = page.evaluate(RUN, [selector, RULES, list(without)])
    return list(texts)
