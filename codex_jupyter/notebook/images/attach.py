"""Attach images to a prompt, and the public functions `images` and `image`."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from codex_jupyter.notebook.images.display_log import DisplayLog, log_of
from codex_jupyter.notebook.images.resize import MAX_BYTES, MAX_SIDE, Attachment, fit
from codex_jupyter.notebook.images.source import ImageSource
from codex_jupyter.notebook.images.spec import MAX_ATTACHED, ImageFinder
from codex_jupyter.notebook.namespace import Namespace, calling_namespace
from codex_jupyter.sdk import ImageInput, InputError


def attach(sources: Iterable[ImageSource], *, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> tuple[Attachment, ...]:
    """Scale images to the size that is sent, without duplicates.

    Args:
        sources: The images, in the order in which the agent sees them.
        max_side: Maximum longest side in pixels, see `fit`.
        max_bytes: Maximum size of a file in bytes.

    Raises:
        InputError: If one cannot be sent, or there are more than `MAX_ATTACHED`.
    """
    distinct: dict[object, ImageSource] = {}
    for source in sources:
        distinct.setdefault(source.key, source)
    if len(distinct) > MAX_ATTACHED:
        raise InputError(f"{len(distinct)} images are too many. Attach at most {MAX_ATTACHED} images to a turn.")
    attached: dict[bytes, Attachment] = {}
    for source in distinct.values():
        attachment = fit(source, max_side=max_side, max_bytes=max_bytes)
        attached.setdefault(attachment.input.data, attachment)
    return tuple(attached.values())


def attach_new(
    sources: Iterable[ImageSource],
    asked: Iterable[ImageSource],
    resolve: Callable[[ImageSource], ImageSource],
    *,
    max_side: int = MAX_SIDE,
    max_bytes: int = MAX_BYTES,
) -> tuple[Attachment, ...]:
    """Scale new images, which the user did not name. Images that cannot be sent are reported, and the turn continues.

    Args:
        sources: The images, oldest first.
        asked: Images that the user named. They are sent anyway.
        resolve: Returns the image of a displayed widget or chart. It raises `InputError` if there is none.
        max_side: Maximum longest side in pixels, see `fit`.
        max_bytes: Maximum size of a file in bytes.
    """
    named = {source.key for source in asked}
    room = MAX_ATTACHED - len(named)
    new = [source for source in sources if source.key not in named]
    attached: list[Attachment] = []
    notes: list[str] = []
    for source in reversed(new):
        if len(attached) < room:
            try:
                attached.append(fit(resolve(source), max_side=max_side, max_bytes=max_bytes))
            except InputError as error:
                notes.append(f"Not attached: {error}")
    if len(attached) + len(notes) < len(new):
        notes.append(f"Not attached: the older {len(new) - len(attached) - len(notes)} of {len(new)} new images.")
    if notes:
        print(*notes, sep="\n", file=sys.stderr)  # noqa: T201 - a message for the user
    return tuple(reversed(attached))


def images(*specs: Any, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> list[ImageInput]:
    """Return images for a prompt: `thread.run([TextInput(text="Why?"), *images("plots:2")])`.

    Args:
        specs: Values of `%%codex -i`: `plot` (the newest displayed image), `plot:-2`, `plots:3`, `cell:12`, `out:12`, the name of a
            variable, a part of it such as `axes[0]`, a file, a pattern of files. Or a value: a figure, axes, a PIL image, an array, a
            chart, bytes, a path. Displayed images are recorded from the time at which the extension is loaded.
        max_side: Maximum longest side in pixels. A larger image is scaled down.
        max_bytes: Maximum size of a file in bytes. A larger image is scaled down.

    Returns:
        The images in order, without duplicates.

    Raises:
        InputError: If there is no such image, or it cannot be sent.
    """
    shell = _shell()
    return _images(shell, calling_namespace(shell), specs, max_side=max_side, max_bytes=max_bytes)


def image(spec: Any = "plot", *, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> ImageInput:
    """Return one image for a prompt, by default the newest displayed image.

    Args:
        spec: A value as in `images`.
        max_side: Maximum longest side in pixels. A larger image is scaled down.
        max_bytes: Maximum size of a file in bytes. A larger image is scaled down.

    Raises:
        InputError: If there is no such image, it cannot be sent, or there are several.
    """
    shell = _shell()
    inputs = _images(shell, calling_namespace(shell), (spec,), max_side=max_side, max_bytes=max_bytes)
    if len(inputs) != 1:
        raise InputError(f"{spec!r} names {len(inputs)} images. Use `images` to get all of them.")
    return inputs[0]


def _images(shell: Any, names: Namespace, specs: Sequence[Any], *, max_side: int, max_bytes: int) -> list[ImageInput]:
    finder = ImageFinder(shell, log_of(shell) or DisplayLog(shell), names)
    sources = (source for spec in specs for source in finder.find(spec))
    return [attachment.input for attachment in attach(sources, max_side=max_side, max_bytes=max_bytes)]


def _shell() -> Any:
    from IPython.core.getipython import get_ipython
    from IPython.core.interactiveshell import InteractiveShell

    return get_ipython() or InteractiveShell.instance()
