"""The request of a prompt that a chat sends."""

import dataclasses
from typing import TYPE_CHECKING

from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.chat.page_state import ChatSettings
from codex_jupyter.notebook.chat.prompt_queue import QueuedPrompt
from codex_jupyter.notebook.session.request import PromptOverrides, PromptRequest

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession


def prompt_request(session: "NotebookSession", chosen: ChatSettings, bounds: Bounds, prompt: QueuedPrompt) -> PromptRequest:
    """Return the request of a turn. The notebook's settings, and so the bounds, may have changed since the page chose.

    Args:
        session: The notebook's session.
        chosen: The settings of the chat.
        bounds: The upper bound that the author sets.
        prompt: The prompt, with its images.

    Raises:
        UsageError: If a setting is now above its bound.
    """
    settings = session.settings
    for name in bounds.settings:
        bounds.check(name, getattr(chosen, name), getattr(settings, name))
    overrides: PromptOverrides = {
        "thread": chosen.thread,
        "bg": True,
        "model": chosen.model or None,
        "sandbox": chosen.sandbox or None,
        "effort": chosen.effort or None,
        "approval": bounds.approval or None,
    }
    if bounds.locked or not prompt.variables:
        overrides["kernel"] = "off"  # a visitor must not use the kernel of the author
    if not prompt.variables:
        overrides["expand"] = False
        if settings.context == "auto":  # it would send names of variables, and the last error with its source lines
            overrides["context"] = ["none"]
    request = session.request(prompt.text, **overrides)
    if bounds.locked:  # the setting `resume` must not continue the thread of an earlier kernel
        request = dataclasses.replace(request, resume_first="")
    return dataclasses.replace(
        request,
        display="nothing",
        attachments=tuple(prompt.attachments.values()),
        images=dataclasses.replace(request.images, mentions=request.images.mentions and prompt.variables),
        permanent_approvals=not bounds.locked,
    )
