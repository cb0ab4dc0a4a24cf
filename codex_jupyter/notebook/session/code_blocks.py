"""Find the code blocks of an answer that can run in a cell of the notebook."""

import ast
from dataclasses import dataclass
from typing import Final

from IPython.core.inputtransformer2 import TransformerManager
from markdown_it import MarkdownIt

_PYTHON: Final = ("python", "python3", "py", "py3", "ipython", "ipython3")
_MAGICS: Final = {
    "bash": "bash", "shell": "bash", "sh": "sh", "html": "html", "javascript": "javascript", "js": "javascript", "latex": "latex",
    "markdown": "markdown", "md": "markdown", "perl": "perl", "ruby": "ruby", "svg": "svg",
}  # fmt: skip
"""Cell magics of IPython that run or show another language."""


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A code block of a message.

    Attributes:
        text: Its text.
        language: The language after the fence, in lower case. Empty if the answer does not name one.
    """

    text: str
    language: str = ""

    @property
    def is_python(self) -> bool:
        """True for Python, also with magics, if the language is named or the text can be parsed."""
        return self.language in _PYTHON if self.language else _is_python(self.text)

    @property
    def as_cell(self) -> str | None:
        """The block as a cell of a Python notebook. None if it cannot run there."""
        if self.is_python:
            return self.text
        magic = _MAGICS.get(self.language)
        return f"%%{magic}\n{self.text}" if magic is not None else None


def code_blocks(markdown: str) -> list[CodeBlock]:
    """Return the code blocks of a message, in order."""
    tokens = (token for token in MarkdownIt().parse(markdown) if token.type in ("fence", "code_block"))
    return [CodeBlock(token.content, next(iter(token.info.strip("{ .").lower().replace("}", " ").split()), "")) for token in tokens]


def last_python(blocks: list[CodeBlock]) -> str | None:
    """Return the last block in Python. A block that names the language has priority, because output can look like Python."""
    named = [block for block in blocks if block.language and block.is_python]
    return next((block.text for block in reversed(named or blocks) if block.is_python), None)


def _is_python(text: str) -> bool:
    try:
        ast.parse(TransformerManager().transform_cell(text))  # type: ignore[no-untyped-call]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
