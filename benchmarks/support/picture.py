"""The picture of benchmarks/budget.py: a frame's parts side by side, beneath them what cannot be saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

FLOOR = ("decode", "crop", "step")
COLOURS = {
    "decode": "#4269d0",
    "reader": "#97bbf5",
    "own process": "#9c6b4e",
    "detect, acquire": "#6cc5b0",
    "crop": "#3ca951",
    "queue": "#ff8ab7",
    "step": "#efb118",
    "rules": "#a463f2",
    "serialise": "#ff725c",
    "threads, loop, wire": "#9498a0",
}


def draw(budgets: Mapping[str, Mapping[str, float]], size: str, path: Path) -> None:
    """Write the picture.

    Args:
        budgets: By kind of frame, its parts in milliseconds; one that is below 0, by chance, has no bar.
        size: Of the frames.
        path: A PNG.
    """
    figure, axes = plt.subplots(figsize=(11, 1.2 + 1.5 * len(budgets)), layout="constrained")
    rows: list[tuple[float, str]] = []
    for number, (kind, parts) in enumerate(budgets.items()):
        y = -2.4 * number
        rows += [(y, kind), (y - 0.9, "decode, crop,\nstep alone")]
        for row, names in ((y, tuple(parts)), (y - 0.9, FLOOR)):
            left, whole = 0.0, sum(parts[name] for name in names)
            for name in names:
                width = max(parts[name], 0.0)
                label = name if name not in axes.get_legend_handles_labels()[1] else None
                axes.barh(row, width, left=left, height=0.75, color=COLOURS[name], edgecolor="white", label=label)
                if width > 0.03 * max(sum(p.values()) for p in budgets.values()):
                    axes.text(left + width / 2, row, f"{width:.2f}", ha="center", va="center", fontsize=9)
                left += width
            axes.text(left, row, f" {whole:.2f} ms", va="center", fontsize=9, fontweight="bold")
    axes.set_yticks([y for y, _ in rows], [name for _, name in rows])
    axes.set_xlabel("processor milliseconds a frame")
    axes.set_title(f"Where a frame's time goes ({size}, one face, one core)", loc="left")
    axes.margins(x=0.1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
