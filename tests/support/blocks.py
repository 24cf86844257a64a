"""Code blocks of Markdown files: what they are, and how a test runs them.

Console blocks: lines after ``$ `` are commands, lines after those are what they print; a line of ``...`` stands for any
lines, and ``...`` within a line for any text. Blocks of one file run in order, in one folder. A comment right before a
block, ``<!-- not run: REASON -->``, leaves it out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<text>.*?)^(?P=indent)```", re.M | re.S)
_MARKER = re.compile(r"<!-- not run: (?P<reason>(?:(?!-->).)+?) -->\s*\Z", re.S)
RUN = ("console", "python")
"""Languages whose blocks are run."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        path: Its file.
        line: Number of its first line.
        language: What the fence says.
        text: What is in it, without indentation.
        reason: Why it is not run; empty where it is.
    """

    path: Path
    line: int
    language: str
    text: str
    reason: str


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the lines that it is said to print."""

    text: str
    printed: tuple[str, ...]


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a file that are to be run or say why they are not."""
    text = path.read_text()
    found = []
    for match in _FENCE.finditer(text):
        if match["language"] not in RUN:
            continue
        marker = _MARKER.search(text[: match.start()])
        lines = [line.removeprefix(match["indent"]) for line in match["text"].splitlines()]
        number = text.count("\n", 0, match.start()) + 1
        reason = " ".join(marker["reason"].split()) if marker else ""
        found.append(Block(path, number, match["language"], "\n".join(lines), reason))
    return found


def commands_of(block: Block) -> list[Command]:
    """The commands of a console block.

    Raises:
        ValueError: The block does not begin with a command.
    """
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\") and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            raise ValueError(f"{block.path}:{block.line}: {line!r} is before the first '$ '")
    return [Command(text, tuple(printed)) for text, printed in found]


def prints(said: tuple[str, ...], output: str) -> bool:
    """Whether an output is what a block says of it; a block that says nothing is right in any case."""
    if not said:
        return True
    lines = [
        r"(?:.*\n)*?" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r"[ \t]*\n" for line in said
    ]
    return re.fullmatch("".join(lines), output.rstrip("\n") + "\n") is not None
