"""Every picture that the notebook displayed, by cell and in order.

Displayed data passes through two doors: `display_pub.publish` (`display`, figures flushed at the end of a cell, updates in place) and
`displayhook.write_format_data` (the value of a cell). Both are wrapped on the shell's own instances. IPython's hooks would be tidier, but
they belong to a thread each, and miss the pictures of all others. What is shown no longer, for it was updated in place or cleared
(`clear_output`), is forgotten.
"""

import base64
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from IPython.core.displaypub import CapturingDisplayPublisher

MAX_PICTURES: Final = 200
"""Pictures that are remembered; older ones are forgotten."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""The same in bytes; a picture that was shown twice counts once."""
MAX_CELLS: Final = 1_000
"""Cells whose number is remembered, for pictures that come after their end."""

RASTER_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
SVG: Final = "image/svg+xml"
PLOTLY: Final = "application/vnd.plotly.v1+json"
_PLOTLY_CALL: Final = "Plotly.newPlot("
VEGA_LITE: Final = "application/vnd.vegalite+json"
"""Stands for every version of the type."""
VEGA_HTML: Final = "text/html+vegalite"
"""A page that draws a Vega-Lite chart, as Altair displays it; no registered type."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """A picture, or what one can be drawn from.

    Attributes:
        data: The bytes of a file of the media type.
        media_type: One of `RASTER_TYPES`, or `SVG`, `PLOTLY`, `VEGA_LITE`, `VEGA_HTML`.
        label: What it is, in a few words.
        number: Counts the pictures that the notebook displayed, from 1; 0 if it was not displayed.
        cell: The number of its cell, as in `In[...]`; 0 if it has none.
        run: Tells the run of the cell from all others.
        is_value: Whether it is the value of its cell, as in `Out[...]`.
    """

    data: bytes
    media_type: str
    label: str = ""
    number: int = 0
    cell: int = 0
    run: str = ""
    is_value: bool = False

    def __repr__(self) -> str:
        return f"ImageSource({self.label!r}, {self.media_type}, {len(self.data):,} bytes)"


class DisplayLog:
    """The last pictures that a shell displayed.

    Args:
        shell: An `InteractiveShell`.
        max_pictures: How many are remembered.
        max_bytes: How many bytes of them.
    """

    def __init__(self, shell: Any, *, max_pictures: int = MAX_PICTURES, max_bytes: int = MAX_BYTES) -> None:
        self._shell = shell
        self._max_pictures, self._max_bytes = max_pictures, max_bytes
        self._lock = threading.Lock()
        self._pictures: deque[tuple[ImageSource, str | None]] = deque()
        self._contents: dict[bytes, int] = {}
        """How many pictures share some bytes."""
        self._size = 0
        self._shown = 0
        self._cells: dict[str, int] = {}
        self._clearing: set[str] = set()
        """Runs whose output goes away when more is displayed."""
        self._started = False
        self._watched: tuple[Any, Any] = (None, None)
        """The doors that are watched."""
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Remember from now on; does nothing if it does so already."""
        if not self._started:
            self._started = True
            self._shell.events.register("pre_run_cell", self._begin)
            self._watch()
            # Inside a cell, IPython 9 has counted on already.
            self._cells[self._run] = len(self._shell.history_manager.input_hist_raw) - 1

    def stop(self) -> None:
        """Remember no longer, and forget everything."""
        if self._started:
            self._started = False
            self._shell.events.unregister("pre_run_cell", self._begin)
            self._unwatch()
        with self._lock:
            self._pictures.clear()
            self._contents.clear()
            self._cells.clear()
            self._clearing.clear()
            self._size = 0

    @property
    def shown(self) -> int:
        """The number of the newest picture."""
        return self._shown

    @property
    def pictures(self) -> list[ImageSource]:
        """All that are remembered, oldest first."""
        with self._lock:
            return [picture for picture, _ in self._pictures]

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    def since(self, number: int) -> list[ImageSource]:
        """Those displayed after the one of this number, oldest first, each content once."""
        return _once(picture for picture in self.pictures if picture.number > number)

    def newest(self, count: int) -> list[ImageSource]:
        """The newest ones, oldest of them first, each content once."""
        return _once(reversed(self.pictures))[:count][::-1]

    def of_cell(self, number: int) -> list[ImageSource]:
        """Those of the last run of a cell, in order, each content once."""
        found = [picture for picture in self.pictures if picture.cell == number]
        return _once(picture for picture in found if picture.run == found[-1].run)

    def _watch(self) -> None:
        """Watch the doors, if they are others than before; not those of `%%capture`, while it runs, for nobody sees what it takes."""
        doors = self._shell.display_pub, self._shell.displayhook
        if doors != self._watched and not self._captures:
            self._unwatch()
            self._watched = doors
            self._undo = [
                _watch(doors[0], "publish", self._published),
                _watch(doors[0], "clear_output", self._cleared),
                _watch(doors[1], "write_format_data", self._returned),
            ]

    def _unwatch(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._watched = (None, None)

    @property
    def _captures(self) -> bool:
        return isinstance(self._shell.display_pub, CapturingDisplayPublisher)

    def _begin(self, *_: object) -> None:
        if self._captures:
            return  # a cell inside of the one that is captured
        self._watch()
        # Not `shell.execution_count`: IPython 9 has counted on by the time that a cell displays something.
        self._cells[self._run] = self._shell.displayhook.prompt_count
        if len(self._cells) > MAX_CELLS:
            oldest = next(iter(self._cells))
            del self._cells[oldest]
            self._clearing.discard(oldest)

    @property
    def _run(self) -> str:
        """What tells the run that displays something, also after its end; empty where there are no messages, as in a terminal."""
        return str(getattr(self._shell.display_pub, "parent_header", {}).get("msg_id", ""))

    def _published(self, data: Mapping[str, Any], *_: object, transient: Mapping[str, Any] | None = None, **rest: object) -> None:
        self._see(data, (transient or {}).get("display_id"), update=bool(rest.get("update")))

    def _returned(self, format_dict: Mapping[str, Any], *_: object, **__: object) -> None:
        self._see(format_dict, None, is_value=True)

    def _cleared(self, wait: bool = False, *_: object) -> None:
        if not self._run or _in_output_widget():
            return
        with self._lock:
            if wait:
                self._clearing.add(self._run)
            else:
                self._forget_run(self._run)

    def _see(self, bundle: Mapping[str, Any], display_id: str | None, *, update: bool = False, is_value: bool = False) -> None:
        found = image_of(bundle)
        with self._lock:
            run = self._run
            cell = self._cells.get(run, 0)
            if update:
                for earlier in [one for one in self._pictures if one[1] is not None and one[1] == display_id]:
                    # What is updated in place is shown no longer, and where it was shown is the place of the new one.
                    self._forget(earlier)
                    run, cell = earlier[0].run, earlier[0].cell
            elif run in self._clearing:
                self._forget_run(run)
            if found is None:
                return
            data, media_type = found
            if len(data) > self._max_bytes:
                return
            if data in self._contents:
                data = next(one.data for one, _ in self._pictures if one.data == data)
            self._shown += 1
            label = f"plot {self._shown}" + (f" of In[{cell}]" if cell else "")
            self._pictures.append((ImageSource(data, media_type, label, self._shown, cell, run, is_value), display_id))
            self._size += 0 if data in self._contents else len(data)
            self._contents[data] = self._contents.get(data, 0) + 1
            while len(self._pictures) > self._max_pictures or self._size > self._max_bytes:
                self._forget(self._pictures[0])

    def _forget_run(self, run: str) -> None:
        self._clearing.discard(run)
        for entry in [one for one in self._pictures if one[0].run == run]:
            self._forget(entry)

    def _forget(self, entry: tuple[ImageSource, str | None]) -> None:
        self._pictures.remove(entry)
        data = entry[0].data
        self._contents[data] -= 1
        if not self._contents[data]:
            del self._contents[data]
            self._size -= len(data)


def image_of(bundle: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """The picture of a mime bundle.

    Args:
        bundle: Data by media type. Those of pictures are base64 text or bytes, depending on who made them.

    Returns:
        Data and type of the form that a front end shows best and that needs the least work; None if there is none.

    Raises:
        ValueError: If the data are no base64, or a page is not as its library makes it.
        IndexError: The same.
        TypeError: If they are no data at all.
    """
    for media_type in RASTER_TYPES:
        if media_type in bundle:
            value = bundle[media_type]
            return base64.b64decode(value) if isinstance(value, str) else _bytes(value), media_type
    if SVG in bundle:
        value = bundle[SVG]
        return value.encode() if isinstance(value, str) else _bytes(value), SVG
    for media_type, value in bundle.items():
        if media_type == PLOTLY:
            return json.dumps(value).encode(), PLOTLY
        if media_type.startswith("application/vnd.vegalite.") and isinstance(value, dict):
            return json.dumps(value).encode(), VEGA_LITE
    html = bundle.get("text/html")
    # Outputs of ours may speak of all this, but hold no script.
    if isinstance(html, str) and "<script" in html:
        if _PLOTLY_CALL in html:
            return _plotly_of(html), PLOTLY
        if "vegaEmbed" in html:
            return html.encode(), VEGA_HTML
    return None


def _plotly_of(html: str) -> bytes:
    """The figure of a page that Plotly's renderers for notebooks made: the arguments of the call are an id, the data and the layout."""
    decoder, at = json.JSONDecoder(), html.rindex(_PLOTLY_CALL) + len(_PLOTLY_CALL)
    arguments: list[Any] = []
    while len(arguments) < 3:
        while html[at] in ", \t\r\n":
            at += 1
        value, at = decoder.raw_decode(html, at)
        arguments.append(value)
    return json.dumps({"data": arguments[1], "layout": arguments[2]}).encode()


def _bytes(value: bytes | bytearray | memoryview) -> bytes:
    return memoryview(value).tobytes()


def _in_output_widget() -> bool:
    """Whether what is displayed goes to an `Output` of ipywidgets; clearing that leaves the cell's own output as it is."""
    widgets = getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", {})
    return any(type(one).__name__ == "Output" and getattr(one, "msg_id", "") for one in list(widgets.values()))


def _once(pictures: Iterable[ImageSource]) -> list[ImageSource]:
    found: dict[bytes, ImageSource] = {}
    for picture in pictures:
        found.setdefault(picture.data, picture)
    return list(found.values())


def _watch(owner: Any, name: str, see: Callable[..., None]) -> Callable[[], None]:
    """Have a function told of every call of a method of this object, after the call.

    Returns:
        What undoes it. Somebody may have wrapped the method once more; then ours stays and does nothing.
    """
    method = getattr(owner, name)
    watching = True

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        if watching:
            # A picture that cannot be remembered must not keep anything from being displayed.
            with suppress(Exception):
                see(*args, **kwargs)
        return result

    def undo() -> None:
        nonlocal watching
        watching = False
        if vars(owner).get(name) is watched:
            delattr(owner, name)

    setattr(owner, name, watched)
    return undo
