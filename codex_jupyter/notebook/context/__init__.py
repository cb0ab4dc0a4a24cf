"""What the kernel tells the agent along with a prompt: variables, cells, outputs, the last error.

spec.py       the words of `--context`
cells.py      the cells that ran, kept as they run
values.py     a value -> text, without running code of the user's
libraries.py  the same for data frames, arrays and figures
mask.py       secrets -> ***
fence.py      the marks around it all: data, not instructions
collector.py  what puts them together, and remembers what was sent
"""

from codex_jupyter.notebook.context.collector import ContextCollector
from codex_jupyter.notebook.context.model import Context, ContextPart
from codex_jupyter.notebook.context.spec import CellRange, Spec, parse_spec

__all__ = ["CellRange", "Context", "ContextCollector", "ContextPart", "Spec", "parse_spec"]
