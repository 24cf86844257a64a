"""Links of Markdown files lead to the right place on the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from docgen.diagrams import digest, drawn
from docgen.pages import BROUGHT, ROOT, BrokenLink, decisions, rewrite

CODE = "https://github.com/red-align/red-align"


@pytest.mark.parametrize(
    ("home", "link", "leads_to"),
    [
        ("docs/api.md", "operations.md#limits", "operations.md#limits"),
        ("docs/guides/camera.md", "../api.md", "../api.md"),
        ("docs/api.md", "../CHANGELOG.md", "changelog.md"),
        ("docs/guides/camera.md", "../../red_align/weights/edge/MODEL_CARD.md", "../model-card.md"),
        ("docs/api.md", "../proto/generate.sh", f"{CODE}/blob/main/proto/generate.sh"),
        ("docs/api.md", "../service/api", f"{CODE}/tree/main/service/api"),
        ("ARCHITECTURE.md", "docs/decisions/", "decisions/index.md"),
        ("CONTRIBUTING.md", "docs/security.md", "security.md"),
        ("docs/api.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/api.md", "#errors", "#errors"),
    ],
)
def test_a_link_leads_to_the_page_or_to_the_code_host(home: str, link: str, leads_to: str) -> None:
    assert rewrite(f"see [this]({link}).", home) == f"see [this]({leads_to})."


def test_a_link_to_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(BrokenLink, match=r"docs/api\.md: none\.md"):
        rewrite("[this](none.md)", "docs/api.md")


def test_code_is_left_as_it_is() -> None:
    text = "`[x](none.md)`\n\n```python\na[0](none.md)\n```\n"
    assert rewrite(text, "docs/api.md") == text


def test_every_page_that_is_brought_is_there_and_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    assert [path for path, page in BROUGHT.items() if not (ROOT / path).is_file() or f": {page}\n" not in menu] == []


def test_every_decision_has_a_title_with_its_number() -> None:
    found = decisions()
    assert len(found) >= 23
    assert [page for page, title in found.items() if not title.startswith(page.removeprefix("decisions/")[:4])] == []


def test_a_diagram_that_changed_is_noticed(tmp_path: Path) -> None:
    text = "```mermaid\nflowchart\n```\n"
    with pytest.raises(ValueError, match="has no picture"):
        drawn(text, tmp_path)
    (tmp_path / f"diagram-{digest('flowchart')}.svg").touch()
    assert drawn(text, tmp_path).startswith("![Diagram](assets/diagram-")


def test_the_diagrams_of_the_pages_are_drawn() -> None:
    assert "mermaid" not in drawn((ROOT / "ARCHITECTURE.md").read_text())
