"""Figures with their bounds, as a table."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

SHORT = os.environ.get("SHORT", "") not in ("", "0")
"""The form for CI: the same, for a shorter time."""


@dataclass
class Report:
    """What was measured; ``bound`` is what a figure must stay at or below."""

    title: str
    rows: list[tuple[str, float, float | None]] = field(default_factory=list)

    def add(self, name: str, value: float, bound: float | None = None) -> None:
        """A figure; NaN breaks every bound."""
        self.rows.append((name, value, bound))

    def show(self) -> int:
        """Print the table; the exit status."""
        broken = 0
        print(f"\n{self.title}{' (short form)' if SHORT else ''}")
        for name, value, bound in self.rows:
            good = bound is None or value <= bound
            broken += not good
            note = "" if bound is None else f"  at most {bound:g}" + ("" if good else "  BROKEN")
            print(f"  {name:<64}{value:>10.4g}{note}")
        return 1 if broken else 0
