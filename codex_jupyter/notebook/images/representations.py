"""The image with which an object displays itself: by a formatter of the shell, or by a method such as `_repr_png_`."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from codex_jupyter._image_formats import SVG_TYPE
from codex_jupyter.notebook.images.from_file import error_line
from codex_jupyter.notebook.images.source import WIDGET, ImageSource, displayed
from codex_jupyter.sdk import InputError

_TEXTS: Final = {"text/html": "_repr_html_", "text/markdown": "_repr_markdown_"}
REPRS: Final = {
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "image/webp": "_repr_webp_",
    "image/gif": "_repr_gif_",
    SVG_TYPE: "_repr_svg_",
}
"""The methods with which an object displays itself as an image, by media type. The first that works is used."""


def displayed_image(value: Any, name: str, shell: Any | None) -> ImageSource | None:
    """Return the image with which an object displays itself, or None.

    Raises:
        InputError: If it displays several images, if it displays a chart of which there is no image, or if it has no other representation
            than those whose code fails.
    """
    failure: Exception | None = None
    refused: ImageSource | None = None
    for represent in _representations(value, shell):
        try:
            bundle = represent()
        except Exception as error:  # from the code of another package
            failure = failure or error
            continue
        shown = displayed(bundle) if isinstance(bundle, Mapping) else []
        images = [image for image in shown if image.data and image.media_type != WIDGET]
        if len(images) > 1:
            raise InputError(f"{name} displays {len(images)} images. Display it, and attach one of them: plot:-1, plot:-2, ...")
        if images:
            return images[0]
        refused = refused or next((image for image in shown if image.refusal), None)
    if refused is not None:
        remedy = "Attach a file of it." if "by its variable" in refused.remedy else refused.remedy  # it was named by its variable
        raise InputError(f"{name} shows {refused.refusal}. {remedy}".rstrip())
    if failure is not None:
        raise InputError(f"{name} is {with_article(type(value).__name__)} that cannot be displayed: {error_line(failure)}.") from failure
    return None


def _representations(value: Any, shell: Any | None) -> Iterator[Callable[[], Any]]:
    """Yield functions that return the MIME bundles of an object. They run its code, so they can raise any error."""
    if isinstance(value, type):
        return
    formatters = shell.display_formatter.formatters if shell is not None else {}
    for media_type, method in REPRS.items():
        # Formatters are not called, because they print the whole traceback of an error.
        printer = registered_printer(formatters.get(media_type), value) or (
            getattr(value, method) if hasattr(type(value), method) else None
        )
        if printer is not None:
            yield partial(_as_bundle, media_type, printer)
    if hasattr(type(value), "_repr_mimebundle_"):
        yield lambda: without_metadata(value._repr_mimebundle_(include=None, exclude=None))
    for media_type, method in _TEXTS.items():
        if hasattr(type(value), method):
            yield partial(_as_bundle, media_type, getattr(value, method))


def _as_bundle(media_type: str, printer: Callable[[], Any]) -> dict[str, Any]:
    data = without_metadata(printer())
    return {media_type: data} if isinstance(data, str | bytes) else {}


def without_metadata(result: Any) -> Any:
    """Return the data of what a formatter or a method such as `_repr_png_` returned: data, or data with metadata."""
    return result[0] if isinstance(result, tuple) and result else result


def registered_printer(formatter: Any, value: Any) -> Callable[[], Any] | None:
    """Return the function that a library has registered with a formatter for the type of a value."""
    try:
        return None if formatter is None else partial(formatter.lookup(value), value)
    except KeyError:
        return None


def with_article(noun: str) -> str:
    """Return a noun with its indefinite article."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
