"""Names that people write: a wrong one is refused with the nearest right one, never taken for a default in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 40
"""Letters of a wrong name that are shown."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What is wrong with a name, as a sentence that tells the nearest right one.

    Args:
        kind: What it should name, such as "query parameter".
        name: As it was given.
        known: The right ones.
    """
    right = list(known)
    shown = name if len(name) <= LONGEST else name[:LONGEST] + "..."
    near = nearest(name, right)
    hint = f"; did you mean '{near}'?" if near else f"; there are {', '.join(sorted(right))}"
    return f"there is no {kind} '{shown}'{hint}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The right name that a wrong one is like; "" where it is like none."""
    near = difflib.get_close_matches(name[:LONGEST].lower(), list(known), 1)
    return near[0] if near else ""
