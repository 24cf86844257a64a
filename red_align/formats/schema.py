"""JSON Schemas (2020-12) of JSON and NDJSON: files of the package, made from ``red_align.media.shapes``."""

from __future__ import annotations

from importlib import resources

SCHEMA_NAMES = ("align", "ndjson")
"""``align``: a whole JSON answer; ``ndjson``: one line of NDJSON."""


def schema_bytes(name: str) -> bytes:
    """The text of a schema.

    Args:
        name: One of SCHEMA_NAMES.

    Returns:
        JSON in UTF-8.
    """
    return resources.files("red_align.formats").joinpath("schemas", f"{name}.schema.json").read_bytes()
