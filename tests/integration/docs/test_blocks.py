"""Console and Python blocks of README, docs and CONTRIBUTING: each runs here, or says why it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.blocks import Block, blocks_of, commands_of, prints
from tests.support.reader import ROOT, Reader

FILES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "red_align/weights/edge/MODEL_CARD.md"]
    + list((ROOT / "docs").rglob("*.md"))
)
BLOCKS = [block for path in FILES for block in blocks_of(path)]
RUN = sorted({block.path for block in BLOCKS if not block.reason})
LEFT_OUT = [block for block in BLOCKS if block.reason]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def name(value: object) -> str:
    if isinstance(value, Block):
        return f"{value.path.relative_to(ROOT)}:{value.line}"
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


def test_the_blocks_are_found() -> None:
    assert {ROOT / "README.md", ROOT / "docs/start.md", ROOT / "docs/guides/hls.md"} <= set(RUN)
    assert len(LEFT_OUT) >= 5


@pytest.mark.parametrize("path", RUN, ids=name)
def test_what_a_page_says_works_as_it_stands(path: Path, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        for block in blocks_of(path):
            if not block.reason:
                reader.run(block)


@pytest.mark.parametrize("block", LEFT_OUT, ids=name)
def test_a_block_that_is_left_out_has_a_reason_and_names_what_there_is(block: Block) -> None:
    assert len(block.reason) > 10
    said = block.text + " " + block.reason
    assert set(re.findall(r"\bmake ([a-z-]+)", said)) <= TARGETS
    for path in re.findall(r"\b(?:tests|examples|deploy|docs)/[\w/.-]+\.(?:py|yml|md)\b", said):
        assert (ROOT / path).is_file(), path
    for module in re.findall(r"python -m ((?:red|export|evaluation|benchmarks|docgen)[\w.]*)", said):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module
    if block.language == "console":
        assert commands_of(block)


def test_an_output_is_compared_with_what_the_page_says() -> None:
    assert prints(("a", "...", "z"), "a\nb\nc\nz\n")
    assert prints(("a...", "z"), "abc\nz\n")
    assert prints((), "anything\n")
    assert not prints(("a", "z"), "a\nb\nz\n")
    assert not prints(("a",), "b\n")


def test_a_block_without_a_reason_right_before_it_is_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    first = "<!-- not run: a reason -->\ntext\n```console\n$ a\n$ b \\\n  c\nd\n```\n"
    page.write_text(f"{first}<!-- not run: for\nlong -->\n```python\nx\n```\n")
    console, python = blocks_of(page)
    assert (console.reason, python.reason) == ("", "for long")
    assert [(command.text, command.printed) for command in commands_of(console)] == [("a", ()), ("b \\\n  c", ("d",))]
