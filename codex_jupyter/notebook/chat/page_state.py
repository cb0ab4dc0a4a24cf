"""The state around the conversation that a page of a chat shows: its settings and its thread."""

from typing import TYPE_CHECKING, Any, Protocol

from codex_jupyter.notebook.chat.bounds import SANDBOX_MODES, Bounds
from codex_jupyter.notebook.chat.thread_view import ThreadView
from codex_jupyter.notebook.consent.presets import setting_of
from codex_jupyter.notebook.render import plain
from codex_jupyter.notebook.session.model_catalogue import EFFORTS
from codex_jupyter.notebook.session.thread_changes import titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_jupyter.notebook.session.session import NotebookSession
    from codex_jupyter.sdk import Model


class ChatSettings(Protocol):
    """The settings of a chat, which the widget holds. An empty one stands for the notebook's setting."""

    thread: str
    model: str
    sandbox: str
    effort: str
    preset: str

    @property
    def model_id(self) -> str | None:
        """Id of the widget, by which a page finds it."""


def page_settings(session: "NotebookSession", chosen: ChatSettings, bounds: Bounds, models: "Sequence[Model]") -> dict[str, Any]:
    """Return the settings of a chat, with the values that a page can choose.

    Args:
        session: The notebook's session.
        chosen: The settings of the chat.
        bounds: The upper bound that the author sets.
        models: The models of the catalogue. Empty before it has been read.
    """
    notebook = {name: setting_of(session.settings, name) for name in bounds.settings}
    settings = {name: getattr(chosen, name) or notebook[name] for name in bounds.settings}
    settings["preset"] = chosen.preset or session.settings.preset
    allowed = {name: bounds.choices(name, notebook[name]) for name in bounds.settings}
    offered = _offered_settings(models, settings["model"])
    return {
        "settings": settings,
        "choices": {name: offered[name] if allowed[name] is None else allowed[name] for name in offered},
        "bounded": sorted(name for name, values in allowed.items() if values is not None and not values[1:]),
        "locked": bounds.locked,
        "variables": bounds.variables,
    }


def _offered_settings(models: "Sequence[Model]", model: str) -> dict[str, list[str]]:
    efforts = next((entry.efforts for entry in models if entry.name == model and entry.efforts), None)
    if efforts is None:
        efforts = tuple(dict.fromkeys(effort for entry in models for effort in entry.efforts)) or EFFORTS
    return {
        "model": [entry.name for entry in models if not entry.hidden],
        "sandbox": list(SANDBOX_MODES),
        "effort": list(efforts),
    }


def thread_state(session: "NotebookSession", name: str, view: ThreadView, bounds: Bounds) -> dict[str, Any]:
    """Return the state of the shown thread, and the threads that a page can choose from.

    Args:
        session: The notebook's session.
        name: Name of the shown thread.
        view: The view of the thread.
        bounds: The upper bound that the author sets.
    """
    conversation, running = view.conversation, view.running
    all_titles = titles(session)
    all_titles.setdefault(name, name)
    shown = {name: all_titles[name]} if bounds.locked else all_titles
    return {
        "thread": name,
        "thread_id": (conversation.thread.id or "") if conversation is not None else "",
        "threads": [{"name": key, "title": plain(title)} for key, title in shown.items()],
        **view.progress,
        "running": running is not None,
        "seconds": running.elapsed if running is not None else 0,
        "cell_waits": view.cell_waits,
        "loss": view.loss,
        "offer": None if bounds.locked else view.offer,
    }
