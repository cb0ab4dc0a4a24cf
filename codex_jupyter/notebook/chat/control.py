"""The way from the page to the chat while the kernel is busy.

What a widget sends waits until the running cell has ended. A comm that the page opens itself on a subshell does not: its messages are
handled by another thread at once. `Comm.handle_msg` would run IPython's `post_execute` there, which takes the open figures away from the
cell that runs, so it is bypassed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

TARGET: Final = "codex_jupyter.chat"
"""The name under which the page opens the comm."""

Action = Callable[[dict[str, Any], Sequence[Any]], None]


class Controlled:
    """Something that takes actions of the page."""

    def act(self, action: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Do what the page asks for; from any thread.

        Args:
            action: What to do, as JSON.
            buffers: Binary data that came along.
        """
        raise NotImplementedError


_known: WeakValueDictionary[str, Controlled] = WeakValueDictionary()


def control(shell: Any, id: str, controlled: Controlled) -> None:
    """Let pages of this kernel control something, as long as it lives.

    Args:
        shell: A kernel's shell.
        id: What the page calls it.
        controlled: What takes the actions.
    """
    _known[id] = controlled
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is not None and TARGET not in manager.targets:
        manager.register_target(TARGET, _opened)


def _opened(comm: Any, _: object) -> None:
    comm.handle_msg = _received


def _received(message: dict[str, Any]) -> None:
    action = message["content"]["data"]
    controlled = _known.get(str(action.get("widget")))
    if controlled is not None:
        controlled.act(action, message.get("buffers") or ())
