"""Hooks of MkDocs: pages from elsewhere in the repository, links that are right on the site, decisions in the menu.

Runs in the environment of the site (docs/requirements.txt), where neither the library nor the service is installed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # MkDocs loads this file by its path.

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docgen.diagrams import drawn
from docgen.pages import BROUGHT, ROOT, BrokenLink, decisions, rewrite

DECISIONS = "decisions/index.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the menu, so that a new one needs no line in mkdocs.yml."""
    entries: list[Any] = [DECISIONS, *({title: page} for page, title in decisions().items())]
    for tab in config.nav or []:
        for section in next(iter(tab.values())) if isinstance(next(iter(tab.values())), list) else []:
            if isinstance(section, dict) and "Decisions" in section:
                section["Decisions"] = entries
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for path, page in BROUGHT.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text()))
    table = "".join(f"| [{title}]({Path(page).name}) |\n" for page, title in decisions().items())
    text = f"# Decisions\n\nFindings that explain why something is as it is, one page each.\n\n| |\n|---|\n{table}"
    files.append(File.generated(config, DECISIONS, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links and diagrams."""
    homes = {to: path for path, to in BROUGHT.items()}
    uri = page.file.src_uri
    if uri == DECISIONS:
        return markdown
    try:
        return drawn(rewrite(markdown, homes.get(uri, f"docs/{uri}")))
    except (BrokenLink, ValueError) as error:
        raise PluginError(str(error)) from error
