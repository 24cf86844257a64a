"""Pages of docs/reference are what the code gives, and hold all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import red_align
from docgen.reference import FOLDER, PAGES
from docgen.reference_grpc import described
from docgen.reference_rest import openapi
from red_align.errors import all_errors
from service.config.settings import Settings

PYTHON = FOLDER / "python.md"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_the_code_gives(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), f"docs/reference/{name}: run `make reference`"


def test_every_reason_has_its_section() -> None:
    page = (FOLDER / "errors.md").read_text()
    assert len(all_errors()) > 20
    assert [error.reason for error in all_errors() if f"\n## `{error.reason}`\n" not in page] == []


def test_reasons_name_one_error_each() -> None:
    reasons = [error.reason for error in all_errors()]
    assert len(reasons) == len(set(reasons))


def test_every_setting_is_listed() -> None:
    page = (FOLDER / "settings.md").read_text()
    assert [name for name in Settings.model_fields if f"| `RED_{name.upper()}` |" not in page] == []


def test_no_default_tells_of_the_machine_it_was_made_on() -> None:
    assert str(Path.home()) not in (FOLDER / "settings.md").read_text()


def test_every_path_and_schema_is_there() -> None:
    schema, page = openapi(), (FOLDER / "rest.md").read_text()
    assert {f"`{m.upper()} {path}`" for path, methods in schema["paths"].items() for m in methods} <= {
        line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")
    }
    assert [name for name in schema["components"]["schemas"] if f"\n### {name}\n" not in page] == []


def test_every_message_is_there_and_every_field_says_what_it_is() -> None:
    page = (FOLDER / "grpc.md").read_text()
    assert [message.name for message in described().message_type if f"\n### {message.name}\n" not in page] == []
    assert [line for line in page.splitlines() if line.startswith("| ") and line.endswith("| |")] == []


def test_every_public_name_is_on_the_page_of_python() -> None:
    page = PYTHON.read_text()
    names = [name for name in red_align.__all__ if name != "__version__"]
    assert [name for name in names if f"::: red_align.{name}\n" not in page] == []
