"""What guides of deployment tell to type: files are there, flags are taken, the calculator does what is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from export.command_line import make_parser
from tests.support.deploy.scripts import ROOT, load_script

GUIDES = ("docs/deployment.md", "docs/kubernetes.md", "deploy/CAPACITY.md")
BLOCK = re.compile(r"(<!-- not run: [^\n]+ -->\n)?^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def commands(guide: str) -> list[str]:
    """Lines after ``$`` in the blocks of a guide, those that go on joined."""
    text = (ROOT / guide).read_text()
    found = []
    for _, block in BLOCK.findall(text):
        joined = re.sub(r" *\\\n *", " ", block)
        found += [line.strip()[2:] for line in joined.splitlines() if line.strip().startswith("$ ")]
    return found


@pytest.mark.parametrize("guide", GUIDES[:2])
def test_blocks_that_no_test_runs_say_why(guide: str) -> None:
    blocks = BLOCK.findall((ROOT / guide).read_text())
    assert len(blocks) > 3
    assert [block for mark, block in blocks if not mark] == []


@pytest.mark.parametrize("guide", GUIDES)
def test_files_that_are_named_are_there(guide: str) -> None:
    text = (ROOT / guide).read_text()
    named = set(re.findall(r"\bdeploy/[\w./-]+\.(?:yml|yaml|py|sh|md|json)\b", text))
    named |= {f"deploy/compose/{name}" for name in re.findall(r"`((?:scale|scale-tls|tls|observability)\.yml)`", text)}
    assert [name for name in named if not (ROOT / name).is_file()] == []
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / Path(guide).parent / link).exists(), link


def test_flags_of_the_exporter_are_its_own() -> None:
    found = [re.search(r'make repository FLAGS="(.*)"', command) for command in commands("docs/deployment.md")]
    flags = [match.group(1).split() for match in found if match]
    assert len(flags) == 2
    for one in flags:
        make_parser().parse_args(["repository", "graphs", "models", *one])


def test_the_images_in_the_guide_are_those_of_the_configuration() -> None:
    (image,) = set(re.findall(r"nvcr\.io/nvidia/tritonserver:\S+", (ROOT / "docs/deployment.md").read_text()))
    assert f"TRITON_IMAGE={image}\n" in (ROOT / ".env").read_text()


def test_the_calculator_takes_what_its_document_shows(capsys: pytest.CaptureFixture[str]) -> None:
    capacity: Any = load_script("deploy/capacity.py")
    (command,) = commands("deploy/CAPACITY.md")
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ("python", "deploy/capacity.py")
    assert capacity.main(arguments) == 0
    assert "| `faces` | 2 |" in capsys.readouterr().out
