"""The prompts of a chat that wait for a running turn."""

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_jupyter.sdk import ReviewTarget

if TYPE_CHECKING:
    from codex_jupyter.notebook.images.resize import Attachment


@dataclass(slots=True)
class QueuedPrompt:
    """A prompt that waits for the running turn, with its images."""

    text: str
    attachments: "dict[str, Attachment]"
    variables: bool = True
    """If `{name}` and `@name` stand for variables."""
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

    def remove(self, thread: str, item: str) -> "dict[str, Attachment]":
        """Remove a prompt from the queue of a thread, and return its images. There are none if it is not in the queue."""
        queue = self.of(thread)
        images = {key: image for prompt in queue if prompt.item == item for key, image in prompt.attachments.items()}
        queue[:] = [prompt for prompt in queue if prompt.item != item]
        return images

    def rename(self, thread: str, to: str) -> None:
        """Give the queue of a thread another name. It replaces a queue of that name."""
        self._queues[to] = self._queues.pop(thread, [])
