"""The check of a built site finds what is wrong with it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from docgen.site_check import check

CODE = "https://github.com/red-align/red-align"
GOOD = """<html><head><link rel="stylesheet" href="a.css"><link rel="canonical" href="https://elsewhere.example/"></head>
<body id="top"><h2 id="here">x</h2><img src="p.png"><a href="#here">x</a><a href="sub/b.html#there">x</a>
<a href="https://example.org/">x</a><a href="https://github.com/red-align/red-align/blob/main/README.md">x</a></body></html>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "sub" / "b.html").write_text('<h1 id="there">x</h1><a href="../index.html">x</a>')
    (tmp_path / "a.css").write_text("body { background: url(p.png) }")
    (tmp_path / "p.png").touch()
    return tmp_path


def test_a_whole_site_has_no_fault(site: Path) -> None:
    assert check(site) == []


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<a href="none.html">x</a>', "none.html leads nowhere"),
        ('<a href="sub/b.html#none">x</a>', "an anchor that is not there"),
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "loads //fonts.example"),
        ('<img src="none.png">', "none.png is not there"),
        ('<a href="http://example.org/">x</a>', "no https address"),
        (f'<a href="{CODE}/blob/main/none.py">x</a>', "a file that the repository does not have"),
    ],
)
def test_a_fault_is_found(site: Path, element: str, fault: str) -> None:
    (site / "index.html").write_text(GOOD + element)
    (found,) = check(site)
    assert fault in found


def test_a_style_sheet_that_loads_from_elsewhere_is_found(site: Path) -> None:
    (site / "a.css").write_text('@import "https://fonts.example/x.css";')
    assert check(site) == ["a.css: loads from another host"]


def test_an_empty_site_is_a_fault(tmp_path: Path) -> None:
    assert check(tmp_path) == [f"{tmp_path} has no page"]
