"""The prompts of the buttons, and the cell that they are about."""

import base64
import binascii
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter._shortening import shorten, shorten_middle
from codex_jupyter.notebook.context.untrusted_text import neutralize
from codex_jupyter.sdk.redaction import mask

if TYPE_CHECKING:
    from codex_jupyter.notebook.images.resize import Attachment
    from codex_jupyter.notebook.session.request import PromptRequest
    from codex_jupyter.notebook.session.session import NotebookSession

MAX_SOURCE: Final = 20_000
MAX_OUTPUT: Final = 8_000
MAX_ERROR: Final = 100
"""Characters of an error in the title of a thread."""
GAP: Final = "\n[…]\n"
AGAIN: Final = "The cells were run again with your last fix. "
_ERROR: Final = re.compile(r"[\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b")
_TARGET: Final = re.compile(r"\s*# cell ([\w-]{1,64})[ \t]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of prompt.

    Attributes:
        text: The prompt for the agent. It starts like `shown`, because lists of threads show its start. `{text}` stands for what the user
            wrote, `{cell}` for the name of the cell, and `{again}` for a sentence about an earlier fix that did not help.
        shown: The prompt as lists and titles show it. `{error}` stands for the error of the cell.
        needs_text: The user must write something.
        edits: The answer has code that replaces the cell.
    """

    text: str
    shown: str
    needs_text: bool = False
    edits: bool = False


_KINDS: Final = {
    "fix": _Kind(
        "Fix {cell}, which failed.\n\n{again}The notebook data have its source and its error, and then the cells that ran before it. Find "
        "the cell that contains the fault: this one, or one of those. Answer with a short explanation, and then that whole cell, "
        "repaired, as one Python code block whose first line is the comment `# cell ID`, with the id of that cell. The user sees it as a "
        "change of that cell, and runs it and the later ones again. Change no files.",
        "Fix {cell}{error}",
        edits=True,
    ),
    "rewrite": _Kind(
        "Rewrite {cell}: {text}\n\nThe cell is in the notebook data. Answer with a short explanation, and then the whole new "
        "cell as one Python code block. The user sees it as a change of this cell. Change no files.",
        "Rewrite {cell}: {text}",
        needs_text=True,
        edits=True,
    ),
    "explain": _Kind("Explain the output of {cell}, which is in the notebook data. Change nothing.", "Explain {cell}{error}"),
    "plot": _Kind("{text}\n\nThis is about the attached image, the plot of {cell}.", "{text}", needs_text=True),
    "cell": _Kind("{text}\n\nThis is about {cell}, which is in the notebook data.", "{text}", needs_text=True),
}


def cell_request(
    session: "NotebookSession",
    kind: str,
    text: str,
    cell: dict[str, Any],
    thread: str,
    others: Sequence[dict[str, Any]] = (),
    *,
    again: bool = False,
) -> "PromptRequest":
    """Return the request of a prompt about a cell. Its turn runs in the background, where the chat shows it.

    Args:
        session: The notebook's session.
        kind: The kind of the prompt.
        text: The text that the user wrote.
        cell: The cell, as the page sends it.
        thread: Name of the thread.
        others: The cells that ran before a cell that failed.
        again: An earlier fix did not help.

    Raises:
        UsageError: If the kind is unknown, or a text is missing.
        InputError: If the image cannot be sent.
    """
    if kind not in _KINDS:
        raise UsageError(f"This kernel does not know the action {kind!r}. Install the same version of codex-jupyter in its environment.")
    template = _KINDS[kind]
    if template.needs_text and not text.strip():
        raise UsageError("The prompt is empty. Write what Codex should do.")
    if template.edits and any(len(str(part.get("source", ""))) > MAX_SOURCE for part in (cell, *others)):
        raise UsageError(f"The cell has more than {MAX_SOURCE:,} characters, so Codex cannot rewrite it as a whole. Split the cell first.")
    name = cell_name(cell)
    names = {"{text}": text, "{cell}": name, "{again}": AGAIN if again else "", "{error}": error_of(cell)}
    request = session.request(_filled(template.text, names), thread=thread, bg=True, expand=False)
    return dataclasses.replace(
        request,
        shown_as=_filled(template.shown, names),
        display="nothing",
        page_context="\n\n".join(map(describe_cell, (cell, *others))),
        attachments=_images(session, cell) if kind == "plot" else (),
    )


def edits_cell(kind: str) -> bool:
    """Return True if the answer to a kind of prompt has code that replaces the cell."""
    return _KINDS[kind].edits


def split_target(code: str) -> tuple[str, str]:
    """Return the id of the cell that the code of a fix names in its first line, and the rest. The id is empty if it names none."""
    match = _TARGET.match(code)
    return ("", code) if match is None else (match[1], code[match.end() :])


def cell_name(cell: dict[str, Any]) -> str:
    """Return the name of a cell: its number if it ran, else its id."""
    number = cell.get("number")
    return f"cell [{number}]" if isinstance(number, int) else f"the cell with the id {plain_id(cell)}"


def error_of(cell: dict[str, Any]) -> str:
    """Return the error at the end of the output of a cell, after a colon. Empty if the output ends in another way."""
    line = (str(cell.get("output", "")).strip().splitlines() or [""])[-1]
    return f": {shorten(mask(line), MAX_ERROR)}" if _ERROR.match(line) else ""


def plain_id(cell: dict[str, Any]) -> str:
    """Return the id of a cell, of which only the characters that nbformat allows are left."""
    return "".join(character for character in str(cell.get("id"))[:64] if character.isalnum() or character in "-_")


def describe_cell(cell: dict[str, Any]) -> str:
    """Return the source and the text output of a cell, with secrets masked."""
    kind = "Markdown cell" if cell.get("type") == "markdown" else "raw cell" if cell.get("type") == "raw" else "code cell"
    number = cell.get("number")
    run = f", last run as In[{number}]" if isinstance(number, int) else ""
    parts = [f"The {kind} with the id {plain_id(cell)}{run}:", shorten_middle(str(cell.get("source", "")), MAX_SOURCE, GAP)]
    if output := str(cell.get("output", "")).strip():
        parts += ["Its output:", shorten_middle(output, MAX_OUTPUT, GAP)]
    return neutralize(mask("\n\n".join(parts), code=True))


def _filled(template: str, names: dict[str, str]) -> str:
    """Replace the names in a template once. Texts that are inserted are not looked at again."""
    head, brace, rest = template.partition("{")
    if not brace:
        return template
    name, _, rest = rest.partition("}")
    return f"{head}{names['{' + name + '}']}{_filled(rest, names)}"


def _images(session: "NotebookSession", cell: dict[str, Any]) -> "tuple[Attachment, ...]":
    from codex_jupyter.notebook.images.attach import attach  # imports Pillow
    from codex_jupyter.notebook.images.from_file import image_of_bytes

    image = cell.get("image")
    data = str(image.get("data", "")) if isinstance(image, dict) else ""
    try:
        content = base64.b64decode(data, validate=True) if not data.lstrip().startswith("<") else data.encode()
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise UsageError("The output has no image that can be sent. Run the cell again.")
    settings = session.settings
    limits = {"max_side": settings.max_image_side, "max_bytes": settings.max_image_bytes}
    return attach([image_of_bytes(content, f"the plot of {cell_name(cell)}")], **limits)
