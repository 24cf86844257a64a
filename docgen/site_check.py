"""Checks a built site without a network: ``python -m docgen.site_check out/site``.

Every link and anchor inside it leads somewhere, no page loads anything from another host, links to other sites are
https, and those to the repository's own files name files that are there.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

from docgen.pages import REPOSITORY, ROOT

LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("video", "src"),
    ("audio", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("img", "srcset"),
    ("object", "data"),
}
"""What a browser fetches by itself."""
LOADING_LINKS = {"stylesheet", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "icon", "manifest"}
OF_A_TEMPLATE = re.compile(r"url\(\s*['\"]?(https?:)?//|@import\s+['\"]?(https?:)?//")


@dataclass
class PageLinks(HTMLParser):
    """What one page links to, loads, and can be linked to."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one element."""
        values = {name: value for name, value in attrs if value is not None}
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and LOADING_LINKS & set(values.get("rel", "").split()):
            self.loaded.append(values.get("href", ""))
        self.loaded += [values[name] for name in values if (tag, name) in LOADED]


def check(site: Path) -> list[str]:
    """All that is wrong with a site.

    Args:
        site: Its folder.

    Returns:
        One sentence each; empty where all is right.
    """
    pages = {path: _parsed(path) for path in sorted(site.rglob("*.html"))}
    wrong = [f"{site} has no page"] if not pages else []
    for path, page in pages.items():
        name = path.relative_to(site)
        if name.name == "404.html":
            continue  # Its links begin at the root of whatever host shows it.
        wrong += [f"{name}: loads {url}" for url in page.loaded if _is_elsewhere(url)]
        wrong += [f"{name}: {url} is not there" for url in page.loaded if not _is_elsewhere(url) and not _at(path, url)]
        wrong += [f"{name}: {sentence}" for link in page.links if (sentence := _wrong_link(path, link, pages))]
    sheets = [path for path in site.rglob("*.css") if OF_A_TEMPLATE.search(path.read_text())]
    return wrong + [f"{path.relative_to(site)}: loads from another host" for path in sheets]


def _parsed(path: Path) -> PageLinks:
    page = PageLinks()
    page.feed(path.read_text())
    return page


def _is_elsewhere(url: str) -> bool:
    return urlparse(url).netloc != ""


def _at(page: Path, url: str) -> Path | None:
    """The file that a link of a page names; None where there is none."""
    if url.startswith("data:"):
        return page
    path = unquote(urldefrag(url).url.split("?")[0])
    found = (page.parent / path).resolve() if path else page
    return found if found.is_file() else None


def _wrong_link(page: Path, link: str, pages: dict[Path, PageLinks]) -> str | None:
    if link.startswith(("mailto:", "javascript:")):
        return None
    if _is_elsewhere(link):
        return _wrong_address(link)
    target = _at(page, link)
    if target is None:
        return f"{link} leads nowhere"
    anchor = unquote(urldefrag(link).fragment)
    known = next((links for path, links in pages.items() if path.resolve() == target.resolve()), None)
    if anchor and known is not None and anchor not in known.ids and anchor != "__top":
        return f"{link} names an anchor that is not there"
    return None


def _wrong_address(link: str) -> str | None:
    """A link to another site, which is not fetched."""
    parsed = urlparse(link)
    if parsed.hostname in ("127.0.0.1", "localhost"):
        return None
    if parsed.scheme != "https" or "." not in (parsed.hostname or "") or " " in link:
        return f"{link} is no https address"
    match = re.match(re.escape(REPOSITORY) + r"/(?:blob|tree)/main/([^#?]+)", link)
    if match and not (ROOT / unquote(match[1])).exists():
        return f"{link} names a file that the repository does not have"
    return None if urljoin(link, ".") else f"{link} is no address"


def main() -> int:
    """Print what is wrong; gives the exit status."""
    site = Path(sys.argv[1])
    wrong = check(site)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(f"{site}: {len(list(site.rglob('*.html')))} pages, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
