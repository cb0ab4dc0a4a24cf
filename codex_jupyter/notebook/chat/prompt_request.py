"""The request of a prompt that a chat sends."""

import dataclasses
from typing import TYPE_CHECKING, cast

from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.chat.effective import rights_overrides
from codex_jupyter.notebook.chat.page_state import ChatSettings
from codex_jupyter.notebook.chat.prompt_queue import QueuedPrompt
from codex_jupyter.notebook.consent.presets import setting_of
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
        bounds.check(name, getattr(chosen, name), setting_of(settings, name))
    overrides: PromptOverrides = {
        "thread": chosen.thread,
        "bg": True,
        "model": chosen.model or None,
        "effort": chosen.effort or None,
    }
    overrides |= cast("PromptOverrides", rights_overrides(chosen, bounds, variables=prompt.variables))
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
        review=prompt.review,
        context="none" if prompt.review is not None else request.context,  # a review accepts no input
    )
