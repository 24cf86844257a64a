"""Markdown for the pages that are made from code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def made_from(source: str) -> str:
    """The line that says that a page is made, and from what."""
    return f"<!-- Made from {source} by `make reference`: do not edit. -->\n"


def cell(text: str) -> str:
    """Text that fits in a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Args:
        head: Titles of the columns.
        rows: Cells, as many as there are titles.

    Returns:
        Markdown, with a line end; nothing where there are no rows.
    """
    lines = [f"| {' | '.join(cell(value) for value in row)} |".replace("|  |", "| |") for row in rows]
    if not lines:
        return ""
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n" + "\n".join(lines) + "\n"
