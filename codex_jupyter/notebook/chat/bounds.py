"""The rights that the author of a chat sets, as an upper bound for what its page may ask for.

The author runs the cell. Someone else may use the page: a visitor of a Voila dashboard can send any message that the widget
can send. So each bound is enforced here, in the kernel. Hiding a control in the page is only a convenience.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, get_args

from IPython.core.error import UsageError

from codex_jupyter._choices import SandboxMode
from codex_jupyter.notebook.consent.presets import PRESETS
from codex_jupyter.notebook.consent.visitors import in_voila

SANDBOX_MODES: Final[tuple[str, ...]] = get_args(SandboxMode)
_OTHER_THREADS: Final = frozenset({"thread", "stored", "review"})
"""Actions about threads other than the chat's own."""
_HISTORY: Final = frozenset({"again", "compact", "undo", "apply_undo"})
"""Actions that change the conversation so far."""
_KERNEL: Final = frozenset({"attach", "plots"})
"""Actions that read the variables, the plots or the files of the notebook."""


class Bounds:
    """The upper bound of a chat.

    Args:
        locked: If the page may be used by someone who must not control the notebook. None locks a chat in a kernel that Voila started.
        variables: If prompts of the page may read variables and plots: `{name}`, `@name`. None allows it unless the chat is locked.
        approval: When the agent asks, as the author set it; empty is the notebook's setting, or `never` if the chat is locked.
        settings: The author's `model`, `sandbox` and `effort`; empty is not set.
        preset: The author's preset of rights; empty is not set.
    """

    def __init__(
        self, *, locked: bool | None, variables: bool | None, approval: str, settings: Mapping[str, str], preset: str = ""
    ) -> None:
        self.locked: Final = in_voila() if locked is None else locked
        self.variables: Final = not self.locked if variables is None else variables
        self.approval: Final = approval or ("never" if self.locked else "")
        self.settings: dict[str, str] = dict(settings)
        self.preset: str = preset

    @property
    def answers(self) -> bool:
        """True if the page may answer approvals of the chat's own turns."""
        return not self.locked or self.approval != "never"

    def change(self, name: str, value: str) -> None:
        """Change what the author has set.

        Args:
            name: A setting of the chat. Not all are bounds.
            value: Its value; empty is not set.
        """
        if name == "preset":
            self.preset = value
        elif name in self.settings:
            self.settings[name] = value

    def choices(self, name: str, notebook: str) -> list[str] | None:
        """Return the values of a setting that the page may choose; None allows all.

        Args:
            name: `model`, `sandbox` or `effort`.
            notebook: The notebook's setting of this name; empty leaves it to the user's Codex configuration.
        """
        limit = self._of_author(name) or (notebook if self.locked else "")
        if not limit:
            # What Codex's configuration allows is not known here, but nothing is below read-only.
            return None if not self.locked else ["read-only"] if name == "sandbox" else []
        return list(SANDBOX_MODES[: SANDBOX_MODES.index(limit) + 1]) if name == "sandbox" else [limit]

    def check(self, name: str, value: str, notebook: str) -> None:
        """Raise if a setting is above the bound. Empty is the author's value, or else the notebook's.

        Raises:
            UsageError: If it is.
        """
        allowed = self.choices(name, notebook)
        if not value or allowed is None or value in allowed:
            return
        if name == "sandbox" and value not in SANDBOX_MODES:
            raise UsageError(f"There is no sandbox mode {value}.")
        if not self._of_author(name) and not notebook:
            most = "locked it"
        else:
            most = f"allows at most {allowed[-1]}" if name == "sandbox" else f"set {name} to {allowed[0]}"
        raise UsageError(f"The {name} {value} is refused, because the author of this chat {most}.")

    def _of_author(self, name: str) -> str:
        """Return the value of a setting that the author has set, also by the preset. Empty if it is not set."""
        preset = next((preset for key, preset in PRESETS.items() if name == "sandbox" and key == self.preset), None)
        return self.settings[name] or (preset.rights.sandbox if preset is not None else "")

    def check_action(self, action: Mapping[str, Any], thread: str) -> None:
        """Raise if the page asks for something that the author does not allow at all.

        Args:
            action: What the page asks for.
            thread: The chat's thread.

        Raises:
            UsageError: If it does.
        """
        do = str(action.get("do"))
        chooses = do == "choose" and action.get("trait") == "thread" and action.get("value") != thread
        if self.locked and (chooses or do in _OTHER_THREADS):
            raise UsageError("Other threads are refused, because the author locked this chat to its thread.")
        if self.locked and do in _HISTORY:
            raise UsageError("A change of the conversation is refused, because the author locked this chat.")
        if not self.variables and do in _KERNEL:
            raise UsageError("Plots, variables and files of the notebook are refused, because the author of this chat does not share them.")
        if self.locked and do == "attach" and not re.fullmatch(r"plot:\d+", str(action.get("spec"))):
            raise UsageError("Files of the notebook are refused, because the author locked this chat. Upload the image instead.")
