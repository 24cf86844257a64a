"""Which pages the site has beside those in docs/, and where the links of Markdown files lead on the site.

On the code host a Markdown file's links are relative to it in the repository. On the site some of those files are
pages, at other places; all else of the repository is behind an address of the code host.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/red-align/red-align"
BROUGHT = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "red_align/weights/edge/MODEL_CARD.md": "model-card.md",
}
"""Pages of the site by their files, which are not in docs/."""
FOLDERS = {"docs/decisions": "docs/decisions/index.md"}
"""The page of a folder that is linked as a whole."""

_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.M | re.S)
_CODE = re.compile(r"(`+).+?\1", re.S)
_LINK = re.compile(r"(?P<text>\]\()(?P<target>[^)\s]+)(?P<end>[^)]*\))")


class BrokenLink(Exception):
    """A link leads nowhere; the message names file and target."""


def page_of(path: str) -> str | None:
    """The page that a file of the repository is on the site.

    Args:
        path: Of the file, from the repository's root.

    Returns:
        Its path below docs/ as MkDocs sees it; None where it is none.
    """
    path = FOLDERS.get(path, path)
    if path in BROUGHT:
        return BROUGHT[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def rewrite(markdown: str, home: str, root: Path = ROOT) -> str:
    """A file's Markdown with links that are right on the site.

    Args:
        markdown: The text.
        home: Path of its file from the repository's root.
        root: The repository.

    Returns:
        The text; links to pages are relative to the page, those to other files lead to the code host.

    Raises:
        BrokenLink: A link leads to a file that is not there.
    """
    page = page_of(home) or home
    kept = [match.span() for pattern in (_FENCE, _CODE) for match in pattern.finditer(markdown)]

    def moved(match: re.Match[str]) -> str:
        if any(start <= match.start() < end for start, end in kept):
            return match[0]
        return match["text"] + _moved(match["target"], home, page, root) + match["end"]

    return _LINK.sub(moved, markdown)


def _moved(target: str, home: str, page: str, root: Path) -> str:
    if re.match(r"[a-z]+:|#|/", target):
        return target
    path, hash_, anchor = target.partition("#")
    found = posixpath.normpath(posixpath.join(posixpath.dirname(home), path))
    to = page_of(found)
    if not (root / found).exists() and not (to and (root / "docs" / to).exists()):
        raise BrokenLink(f"{home}: {target} leads nowhere")
    if to is not None and not (root / found).is_dir():
        return posixpath.relpath(to, posixpath.dirname(page) or ".") + hash_ + anchor
    if to is not None and found in FOLDERS:
        return posixpath.relpath(to, posixpath.dirname(page) or ".") + hash_ + anchor
    kind = "tree" if (root / found).is_dir() else "blob"
    return f"{REPOSITORY}/{kind}/main/{found}{hash_}{anchor}"


def title_of(markdown: str) -> str:
    """The first heading."""
    match = re.search(r"^# (.+)$", markdown, re.M)
    return match[1] if match else ""


def decisions(root: Path = ROOT) -> Mapping[str, str]:
    """Titles of the decisions by their pages, in order."""
    folder = root / "docs" / "decisions"
    files = sorted(path for path in folder.glob("[0-9]*.md"))
    return {f"decisions/{path.name}": title_of(path.read_text()) for path in files}
