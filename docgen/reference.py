"""Pages of docs/reference that are made from code: ``python -m docgen.reference`` writes them, a test compares them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docgen.reference_errors import errors_page
from docgen.reference_grpc import grpc_page
from docgen.reference_rest import rest_page
from docgen.reference_settings import settings_page

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "errors.md": errors_page,
    "grpc.md": grpc_page,
    "rest.md": rest_page,
    "settings.md": settings_page,
}


def main() -> None:
    """Write all of them."""
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made())
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
