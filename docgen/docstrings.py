"""A Griffe extension: our docstrings say ``Example:``, and Griffe knows ``Examples:`` alone."""

from __future__ import annotations

import re
from typing import Any

import griffe

_SINGULAR = re.compile(r"^( *)Example:$", re.M)


class PluralExamples(griffe.Extension):  # type: ignore[misc]  # Griffe is in the site's environment alone.
    """Makes examples what they are: code, in a block of its own."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Take one documented object."""
        if obj.docstring is not None:
            obj.docstring.value = _SINGULAR.sub(r"\1Examples:", obj.docstring.value)
