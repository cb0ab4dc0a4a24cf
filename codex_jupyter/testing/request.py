"""A request as the CLI sent it, and what can be read from it."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# Messages in the user's role that the CLI writes itself. They are named one by one because a prompt of the user may well
# begin with a tag of its own.
_SYNTHETIC = re.compile(
    r"\s*(<(environment_context|user_instructions|turn_aborted|skill|user_shell_command|subagent_notification|external_\w+)>"
    r"|# AGENTS\.md instructions)"
)
_IMAGE_TAG = re.compile(r"\s*(<image\b[^>]*>|</image>)\s*")
_DATA_URL = re.compile(r"data:(?P<media_type>[^;,]+);base64,(?P<data>.*)", re.DOTALL)


@dataclass(frozen=True)
class RequestImage:
    """A picture that the model was given.

    Attributes:
        media_type: For example `image/png`; what the CLI sent, which need not be what the user gave.
        data: The file's bytes.
    """

    media_type: str
    data: bytes

    def __repr__(self) -> str:
        return f"RequestImage({self.media_type!r}, {len(self.data)} bytes)"


@dataclass(frozen=True, repr=False)
class RecordedRequest:
    """One request for an answer of the model.

    Attributes:
        path: The path of the URL.
        headers: The HTTP headers, names in lower case. A credential is in here as it came, but not in the repr.
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
        """The texts of the user in the whole history, oldest first, without what the CLI adds in the user's name.

        In a sub-agent's thread the task it was given counts as the user's text.
        """
        return [text for _, text in self._prompts]

    @property
    def prompt(self) -> str:
        """The last text of the user; "" if there is none."""
        return self.prompts[-1] if self.prompts else ""

    @cached_property
    def images(self) -> list[RequestImage]:
        """The pictures given with the last prompt and by tools since then; not those of earlier prompts."""
        start = self._prompts[-1][0] if self._prompts else 0
        return list(_images(self.input[start:]))

    @property
    def input(self) -> list[dict[str, Any]]:
        """The items of the input: the history as the model sees it."""
        return [item for item in self.body.get("input", []) if isinstance(item, dict)]

    @cached_property
    def thread_id(self) -> str:
        """The thread that asks; "" if the request does not say."""
        known = (self._metadata.get("thread_id"), self.headers.get("thread-id"), self.body.get("prompt_cache_key"))
        return next((key for key in known if isinstance(key, str)), "")

    @property
    def turn_id(self) -> str | None:
        """The CLI's id of the turn, or None if the request does not say."""
        return self._metadata.get("turn_id")

    @cached_property
    def kind(self) -> str:
        """What the answer is for: `turn`, or something the CLI does aside, such as `compaction`."""
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
        found = []
        for index, item in enumerate(self.input):
            text: str | None = None
            if item.get("type", "message") == "message" and item.get("role") == "user":
                text = _prompt(item.get("content"))
            elif item.get("type") == "agent_message":
                text = _task(item.get("content"))
            if text is not None:
                found.append((index, text))
        return found


def _prompt(content: object) -> str | None:
    """Return what the user wrote in a message, or None if the CLI wrote all of it."""
    if isinstance(content, str):
        return None if _SYNTHETIC.match(content) else content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    own = [text for text in texts if not _SYNTHETIC.match(text)]
    if texts and not own:
        return None
    return "\n".join(text for text in own if not _IMAGE_TAG.fullmatch(text))


def _task(content: object) -> str | None:
    """Return the task that another agent gave to this one, or None if the message is none, such as an answer."""
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    if not parts or not str(parts[0].get("text")).startswith("Message Type: NEW_TASK"):
        return None
    # A real model writes the task encrypted; what a script writes comes back as it is.
    return "\n".join(str(part.get("encrypted_content") or part.get("text") or "") for part in parts[1:])


def _images(value: object) -> Iterator[RequestImage]:
    """Find the data URLs at any depth: messages and the outputs of tools nest them differently."""
    if isinstance(value, list):
        for entry in value:
            yield from _images(entry)
    elif isinstance(value, dict):
        url = value.get("image_url")
        if isinstance(url, str) and (found := _DATA_URL.match(url)):
            try:
                yield RequestImage(found["media_type"], base64.b64decode(found["data"], validate=True))
            except binascii.Error:
                return
        for entry in value.values():
            yield from _images(entry)
