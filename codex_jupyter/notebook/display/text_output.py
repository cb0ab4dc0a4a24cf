"""Show lines of plain text that wrap between words."""

from dataclasses import dataclass
from typing import Final

from IPython.display import display

from codex_jupyter.notebook.render import colors
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, sanitize

_STYLE: Final = f"{colors.MONO};font-size:.9em;line-height:1.45;{colors.WRAP}"


@dataclass(frozen=True, slots=True, repr=False)
class _Text:
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return sanitize(f'<div class="{IGNORED_BY_MATH}" style="{_STYLE}">{escape(self.text)}</div>')


def show_text(text: str) -> None:
    """Show a text in the running cell. JupyterLab breaks printed lines within words."""
    display(_Text(text))  # type: ignore[no-untyped-call]
