"""The output of code that the agent runs: text, values, images and errors, in order and bounded."""

import io
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from codex_jupyter._shortening import shorten_middle, without_overwritten
from codex_jupyter.notebook.images.source import ImageSource, image_of

MAX_TEXT: Final = 200_000
"""Characters of a run that are kept: the start and the end."""
MAX_IMAGES: Final = 30
"""Images of a run that are kept."""
_ESCAPE_SEQUENCE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_GAP: Final = "\n[... output left out ...]\n"


@dataclass(slots=True)
class Piece:
    """A piece of output.

    Attributes:
        kind: The kind, as in a notebook file; `error` for a traceback.
        text: The text, without escape sequences.
        image: The image; None for a text.
        display_id: The id with which a display can be updated.
    """

    kind: Literal["stdout", "stderr", "display", "result", "error"]
    text: str = ""
    image: ImageSource | None = None
    display_id: str = ""


@dataclass
class CodeOutput:
    """The output of one run. All methods can be called from any thread."""

    _pieces: list[Piece] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _size: int = 0
    _images: int = 0
    _clear: bool = False

    def write(self, name: Literal["stdout", "stderr"], text: str) -> None:
        """Add text of a stream."""
        with self._lock:
            self._clear_if_asked()
            last = self._pieces[-1] if self._pieces else None
            if last is not None and last.kind == name:
                last.text = shorten_middle(last.text + text, MAX_TEXT, _GAP)
            else:
                self._pieces.append(Piece(name, shorten_middle(text, MAX_TEXT, _GAP)))
            self._shrink()

    def display(self, bundle: Mapping[str, Any], display_id: str = "", *, update: bool = False, is_result: bool = False) -> None:
        """Add a display, or the value of the last expression.

        Args:
            bundle: Data by media type.
            display_id: The id of the display; empty if it has none.
            update: Replace the displays with this id.
            is_result: The display is the value of the last expression.
        """
        try:
            content = image_of(bundle)
        except (ValueError, IndexError, TypeError):
            content = None
        text = bundle.get("text/plain")
        with self._lock:
            self._clear_if_asked()
            image = None if content is None else ImageSource(*content, "plot")
            piece = Piece("result" if is_result else "display", "" if image else _plain(text), image, display_id)
            if update:
                self._pieces = [piece if display_id and entry.display_id == display_id else entry for entry in self._pieces]
            elif image is None or self._images < MAX_IMAGES:
                self._pieces.append(piece)
                self._images += image is not None
            self._shrink()

    def error(self, traceback: Sequence[str]) -> None:
        """Add a traceback, as IPython formats it."""
        with self._lock:
            self._clear_if_asked()
            self._pieces.append(Piece("error", _plain("\n".join(traceback))))

    def clear(self, *, wait: bool = False) -> None:
        """Remove everything, as `clear_output` does. With `wait`, when more is added."""
        with self._lock:
            self._clear = wait
            if not wait:
                self._pieces.clear()
                self._images = 0

    @property
    def pieces(self) -> list[Piece]:
        """The pieces so far, in order."""
        with self._lock:
            return [Piece(piece.kind, without_overwritten(_plain(piece.text)), piece.image, piece.display_id) for piece in self._pieces]

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(piece.text if piece.text.endswith("\n") else f"{piece.text}\n" for piece in self.pieces if piece.text).rstrip("\n")

    @property
    def images(self) -> list[ImageSource]:
        """The images so far."""
        return [piece.image for piece in self.pieces if piece.image is not None]

    def _clear_if_asked(self) -> None:
        if self._clear:
            self._clear = False
            self._pieces.clear()
            self._images = 0

    def _shrink(self) -> None:
        """Drop texts from the middle, if there are too many."""
        texts = [piece for piece in self._pieces if piece.image is None]
        if sum(len(piece.text) for piece in texts) <= 2 * MAX_TEXT and len(texts) <= 2_000:
            return
        whole = "".join(piece.text for piece in texts)
        texts[0].text = shorten_middle(whole, MAX_TEXT, _GAP)
        self._pieces = [piece for piece in self._pieces if piece.image is not None or piece is texts[0]]


class Stream(io.TextIOBase):
    """A text stream that writes to an output, in place of `sys.stdout` or `sys.stderr`."""

    def __init__(self, output: CodeOutput, name: Literal["stdout", "stderr"]) -> None:
        self._output, self._name = output, name

    def write(self, text: str) -> int:
        """Add text to the output."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._output.write(self._name, text)
        return len(text)

    def writable(self) -> bool:
        """Return True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return "utf-8"

    def isatty(self) -> bool:
        """Return False."""
        return False


def _plain(text: object) -> str:
    return _ESCAPE_SEQUENCE.sub("", text) if isinstance(text, str) else ""
