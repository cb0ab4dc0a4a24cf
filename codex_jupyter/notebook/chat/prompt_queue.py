"""The prompts of a chat that wait for a running turn."""

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from codex_jupyter.sdk import InputError, ReviewTarget

if TYPE_CHECKING:
    from codex_jupyter.notebook.images.resize import Attachment

MAX_PROMPTS: Final = 100
"""Limit of the prompts in a queue. Each change of the queue sends all of them to the pages."""
MAX_CHARACTERS: Final = 2_000_000
"""Limit of their characters."""


@dataclass(slots=True)
class QueuedPrompt:
    """A prompt that waits for the running turn, with its images."""

    text: str
    attachments: "dict[str, Attachment]"
    variables: bool = True
    """True if `{name}` and `@name` stand for variables."""
    review: ReviewTarget | None = None
    """The code to review, instead of answering the prompt."""
    item: str = field(default_factory=lambda: uuid.uuid4().hex)


class PromptQueues:
    """The queues of a chat. Each thread has its own, which is kept while another thread is shown."""

    def __init__(self) -> None:
        self._queues: dict[str, list[QueuedPrompt]] = {}

    def of(self, thread: str) -> list[QueuedPrompt]:
        """Return the queue of a thread, which can be changed."""
        return self._queues.setdefault(thread, [])

    def check_room(self, thread: str, text: str) -> None:
        """Check that a prompt can be added to the queue of a thread.

        Raises:
            InputError: If the queue is full.
        """
        queue = self.of(thread)
        if len(queue) >= MAX_PROMPTS or sum(len(prompt.text) for prompt in queue) + len(text) > MAX_CHARACTERS:
            raise InputError(
                f"The queue is full: {MAX_PROMPTS} prompts with {MAX_CHARACTERS:,} characters can wait. Remove some of them first."
            )

    def remove(self, thread: str, item: str) -> "dict[str, Attachment]":
        """Remove a prompt from the queue of a thread, and return its images. There are none if it is not in the queue."""
        queue = self.of(thread)
        images = {key: image for prompt in queue if prompt.item == item for key, image in prompt.attachments.items()}
        queue[:] = [prompt for prompt in queue if prompt.item != item]
        return images

    def rename(self, thread: str, to: str) -> None:
        """Give the queue of a thread another name. It replaces a queue of that name."""
        self._queues[to] = self._queues.pop(thread, [])
