"""Images of cells for the agent."""

import base64
import binascii
from typing import Any, Final

from codex_jupyter.notebook.images.from_file import image_of_bytes
from codex_jupyter.notebook.images.resize import fit
from codex_jupyter.sdk import ImageInput, InputError

MAX_IMAGES: Final = 4


def images_of(cell: dict[str, Any]) -> list[ImageInput]:
    """Return the last images of a cell, as the page sends it. Those that cannot be sent are left out."""
    images: list[ImageInput] = []
    for image in list(cell.get("images") or ())[-MAX_IMAGES:]:
        try:
            data = str(image["data"])
            content = data.encode() if data.lstrip().startswith("<") else base64.b64decode(data, validate=True)
            images.append(fit(image_of_bytes(content, f"an image of the cell {cell['id']}")).input)
        except (InputError, binascii.Error, ValueError, KeyError, TypeError):
            continue
    return images
