"""A recorded request of the CLI, and its prompts and images."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from codex_jupyter._cli_messages import is_synthetic

_IMAGE_TAG = re.compile(r"\s*(<image\b[^>]*>|</image>)\s*")
_DATA_URL = re.compile(r"data:(?P<media_type>[^;,]+);base64,(?P<data>.*)", re.DOTALL)


@dataclass(frozen=True)
class RequestImage:
    """An image that was sent to the model.

    Attributes:
        media_type: For example `image/png`. The CLI's value, which can differ from the user's.
        data: The file's bytes.
    """

    media_type: str
    data: bytes

    def __repr__(self) -> str:
        return f"RequestImage({self.media_type!r}, {len(self.data)} bytes)"


@dataclass(frozen=True, repr=False)
class RecordedRequest:
    """A request to the model.

    Attributes:
        path: The path of the URL.
        headers: The HTTP headers with names in lower case. They include credentials, which the repr does not show.
        body: The decoded JSON body.
    """

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    def __repr__(self) -> str:
        headers = {name: "***" if name == "authorization" else value for name, value in self.headers.items()}
        return f"RecordedRequest(path={self.path!r}, prompt={self.prompt!r}, headers={headers!r})"

    @cached_property
    def prompts(self) -> list[str]:
        """The user's texts in the whole history, oldest first, without messages that the CLI writes.

        In a sub-agent's thread, its task counts as the user's text.
        """
        return [text for _, text in self._prompts]

    @property
    def prompt(self) -> str:
        """The last text of the user, or an empty string."""
        return self.prompts[-1] if self.prompts else ""

    @cached_property
    def images(self) -> list[RequestImage]:
        """The images of the last prompt and of later tool calls, without those of earlier prompts."""
        start = self._prompts[-1][0] if self._prompts else 0
        return list(_images(self.input[start:]))

    @property
    def input(self) -> list[dict[str, Any]]:
        """The items of the input, which are the history of the thread."""
        return [item for item in self.body.get("input", []) if isinstance(item, dict)]

    @cached_property
    def thread_id(self) -> str:
        """The id of the thread, or an empty string if the request does not contain it."""
        candidates = (self._metadata.get("thread_id"), self.headers.get("thread-id"), self.body.get("prompt_cache_key"))
        return next((key for key in candidates if isinstance(key, str)), "")

    @property
    def turn_id(self) -> str | None:
        """The CLI's id of the turn, or None if the request does not contain it."""
        return self._metadata.get("turn_id")

    @cached_property
    def kind(self) -> str:
        """The purpose of the request: `turn`, or a task of the CLI such as `compaction`."""
        text = self._metadata.get("x-codex-turn-metadata") or self.headers.get("x-codex-turn-metadata") or "{}"
        try:
            kind = json.loads(text).get("request_kind")
        except (ValueError, AttributeError):
            return "turn"
        return kind if isinstance(kind, str) else "turn"

    @property
    def _metadata(self) -> dict[str, Any]:
        metadata = self.body.get("client_metadata")
        return metadata if isinstance(metadata, dict) else {}

    @cached_property
    def _prompts(self) -> list[tuple[int, str]]:
        prompts: list[tuple[int, str]] = []
        for index, item in enumerate(self.input):
            text: str | None = None
            if item.get("type", "message") == "message" and item.get("role") == "user":
                text = _prompt(item.get("content"))
            elif item.get("type") == "agent_message":
                text = _task(item.get("content"))
            if text is not None:
                prompts.append((index, text))
        return prompts


def _prompt(content: object) -> str | None:
    """Return the user's text in a message, or None if it has none: the CLI wrote all of it, or it has images only."""
    if isinstance(content, str):
        return None if is_synthetic(content) else content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    own = [text for text in texts if not is_synthetic(text)]
    if not own:
        return None  # a message with images only, which a client has added to a tool's output
    return "\n".join(text for text in own if not _IMAGE_TAG.fullmatch(text))


def _task(content: object) -> str | None:
    """Return the task that another agent sent, or None if the message is not a task."""
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    if not parts or not str(parts[0].get("text")).startswith("Message Type: NEW_TASK"):
        return None
    # A real model encrypts the task. The text of a script is returned as it is.
    return "\n".join(str(part.get("encrypted_content") or part.get("text") or "") for part in parts[1:])


def _images(value: object) -> Iterator[RequestImage]:
    """Yield the images of the data URLs at any depth, because messages and outputs of tools nest them differently."""
    if isinstance(value, list):
        for entry in value:
            yield from _images(entry)
    elif isinstance(value, dict):
        url = value.get("image_url")
        if isinstance(url, str) and (match := _DATA_URL.match(url)):
            try:
                yield RequestImage(match["media_type"], base64.b64decode(match["data"], validate=True))
            except binascii.Error:
                return
        for entry in value.values():
            yield from _images(entry)
