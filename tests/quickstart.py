"""The quickstart, and its cells that tests run alone."""

import json
import re
from pathlib import Path
from typing import Final

QUICKSTART: Final = Path(__file__).parents[1] / "notebooks" / "quickstart.ipynb"
_CELLS: Final = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(QUICKSTART.read_text())["cells"]]
SETUP: Final[list[str]] = [source for kind, source in _CELLS if kind == "code"][:3]
"""The cells before the first prompt."""
SUGGESTED: Final[str] = re.findall(r"Try it in a new cell with `(.+?)`", _CELLS[-1][1])[0]
"""The cell that the last section suggests: it fails, and can be fixed."""
