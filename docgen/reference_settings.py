"""The page of settings, from ``service.config.settings``."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docgen.tables import made_from, table
from red_align.machine import usable_cores
from service.config.settings import Settings

INTRODUCTION = """
Environment variables, read once at start. `red-align config` prints those in effect with secrets hidden; wrong ones are
reported together, by the names of their variables, and end the start.
"""
COMPUTED = {
    "max_parallel": "cores, at most 4",
    "parallel_parts": "cores, at most 4",
    "workers": "cores, at most 4",
    "temp_dir": "the system's, `red-align-UID`",
}
"""Defaults that depend on the machine, in words."""
FOLDERS = {"model_dir": "the package's `weights/edge`"}


def settings_page() -> str:
    """Markdown of the page."""
    rows = (
        (f"`RED_{name.upper()}`", default(name, field), field.description or "") for name, field in fields().items()
    )
    return f"{made_from('service/config/settings.py')}\n# Settings\n{INTRODUCTION}\n" + table(
        ("variable", "default", "what"), rows
    )


def fields() -> dict[str, FieldInfo]:
    """All settings by their names in the code."""
    return dict(Settings.model_fields)


def default(name: str, field: FieldInfo) -> str:
    """A default as people write it."""
    words = {**COMPUTED, **FOLDERS}
    if name in words:
        return words[name]
    value: Any = field.default
    if value is PydanticUndefined:
        raise ValueError(f"the default of {name} depends on the machine ({usable_cores()} cores): say it in COMPUTED")
    if value is None or str(value) == "":
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"
