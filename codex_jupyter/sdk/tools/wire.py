"""A call of a tool and its result, in the CLI's form."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

CODE_MODE_PREFIX: Final = "exec-"
"""The start of the ids of calls that a script of the model makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a tool by the model."""

    thread_id: str
    turn_id: str
    call_id: str
    namespace: str | None
    name: str
    arguments: Any = field(repr=False)
    """The arguments, as any JSON value. Not checked."""

    @classmethod
    def from_wire(cls, params: Mapping[str, Any]) -> "ToolCall":
        """Read the parameters of a request `item/tool/call`."""
        return cls(
            thread_id=str(params.get("threadId") or ""),
            turn_id=str(params.get("turnId") or ""),
            call_id=str(params.get("callId") or ""),
            namespace=str(params["namespace"]) if params.get("namespace") else None,
            name=str(params.get("tool") or ""),
            arguments=params.get("arguments"),
        )

    @property
    def in_script(self) -> bool:
        """True in code mode: a script of the model reads the result as text, so images must be sent beside it."""
        return self.call_id.startswith(CODE_MODE_PREFIX)


class CallDeclinedError(Exception):
    """Raised by a tool that has asked the user itself if the user declined the call. The message is for the model."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text of a result."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image of a result."""

    data: bytes = field(repr=False)
    media_type: str

    @property
    def url(self) -> str:
        """The image as a data URL."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


ResultPart: TypeAlias = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a call, in the size and form in which the model receives it."""

    parts: tuple[ResultPart, ...]
    success: bool = True
    error: BaseException | None = field(default=None, repr=False)
    """The exception of the tool, for the user. The model receives one line of it."""
    declined: bool = False
    """The user declined the call."""

    @property
    def text(self) -> str:
        """The text, without the images."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def images(self) -> list[ImagePart]:
        """The images."""
        return [part for part in self.parts if isinstance(part, ImagePart)]

    def reply(self, *, in_script: bool = False) -> dict[str, Any]:
        """Return the result of the JSON-RPC reply.

        Args:
            in_script: True in code mode, where an image would become base64 text. A note takes its place; send `injected` before.
        """
        return {"contentItems": self._items(in_script=in_script) or [{"type": "inputText", "text": ""}], "success": self.success}

    def _items(self, *, in_script: bool) -> Sequence[dict[str, str]]:
        items, number = [], 0
        for part in self.parts:
            if isinstance(part, TextPart):
                items.append({"type": "inputText", "text": part.text})
                continue
            number += 1
            if in_script:
                note = f"[image {number} of {len(self.images)}: {part.media_type}, it follows this output as an input image]"
                items.append({"type": "inputText", "text": note})
            else:
                items.append({"type": "inputImage", "imageUrl": part.url})
        return items

    def injected(self) -> list[dict[str, Any]]:
        """Return the images as an item for `thread/inject_items`; empty if there are none.

        It has images only, because the model takes it for a message of the user.
        """
        content = [{"type": "input_image", "image_url": image.url} for image in self.images]
        return [{"type": "message", "role": "user", "content": content}] if content else []
