"""Mask secrets in error messages, and in the events that report errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from codex_jupyter.sdk.executable.config_files import read_user_config
from codex_jupyter.sdk.executable.config_flags import render_config_flags
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
from codex_jupyter.sdk.models.wire import WireModel
from codex_jupyter.sdk.redaction import as_literals, mask_message
from codex_jupyter.sdk.rollouts import codex_home

_ModelT = TypeVar("_ModelT", bound=WireModel)
_ERROR_EVENTS: Final[frozenset[type]] = frozenset({ThreadErrorEvent, TurnFailedEvent, McpServerStatusEvent})
_ITEM_EVENTS: Final[frozenset[type]] = frozenset({ItemCompletedEvent, ItemStartedEvent, ItemUpdatedEvent})
_ERROR_ITEMS: Final[frozenset[type]] = frozenset({ErrorItem, McpToolCallItem})


def secrets(
    options: CodexOptions, env: Mapping[str, str], overrides: Sequence[str] = (), file: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Return the secrets of a client, in the forms in which a text may repeat them; the longest first.

    Args:
        options: The client's options.
        env: The environment of the CLI.
        overrides: Settings of a thread as `key=value` texts.
        file: The contents of `config.toml`. None reads them.
    """
    settings = (*render_config_flags(options.config), *own_overrides(options), *overrides)
    values = secret_values(settings, env, read_user_config(codex_home(env)).content if file is None else file)
    return as_literals([env.get(API_KEY_VARIABLE, ""), *values])


def more_secrets(secrets: Sequence[str], overrides: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the given secrets and those of the settings of a thread; the longest first."""
    return tuple(sorted({*secrets, *as_literals(secret_values(overrides, env))}, key=lambda text: (-len(text), text)))


def masked_events(events: Sequence[ThreadEvent], secrets: Sequence[str]) -> list[ThreadEvent]:
    """Return events without secrets in their error messages. Other events are unchanged.

    Args:
        events: The events. A turn can have very many without an error message, so these are recognised by their class alone.
        secrets: Texts that no message may contain.
    """
    return [
        _masked(event, secrets)
        if type(event) in _ERROR_EVENTS or (type(event) in _ITEM_EVENTS and type(getattr(event, "item", None)) in _ERROR_ITEMS)
        else event
        for event in events
    ]


def _masked(event: ThreadEvent, secrets: Sequence[str]) -> ThreadEvent:
    if isinstance(event, ThreadErrorEvent):
        return _with_masked(event, "message", event.message, secrets)
    if isinstance(event, TurnFailedEvent):
        error = _with_masked(event.error, "message", event.error.message, secrets)
        return event if error is event.error else event.model_copy(update={"error": error})
    if isinstance(event, McpServerStatusEvent) and event.error is not None:
        return _with_masked(event, "error", event.error, secrets)
    if isinstance(event, ItemCompletedEvent | ItemUpdatedEvent | ItemStartedEvent):
        item = _masked_item(event.item, secrets)
        return event if item is event.item else event.model_copy(update={"item": item})
    return event


def _masked_item(item: ThreadItem, secrets: Sequence[str]) -> ThreadItem:
    if isinstance(item, ErrorItem):
        return _with_masked(item, "message", item.message, secrets)
    if isinstance(item, McpToolCallItem) and item.error is not None:
        error = _with_masked(item.error, "message", item.error.message, secrets)
        return item if error is item.error else item.model_copy(update={"error": error})
    return item


def _with_masked(value: _ModelT, name: str, text: str, secrets: Sequence[str]) -> _ModelT:
    """Return a value with its text masked; the value itself if there is no secret in the text."""
    masked = mask_message(text, secrets)
    return value if masked == text else value.model_copy(update={name: masked})
