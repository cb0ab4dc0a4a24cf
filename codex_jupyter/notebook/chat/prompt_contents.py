"""The contents of the next prompt of a chat: attached images, and what a page offers for it."""

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from codex_jupyter.notebook.chat import ideas, mentions
from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.chat.channel import Channel
from codex_jupyter.notebook.chat.uploads import Uploads
from codex_jupyter.notebook.images.attach import attach
from codex_jupyter.notebook.images.spec import ImageFinder

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession


class PromptContents:
    """The images of the next prompt, and the names, plots and prompts that a page offers.

    Args:
        session: The notebook's session.
        bounds: The upper bound that the author sets.
        channel: The connection with the pages.
        changed: Called when the attached images have changed.
    """

    def __init__(self, session: "NotebookSession", bounds: Bounds, channel: Channel, changed: Callable[[], None]) -> None:
        self.uploads = Uploads()
        self._session, self._bounds, self._channel, self._changed = session, bounds, channel, changed

    def attach(self, spec: str) -> None:
        """Attach images of the notebook to the next prompt."""
        for attachment in attach(self._finder.find(spec), **self._image_limits):
            self.uploads.attachments[uuid.uuid4().hex] = attachment
        self._changed()

    def detach(self, item: str) -> None:
        """Remove an image from the next prompt."""
        self.uploads.attachments.pop(item, None)
        self._changed()

    def upload(self, item: str, name: str, last: bool, buffers: Sequence[Any]) -> None:
        """Take a piece of an image that a page uploads; see `Uploads.add`."""
        if self.uploads.add(item, name, last, buffers, self._image_limits):
            self._changed()

    def send_plots(self) -> None:
        """Send the newest plots, which a page can attach."""
        self._channel.send("plots", plots=mentions.recent_plots(self._session.display_log))

    def send_mentions(self, word: str) -> None:
        """Send the images, variables and files that can follow an `@`."""
        offers = mentions.find_mentions(self._session.shell, self._finder, word) if self._bounds.variables else []
        self._channel.send("offers", offers=offers)

    def send_ideas(self) -> None:
        """Send prompts that suit the notebook."""
        self._channel.send("ideas", ideas=ideas.find_ideas(self._session) if self._bounds.variables else [])

    @property
    def _finder(self) -> ImageFinder:
        return ImageFinder(self._session.shell, self._session.display_log)

    @property
    def _image_limits(self) -> dict[str, int]:
        return {"max_side": self._session.settings.max_image_side, "max_bytes": self._session.settings.max_image_bytes}
