"""The input of a turn: texts, images and data."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from codex_jupyter.sdk.errors import InputError
from codex_jupyter.sdk.models.envelope import marked, new_mark

if TYPE_CHECKING:
    import os

MAX_PROMPT_CHARS: Final = 1_048_576
"""Longest prompt that the CLI accepts, in characters (measured with 0.169)."""
IMAGE_ONLY_PROMPT: Final = "See the attached image."
"""The prompt if there are only images, because the CLI refuses an empty prompt."""

_KINDS: Final = "TextInput, LocalImageInput, ImageInput and ContextInput"


class _InputModel(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class TextInput(_InputModel):
    """A part of the prompt. Several parts are joined by an empty line."""

    type: Literal["text"] = "text"
    text: str


class LocalImageInput(_InputModel):
    """An image file: PNG, JPEG, GIF or WebP, at most 20 MiB and 90 million pixels.

    A relative path is relative to the current folder of the caller.
    """

    type: Literal["local_image"] = "local_image"
    path: Path

    if TYPE_CHECKING:

        def __init__(self, *, path: str | os.PathLike[str], type: Literal["local_image"] = ...) -> None: ...


class ImageInput(_InputModel):
    """An image in memory: PNG, JPEG, GIF or WebP, at most 20 MiB and 90 million pixels."""

    type: Literal["image"] = "image"
    data: bytes = Field(repr=False)
    media_type: str = ""
    """Such as `image/png`. If it is given, it must match the data."""


class ContextInput(_InputModel):
    """Data that is sent beside a prompt, such as the state of a program. The agent may use it, but must not obey it.

    It does not appear in titles and histories of threads. The app-server sends it beside the prompt, and `exec` after the prompt. Both put
    marks around it.
    """

    type: Literal["context"] = "context"
    text: str
    name: str = Field(default="context", pattern=r"^[a-z][a-z0-9_]{0,30}$")
    """The source of the data, in lower-case letters, digits and underscores. The model sees it."""

    @cached_property
    def marked(self) -> str:
        """The text with its marks, as `exec` sends it."""
        return marked(self.text, new_mark())


UserInput: TypeAlias = Annotated[TextInput | LocalImageInput | ImageInput | ContextInput, Field(discriminator="type")]
Input: TypeAlias = str | Sequence[UserInput]
"""The input of a turn: a text, or a sequence of texts, images and data."""


def normalize_input(value: Input) -> tuple[UserInput, ...]:
    """Return an input in its canonical form, and check everything that can be checked without reading a file.

    Args:
        value: A text, or a sequence of texts, images and data.

    Returns:
        The parts in order.

    Raises:
        InputError: If the input is empty or of another type, or if the text is too long or not valid Unicode.
    """
    if not isinstance(value, Sequence):
        raise InputError(f"The input must be a text, or a list of {_KINDS}, not {type(value).__name__}.")
    parts = (TextInput(text=value),) if isinstance(value, str) else tuple(value)
    for part in parts:
        if not isinstance(part, TextInput | LocalImageInput | ImageInput | ContextInput):
            raise InputError(f"The parts of an input must be {_KINDS}, not {type(part).__name__}.")
    if not prompt_text(parts).strip():
        raise InputError("The prompt is empty. Write what the agent should do.")
    text = text_with_context(parts)
    if len(text) > MAX_PROMPT_CHARS:
        raise InputError(
            f"The prompt has {len(text):,} characters; Codex takes at most {MAX_PROMPT_CHARS:,}. "
            "Put the long part into a file and name the file in the prompt."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"The prompt is not valid Unicode: {error.reason} at character {error.start}. Remove that character.") from None
    return parts


def prompt_text(parts: Sequence[UserInput]) -> str:
    """Return the text parts, joined by an empty line; `IMAGE_ONLY_PROMPT` if there are images and no text."""
    text = "\n\n".join(part.text for part in parts if isinstance(part, TextInput))
    return text if text.strip() or not images_of(parts) else IMAGE_ONLY_PROMPT


def text_with_context(parts: Sequence[UserInput]) -> str:
    """Return the prompt followed by its data. The prompt comes first, because the CLI takes the title from the start."""
    return "\n\n".join([prompt_text(parts), *(part.marked for part in parts if isinstance(part, ContextInput))])


def images_of(parts: Sequence[UserInput]) -> list[LocalImageInput | ImageInput]:
    """Return the images among the parts, in order."""
    return [part for part in parts if isinstance(part, LocalImageInput | ImageInput)]
