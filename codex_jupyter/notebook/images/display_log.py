"""Record the images that the notebook displays, by cell and in order. Charts of which there is no image are recorded, too.

Data is displayed by two methods: `display_pub.publish` (`display`, figures at the end of a cell, updates in place) and
`displayhook.write_format_data` (the value of a cell). Both are wrapped on the shell's instances. IPython's own hooks are not used, because
they belong to one thread and miss the images of other threads. An image that was updated in place or cleared is dropped.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.display import display

if TYPE_CHECKING:
    from codex_jupyter.notebook.images.source import ImageSource

MAX_IMAGES: Final = 200
"""Maximum number of recorded images. Older ones are dropped."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Maximum bytes of recorded images. Equal images count once."""
MAX_CELLS: Final = 1_000
"""Maximum number of cells whose numbers are kept, for images that are displayed after the end of their cell."""

_is_own: "ContextVar[bool]" = ContextVar("codex_own_display", default=False)
"""True while this package displays something."""
_logs: "WeakKeyDictionary[Any, DisplayLog]" = WeakKeyDictionary()
"""The started logs by shell."""


class DisplayLog:
    """The last images that a shell displayed.

    Args:
        shell: An `InteractiveShell`.
        max_images: Maximum number of images.
        max_bytes: Maximum bytes of all images.
    """

    def __init__(self, shell: Any, *, max_images: int = MAX_IMAGES, max_bytes: int = MAX_BYTES) -> None:
        self._shell = shell
        self._max_images, self._max_bytes = max_images, max_bytes
        self._lock = threading.Lock()
        self._images: deque[tuple[ImageSource, str | None, str]] = deque()
        """The images, each with its display id and the place where it is: an `Output` widget, or the run of a cell."""
        self._contents: dict[bytes, int] = {}
        """Number of images with the same data."""
        self._size = 0
        self._shown = 0
        self._cells: dict[str, int] = {}
        self._clearing: set[str] = set()
        """Places that are cleared when more is displayed there."""
        self._started = False
        self._wrapped: tuple[Any, Any] = (None, None)
        """The display publisher and the display hook that are wrapped."""
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Record images from now on. A second call does nothing."""
        if not self._started:
            self._started = True
            _logs[self._shell] = self
            self._shell.events.register("pre_run_cell", self._on_cell_start)
            self._wrap()
            # Inside a cell, IPython 9 has already increased its counter.
            self._cells[self._run] = len(self._shell.history_manager.input_hist_raw) - 1

    def stop(self) -> None:
        """Stop recording, and drop all images."""
        if self._started:
            self._started = False
            _logs.pop(self._shell, None)
            self._shell.events.unregister("pre_run_cell", self._on_cell_start)
            self._unwrap()
        with self._lock:
            self._images.clear()
            self._contents.clear()
            self._cells.clear()
            self._clearing.clear()
            self._size = 0

    @property
    def shown(self) -> int:
        """The number of the newest image."""
        return self._shown

    @property
    def images(self) -> "list[ImageSource]":
        """All recorded images, oldest first."""
        with self._lock:
            return [image for image, _, _ in self._images]

    @property
    def size(self) -> int:
        """Bytes of all recorded images."""
        return self._size

    def since(self, number: int) -> "list[ImageSource]":
        """Return the images that were displayed after the image with this number, oldest first, without duplicates."""
        return _distinct(image for image in self.images if image.number > number)

    def newest(self, count: int) -> "list[ImageSource]":
        """Return the newest images, oldest first, without duplicates."""
        return _distinct(reversed(self.images))[:count][::-1]

    def of_cell(self, number: int) -> "list[ImageSource]":
        """Return the images of the last run of a cell, in order, without duplicates."""
        images = [image for image in self.images if image.cell == number]
        return _distinct(image for image in images if image.run == images[-1].run)

    def _wrap(self) -> None:
        """Wrap the display methods if they have changed. Those of `%%capture` are not wrapped, because its output is not displayed."""
        owners = self._shell.display_pub, self._shell.displayhook
        if owners != self._wrapped and not self._captures:
            self._unwrap()
            self._wrapped = owners
            self._undo = [
                _after_call(owners[0], "publish", self._published),
                _after_call(owners[0], "clear_output", self._cleared),
                _after_call(owners[1], "write_format_data", self._returned),
            ]

    def _unwrap(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._wrapped = (None, None)

    @property
    def _captures(self) -> bool:
        return isinstance(self._shell.display_pub, CapturingDisplayPublisher)

    def _on_cell_start(self, *_: object) -> None:
        if self._captures:
            return  # a cell inside of the captured one
        self._wrap()
        # `shell.execution_count` is not used, because IPython 9 has already increased it when a cell displays something.
        self._cells[self._run] = self._shell.displayhook.prompt_count
        if len(self._cells) > MAX_CELLS:
            oldest = next(iter(self._cells))
            del self._cells[oldest]
            self._clearing.discard(oldest)

    @property
    def _run(self) -> str:
        """Id of the run that displays data, also after its end. Empty without messages, as in a terminal."""
        return str(getattr(self._shell.display_pub, "parent_header", {}).get("msg_id", ""))

    def _published(self, data: Mapping[str, Any], *_: object, transient: Mapping[str, Any] | None = None, **rest: object) -> None:
        self._record(data, (transient or {}).get("display_id"), update=bool(rest.get("update")))

    def _returned(self, format_dict: Mapping[str, Any], *_: object, **__: object) -> None:
        self._record(format_dict, None, is_value=True)

    def _cleared(self, wait: bool = False, *_: object) -> None:
        place = _output_widget() or self._run
        if not place:
            return
        with self._lock:
            if wait:
                self._clearing.add(place)
            else:
                self._forget_place(place)

    def _record(self, bundle: Mapping[str, Any], display_id: str | None, *, update: bool = False, is_value: bool = False) -> None:
        sources: list[ImageSource] = []
        if not _is_own.get() and bundle.keys() != {"text/plain"}:
            from codex_jupyter.notebook.images.source import displayed  # not needed to load the extension

            sources = displayed(bundle)
        with self._lock:
            run = self._run
            cell, place = self._cells.get(run, 0), _output_widget() or run
            if update:
                for earlier in [entry for entry in self._images if entry[1] is not None and entry[1] == display_id]:
                    # The old image is no longer visible, and the new one takes its place.
                    self._forget(earlier)
                    run, cell, place = earlier[0].run, earlier[0].cell, earlier[2]
            elif place in self._clearing:
                self._forget_place(place)
            for source in sources:
                self._add(replace(source, cell=cell, run=run, is_value=is_value), display_id, place)

    def _add(self, source: "ImageSource", display_id: str | None, place: str) -> None:
        data, media_type, refusal = source.data, source.media_type, source.refusal
        if len(data) > self._max_bytes:
            refusal = f"an image of {len(data):,} bytes. Recorded are at most {self._max_bytes:,}"
            data, media_type = b"", ""
        if data in self._contents:
            data = next(image.data for image, _, _ in self._images if image.data == data)
        self._shown += 1
        label = f"plot {self._shown}" + (f" of In[{source.cell}]" if source.cell else "")
        source = replace(source, data=data, media_type=media_type, refusal=refusal, label=label, number=self._shown)
        self._images.append((source, display_id, place))
        self._size += 0 if data in self._contents else len(data)
        self._contents[data] = self._contents.get(data, 0) + 1
        while len(self._images) > self._max_images or self._size > self._max_bytes:
            self._forget(self._images[0])

    def _forget_place(self, place: str) -> None:
        self._clearing.discard(place)
        for entry in [entry for entry in self._images if entry[2] == place]:
            self._forget(entry)

    def _forget(self, entry: "tuple[ImageSource, str | None, str]") -> None:
        self._images.remove(entry)
        data = entry[0].data
        self._contents[data] -= 1
        if not self._contents[data]:
            del self._contents[data]
            self._size -= len(data)


def display_own(bundle: dict[str, Any], **options: Any) -> Any:
    """Display a MIME bundle of this package. Its images are not images of the notebook.

    Args:
        bundle: Data by media type.
        options: Other arguments of `IPython.display.display`.
    """
    token = _is_own.set(True)
    try:
        return display(bundle, raw=True, **options)  # type: ignore[no-untyped-call]
    finally:
        _is_own.reset(token)


def is_displaying_own() -> bool:
    """Return True while this package displays something of its own in the present thread."""
    return _is_own.get()


def log_of(shell: Any) -> DisplayLog | None:
    """Return the log that records the images of a shell, or None."""
    return _logs.get(shell)


def _output_widget() -> str:
    """Return the id of the `Output` widget in which data is displayed; empty outside of one.

    Clearing a widget does not clear the output of the cell, and does not clear another widget. Of nested widgets, the last one counts.
    """
    widgets = getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", {})
    outputs = [(key, widget) for key, widget in list(widgets.items()) if type(widget).__name__ == "Output"]
    active = [str(key) for key, widget in outputs if getattr(widget, "msg_id", None)]
    return active[-1] if active else ""


def _distinct(images: "Iterable[ImageSource]") -> "list[ImageSource]":
    distinct: dict[object, ImageSource] = {}
    for image in images:
        distinct.setdefault(image.key, image)
    return list(distinct.values())


def _after_call(owner: Any, name: str, callback: Callable[..., None]) -> Callable[[], None]:
    """Call a function after every call of a method of an object, with the same arguments.

    Returns:
        A function that undoes this. If other code has wrapped the method again, the wrapper stays and does nothing.
    """
    method = getattr(owner, name)
    active = True

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        if active:
            # An error in recording must not prevent the display.
            with suppress(Exception):
                callback(*args, **kwargs)
        return result

    def undo() -> None:
        nonlocal active
        active = False
        if vars(owner).get(name) is wrapper:
            delattr(owner, name)

    setattr(owner, name, wrapper)
    return undo
