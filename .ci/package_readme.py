"""The README as the package index shows it: a build hook, which `pyproject.toml` names.

The index has no files of the repository. With the address of the repository in `CODEX_JUPYTER_REPOSITORY`, as `release.yml` sets it, images
and links point to the files of the release. Without it, as in a build from a clone, images are left out, and links are their texts.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

ADDRESS_VARIABLE: Final = "CODEX_JUPYTER_REPOSITORY"
PICTURE: Final = re.compile(r"<picture>.*?(<img [^>]*>)\s*</picture>\s*", re.DOTALL)
IMAGE_SOURCE: Final = re.compile(r'src="(?!https?://)([^"]+)"')
LINK: Final = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Sets the dynamic field `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the text to the metadata of the project."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        address = os.environ.get(ADDRESS_VARIABLE, "").rstrip("/")
        metadata["readme"] = {"content-type": "text/markdown", "text": convert(text, address, f"v{metadata['version']}")}


def convert(text: str, address: str, tag: str) -> str:
    """Return a README whose images and links work outside of the repository.

    Args:
        text: Markdown, with each image for two themes in a `picture` element. The index keeps only the `img` in it, which is the light one.
        address: The address of the repository on GitHub; empty if it is unknown.
        tag: The tag of the release.
    """
    if not address:
        return LINK.sub(r"\1", PICTURE.sub("", text))
    text = PICTURE.sub(lambda match: IMAGE_SOURCE.sub(rf'src="{address}/raw/{tag}/\1"', match[1]) + "\n\n", text)
    return LINK.sub(rf"[\1]({address}/blob/{tag}/\2)", text)
