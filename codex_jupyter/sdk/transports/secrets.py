"""Mask secrets in error messages, and in the events that report errors."""

from collections.abc import Mapping, Sequence

from codex_jupyter.sdk.executable.config_flags import read_config_file, render_config_flags
from codex_jupyter.sdk.executable.environment import API_KEY_VARIABLE, own_overrides
from codex_jupyter.sdk.executable.secret_settings import secret_values
from codex_jupyter.sdk.models.app_server_events import McpServerStatusEvent
from codex_jupyter.sdk.models.events import (
    ItemCompletedEvent,
    ItemStartedEvent,
    ItemUpdatedEvent,
    ThreadErrorEvent,
    ThreadEvent,
    TurnFailedEvent,
)
from codex_jupyter.sdk.models.items import ErrorItem, McpToolCallItem, ThreadItem
from codex_jupyter.sdk.models.options import CodexOptions
from codex_jupyter.sdk.redaction import as_literals, mask_message
from codex_jupyter.sdk.rollouts import codex_home


def secrets(options: CodexOptions, env: Mapping[str, str], overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the secrets of a client, in the forms in which a text may repeat them; the longest first.

    Args:
        options: The client's options.
        env: The environment of the CLI.
        overrides: Settings of a thread as `key=value` texts.
    """
    settings = (*render_config_flags(options.config), *own_overrides(options), *overrides)
    values = secret_values(settings, env, read_config_file(codex_home(env)))
    return as_literals([env.get(API_KEY_VARIABLE, ""), *values])


def more_secrets(secrets: Sequence[str], overrides: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the given secrets and those of the settings of a thread; the longest first."""
    return tuple(sorted({*secrets, *as_literals(secret_values(overrides, env))}, key=lambda text: (-len(text), text)))


def masked_event(event: ThreadEvent, secrets: Sequence[str]) -> ThreadEvent:
    """Return an event without secrets in its error message; any other event unchanged."""
    if isinstance(event, ThreadErrorEvent):
        return event.model_copy(update={"message": mask_message(event.message, secrets)})
    if isinstance(event, TurnFailedEvent):
        return event.model_copy(update={"error": event.error.model_copy(update={"message": mask_message(event.error.message, secrets)})})
    if isinstance(event, McpServerStatusEvent) and event.error is not None:
        return event.model_copy(update={"error": mask_message(event.error, secrets)})
    if isinstance(event, ItemCompletedEvent | ItemUpdatedEvent | ItemStartedEvent):
        item = _masked_item(event.item, secrets)
        return event if item is event.item else event.model_copy(update={"item": item})
    return event


def _masked_item(item: ThreadItem, secrets: Sequence[str]) -> ThreadItem:
    if isinstance(item, ErrorItem):
        return item.model_copy(update={"message": mask_message(item.message, secrets)})
    if isinstance(item, McpToolCallItem) and item.error is not None:
        error = item.error.model_copy(update={"message": mask_message(item.error.message, secrets)})
        return item.model_copy(update={"error": error})
    return item
