"""Names that a caller may use: others are refused with the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """What is wrong with a name, as a sentence that tells the nearest right one.

    Args:
        kind: What it should name, such as "query parameter".
        name: As it was given.
        known: The right ones.
    """
    shown = name if len(name) <= 40 else name[:40] + "..."
    near = nearest(name, known)
    hint = f"; did you mean '{near}'?" if near else f"; there are {', '.join(sorted(known))}"
    return f"there is no {kind} '{shown}'{hint}"


def nearest(name: str, known: Collection[str]) -> str:
    """The right name that a wrong one is like; "" where it is like none."""
    near = difflib.get_close_matches(name[:40].lower(), known, 1)
    return near[0] if near else ""
