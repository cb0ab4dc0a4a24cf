"""Compose what is sent: the expanded prompt, images and what the kernel reports."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_jupyter.notebook.context.model import Context
from codex_jupyter.notebook.namespace import Namespace, notebook_namespace
from codex_jupyter.notebook.session.request import ImageRules, PromptRequest
from codex_jupyter.notebook.templates import expand
from codex_jupyter.sdk import ContextInput, Input, UserInput
from codex_jupyter.sdk.models.inputs import normalize_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_jupyter.notebook.context import ContextCollector
    from codex_jupyter.notebook.images.display_log import DisplayLog
    from codex_jupyter.notebook.images.resize import Attachment


@dataclass(frozen=True, slots=True)
class ComposedPrompt:
    """A request with everything that is sent for it.

    Attributes:
        request: The request.
        input: The input of the turn.
        context: What the kernel reports.
        attachments: All images, at the size that is sent.
        images_shown: Number of the newest image that the notebook had displayed.
    """

    request: PromptRequest
    input: Input
    context: Context
    attachments: "tuple[Attachment, ...]"
    images_shown: int

    @property
    def user_prompt(self) -> str:
        """The prompt as lists and exports show it."""
        return self.request.shown_as or self.request.text


class PromptComposer:
    """Composes the prompts of a notebook, and remembers what each thread has received.

    Args:
        shell: The notebook's shell.
        collector: Collects what the kernel reports.
        display_log: Images that the notebook displayed.
    """

    def __init__(self, shell: Any, collector: "ContextCollector", display_log: "DisplayLog") -> None:
        self._shell, self._collector, self._display_log = shell, collector, display_log
        self._seen_images: dict[str, int] = {}
        """Number of the newest image at the last turn of a thread, by the thread's key."""

    def compose(self, request: PromptRequest, key: str | None) -> ComposedPrompt:
        """Compose a prompt. Call it on the main thread.

        Args:
            request: The request.
            key: Key of the thread that receives it. None composes for a new thread.

        Raises:
            InputError: If an image does not exist or cannot be sent.
            UsageError: If the context is not valid, or names a variable that does not exist, or if the prompt uses a hidden name.
        """
        names = request.names or notebook_namespace(self._shell)
        text = expand(request.text, names.values, names.hidden) if request.expand else request.text
        distinct: dict[bytes, Attachment] = {}
        for attachment in (*request.attachments, *self._attached(request, names, key)):
            distinct.setdefault(attachment.input.data, attachment)
        attachments = tuple(distinct.values())
        # What is displayed while the turn runs is new to the next turn.
        images_shown = self._display_log.shown
        context = self._collector.collect(request.context, key, names)
        # The running turn must not keep the variables of a function alive.
        request = dataclasses.replace(request, names=None)
        composed = with_context(text, context, attachments, request.page_context)
        return ComposedPrompt(request, composed, context, attachments, images_shown)

    def mark_sent(self, prompt: ComposedPrompt, key: str) -> None:
        """Record that a thread received a prompt. Its context and images are not new to that thread any more."""
        self._collector.mark_sent(prompt.context, key)
        self._seen_images[key] = prompt.images_shown

    def _attached(self, request: PromptRequest, names: Namespace, key: str | None) -> "tuple[Attachment, ...]":
        rules: ImageRules = request.images
        mentions = rules.mentions and "@" in request.text
        if not (rules.specs or mentions or rules.new):
            return ()
        # Most prompts have no image, and this imports Pillow.
        from codex_jupyter.notebook.images.attach import attach, attach_new
        from codex_jupyter.notebook.images.spec import ImageFinder

        finder = ImageFinder(self._shell, self._display_log, names)
        requested = [image for spec in rules.specs for image in finder.find(spec)]
        requested += finder.mentioned(request.text) if mentions else []
        limits = {"max_side": rules.max_side, "max_bytes": rules.max_bytes}
        attached = attach(requested, **limits)
        if rules.new:
            finder.show_open_figures()
            attached += attach_new(self._display_log.since(self._seen_images.get(key or "", 0)), requested, finder.resolve, **limits)
        return attached


def with_context(prompt: str, context: Context, attachments: "Sequence[Attachment]", page_context: str = "") -> Input:
    """Return the prompt, the images with their labels, what the kernel reports and data of the page, as the input of a turn."""
    parts: list[UserInput] = []
    if attachments:
        labels = "\n".join(f"[Image #{number}]: {image.label}" for number, image in enumerate(attachments, 1))
        parts += [*(image.input for image in attachments), ContextInput(text=labels, name="images")]
    if context.input is not None:
        parts.append(context.input)
    if page_context:
        parts.append(ContextInput(text=page_context, name="cell"))
    return [*normalize_input(prompt), *parts] if parts else prompt
