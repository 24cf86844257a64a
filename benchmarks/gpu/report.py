"""The table of what a GPU proved, as Markdown, and its place in docs/benchmarks.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from export.accuracy import MAX_LOSS, Accuracy
from export.parity import MAX_POINT_PX

BEGIN, END = "<!-- gpu_check.sh: begin -->", "<!-- gpu_check.sh: end -->"


@dataclass
class Row:
    """What one engine did in one precision; ``failed`` says why it did nothing."""

    engine: str
    precision: str
    steps: dict[int, float] = field(default_factory=dict)
    """Milliseconds of a call of the step graph by its batch, copies included: medians."""
    points_px: float | None = None
    """Largest difference of a point from torch's in fp32, pixels of the crop."""
    accuracy: Accuracy | None = None
    failed: str = ""


@dataclass(frozen=True)
class Report:
    """All rows, and the machine and versions that they are of."""

    machine: str
    versions: str
    seconds: float
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def faults(report: Report) -> list[str]:
    """What must not be: no engine ran, fp32 is not torch's, fp16 costs accuracy. A sentence each."""
    found = []
    ran = [row for row in report.rows if not row.failed]
    if not ran:
        found.append("no engine ran")
    fp32 = {row.engine: row for row in ran if row.precision == "fp32"}
    for row in ran:
        who = f"{row.engine} in {row.precision}"
        # Not `>`: a NaN is a fault too.
        if row.precision == "fp32" and (row.points_px is None or not row.points_px < MAX_POINT_PX):
            found.append(f"{who}: points differ by {row.points_px} px from torch's, the limit is {MAX_POINT_PX}")
        base = fp32.get(row.engine)
        if row.precision == "fp16" and row.accuracy and base and base.accuracy:
            loss = row.accuracy.loss(base.accuracy)
            if not loss <= MAX_LOSS:
                found.append(f"{who}: NME grows by {loss:.3f} points, the limit is {MAX_LOSS}")
    return found


def table(report: Report) -> str:
    """Markdown: a row for each engine and precision."""
    batches = sorted({batch for row in report.rows for batch in row.steps})
    head = ["engine", *(str(batch) for batch in batches), "px from torch", "NME %, first", "next"]
    lines = [head, ["---"] * len(head)]
    for row in report.rows:
        name = f"{row.engine}, {row.precision}"
        if row.failed:
            lines.append([name, *["-"] * len(batches), row.failed, "-", "-"])
            continue
        error = ("-", "-")
        if row.accuracy:
            error = (f"{row.accuracy.acquired:.3f}", f"{row.accuracy.tracked:.3f}")
        far = "-" if row.points_px is None else f"{row.points_px:.4f}"
        lines.append([name, *(f"{row.steps[b]:.2f}" if b in row.steps else "-" for b in batches), far, *error])
    return "\n".join(
        [
            f"{report.machine}; {report.versions}; {report.seconds:.0f} s in all. Milliseconds of a step by its batch, "
            "copies included (medians).",
            "",
            *("| " + " | ".join(line) + " |" for line in lines),
        ]
    )


def renewed(text: str, report: Report) -> str:
    """A document with this table between its marks.

    Args:
        text: The document.
        report: What to put there.

    Raises:
        ValueError: It has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n{table(report)}\n{END}{after}"
