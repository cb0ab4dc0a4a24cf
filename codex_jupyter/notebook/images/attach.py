"""From what a user names to what is sent."""

import sys
from collections.abc import Iterable
from typing import Any

from codex_jupyter.notebook.images.display_log import DisplayLog, ImageSource
from codex_jupyter.notebook.images.resize import MAX_BYTES, MAX_SIDE, Attachment, fit
from codex_jupyter.notebook.images.spec import MAX_ATTACHED, ImageFinder
from codex_jupyter.sdk import ImageInput, InputError


def attach(pictures: Iterable[ImageSource], *, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> tuple[Attachment, ...]:
    """Make pictures ready to be sent, each once.

    Args:
        pictures: The pictures, in the order in which the agent is to see them.
        max_side: Pixels of the longest side; see `fit`.
        max_bytes: Largest file in bytes.

    Raises:
        InputError: If one cannot be sent, or they are more than `MAX_ATTACHED`.
    """
    distinct: dict[bytes, ImageSource] = {}
    for picture in pictures:
        distinct.setdefault(picture.data, picture)
    if len(distinct) > MAX_ATTACHED:
        raise InputError(f"{len(distinct)} pictures are too many: at most {MAX_ATTACHED} go with a turn.")
    return tuple(fit(picture, max_side=max_side, max_bytes=max_bytes) for picture in distinct.values())


def attach_new(
    pictures: Iterable[ImageSource], asked: Iterable[ImageSource], *, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES
) -> tuple[Attachment, ...]:
    """Make those pictures ready that go along unasked: what cannot go is said, and keeps no turn from being sent.

    Args:
        pictures: The pictures, oldest first.
        asked: Those that go already.
        max_side: Pixels of the longest side; see `fit`.
        max_bytes: Largest file in bytes.
    """
    going = {picture.data for picture in asked}
    room = MAX_ATTACHED - len(going)
    new = [picture for picture in pictures if picture.data not in going]
    attached: list[Attachment] = []
    left: list[str] = []
    for picture in reversed(new):
        if len(attached) < room:
            try:
                attached.append(fit(picture, max_side=max_side, max_bytes=max_bytes))
            except InputError as error:
                left.append(f"Not attached: {error}")
    if len(attached) + len(left) < len(new):
        left.append(f"Not attached: the older {len(new) - len(attached) - len(left)} of {len(new)} new pictures.")
    if left:
        print(*left, sep="\n", file=sys.stderr)  # noqa: T201 - the user is to know
    return tuple(reversed(attached))


def images(*specs: Any, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> list[ImageInput]:
    """Pictures for a prompt: `thread.run([TextInput(text="Why?"), *images("plots:2")])`.

    Args:
        specs: What `%%codex -i` takes: `plot` (the newest picture that the notebook displayed), `plot:-2`, `plots:3`, `cell:12`,
            `out:12`, the name of a variable, a part of it such as `axes[0]`, a file, a pattern of files; or a value: a figure, axes, a
            PIL image, an array, a chart, bytes, a path. What was displayed is known from the moment that the extension was loaded.
        max_side: Pixels of the longest side; a larger picture is scaled down.
        max_bytes: Largest file in bytes; the same.

    Returns:
        The pictures in order, each once.

    Raises:
        InputError: If there is no such picture, or it cannot be sent.
    """
    finder = _finder()
    found = (picture for spec in specs for picture in finder.find(spec))
    return [attachment.input for attachment in attach(found, max_side=max_side, max_bytes=max_bytes)]


def image(spec: Any = "plot", *, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> ImageInput:
    """One picture for a prompt, by default the newest plot.

    Args:
        spec: As `images` takes it.
        max_side: Pixels of the longest side; a larger picture is scaled down.
        max_bytes: Largest file in bytes; the same.

    Raises:
        InputError: If there is no such picture, it cannot be sent, or there are several.
    """
    found = images(spec, max_side=max_side, max_bytes=max_bytes)
    if len(found) != 1:
        raise InputError(f"{spec!r} stands for {len(found)} pictures; `images` gives them all.")
    return found[0]


def _finder() -> ImageFinder:
    from IPython.core.getipython import get_ipython
    from IPython.core.interactiveshell import InteractiveShell

    shell: Any = get_ipython() or InteractiveShell.instance()
    magics = shell.magics_manager.registry.get("CodexMagics")
    return ImageFinder(shell, magics.pictures if magics is not None else DisplayLog(shell))
