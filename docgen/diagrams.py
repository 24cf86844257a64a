"""Mermaid diagrams of Markdown files as pictures of the site: drawn once, kept in docs/assets, checked by their source.

The code host draws them itself. The site's pages load nothing from elsewhere, and Mermaid's script has three megabytes.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs" / "assets"
_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```\n", re.M | re.S)


def digest(source: str) -> str:
    """What names a diagram's picture: its source's hash."""
    return hashlib.sha256(source.strip().encode()).hexdigest()[:12]


def drawn(markdown: str, assets: Path = ASSETS, place: str = "assets") -> str:
    """A page's Markdown with pictures in the place of diagrams.

    Args:
        markdown: The text of a page at the top of the site.
        assets: Folder of the pictures, ``diagram-HASH.svg``.
        place: That folder as the page names it.

    Raises:
        ValueError: A diagram was changed and not drawn again; the message says how.
    """

    def picture(match: re.Match[str]) -> str:
        name = f"diagram-{digest(match[1])}.svg"
        if not (assets / name).is_file():
            raise ValueError(
                f"a diagram has no picture: write its source to d.mmd, and draw it with Mermaid's command line: "
                f"mmdc -i d.mmd -o docs/assets/{name}"
            )
        return f"![Diagram]({place}/{name}){{ .diagram }}\n"

    return _DIAGRAM.sub(picture, markdown)
