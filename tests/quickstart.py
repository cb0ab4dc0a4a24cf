"""The quickstart, and its cells that tests run alone."""

import re
from pathlib import Path
from typing import Final

import nbformat

QUICKSTART: Final = Path(__file__).parents[1] / "notebooks" / "quickstart.ipynb"
_CELLS: Final = nbformat.read(QUICKSTART, 4).cells
SETUP: Final[list[str]] = [cell.source for cell in _CELLS if cell.cell_type == "code"][:3]
"""The cells before the first prompt."""
SUGGESTED: Final[str] = re.findall(r"Try it in a new cell with `(.+?)`", _CELLS[-1].source)[0]
"""The cell that the last section suggests: it fails, and can be fixed."""
