"""The settings that apply to the next turn of a chat: its own, those of the notebook, and the configuration of Codex."""

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.consent.ceiling import load_ceiling
from codex_jupyter.notebook.consent.presets import PRESETS, Rights, choose_rights, preset_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_jupyter.notebook.chat.page_state import ChatSettings
    from codex_jupyter.notebook.chat.thread_view import ThreadView
    from codex_jupyter.notebook.session.session import NotebookSession
    from codex_jupyter.sdk import Model


def rights_overrides(chosen: "ChatSettings", bounds: Bounds, *, variables: bool) -> dict[str, str | None]:
    """Return the options of a prompt that decide about its rights.

    Args:
        chosen: The settings of the chat.
        bounds: The upper bound that the author sets.
        variables: If the prompt may use values of the notebook.
    """
    overrides: dict[str, str | None] = {
        "preset": chosen.preset or None,
        "sandbox": chosen.sandbox or None,
        "approval": bounds.approval or None,
    }
    if bounds.locked or not variables:
        overrides["kernel"] = "off"  # a visitor must not use the kernel of the author
    return overrides


def effective_settings(
    session: "NotebookSession", chosen: "ChatSettings", bounds: Bounds, view: "ThreadView", models: "Sequence[Model]"
) -> dict[str, Any]:
    """Return what applies to the next turn, and the presets that a page can choose.

    Args:
        session: The notebook's session.
        chosen: The settings of the chat.
        bounds: The upper bound that the author sets.
        view: The shown thread.
        models: The models of the catalogue. Empty before it has been read.
    """
    overrides = rights_overrides(chosen, bounds, variables=bounds.variables)
    problem = ""
    try:
        rights = load_ceiling().capped(choose_rights(overrides, session.settings))
    except UsageError as error:
        rights, problem = Rights(), str(error)
    configured = session.client.models.configured
    settings = session.settings
    model = chosen.model or settings.model or configured.get("model") or next((entry.name for entry in models if entry.is_default), "")
    default_effort = next((entry.default_effort for entry in models if entry.name == model), None)
    return {
        "preset": preset_of(rights),
        "presets": []
        if not offers_presets(bounds)
        else [{"name": name, "label": preset.name, "description": preset.description} for name, preset in PRESETS.items()],
        "effective": {
            "model": model,
            "effort": chosen.effort or settings.effort or configured.get("effort") or default_effort or "",
            "sandbox": rights.sandbox or _reported(view) or configured.get("sandbox") or "",
            "approval": rights.approval or "never",
            "kernel": rights.kernel,
        },
        "problem": problem,
    }


def offers_presets(bounds: Bounds) -> bool:
    """Return True if a page may choose a preset: the author has set no rights."""
    return not (bounds.locked or bounds.settings["sandbox"] or bounds.preset or bounds.approval)


def _reported(view: "ThreadView") -> str:
    """Return the sandbox of the last turn that used the configuration of Codex, as the CLI reported it. Empty if it is not known."""
    history = view.history
    past = history[-1] if history else None
    return past.turn.rights.sandbox if past is not None and past.info.sandbox is None and past.turn.rights is not None else ""
