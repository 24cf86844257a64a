"""Formats by their names, by the names of files, and by HTTP's Accept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from red_align.errors import InvalidRequest, MissingExtra, NotAcceptable
from red_align.formats.files import chosen_format
from red_align.formats.names import FORMATS, format_of, format_of_accept, format_of_path
from red_align.schemes import IBUG68


def test_every_suffix_names_one_format() -> None:
    every = [suffix for form in FORMATS.values() for suffix in form.suffixes]
    assert len(every) == len(set(every))
    for form in FORMATS.values():
        assert {format_of_path(Path(f"a{suffix.upper()}")) for suffix in form.suffixes} == {form}


@pytest.mark.parametrize(("wrong", "near"), [("jsn", "json"), ("parket", "parquet"), ("webvtt", "vtt")])
def test_a_misspelt_format_is_refused_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(InvalidRequest, match=f"there is no format '{wrong}'; did you mean '{near}'"):
        format_of(wrong)


def test_a_name_that_says_no_format_is_refused_with_those_there_are() -> None:
    assert chosen_format(Path("out"), "csv").name == "csv"
    with pytest.raises(InvalidRequest, match=r"out\.txt does not say in which format.*\.parquet"):
        chosen_format(Path("out.txt"))


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("TEXT/VTT", "vtt"),
        ("application/x-ndjson;q=0.5, text/csv;q=0.9", "csv"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/*", "csv"),
        ("application/zip;q=0, application/vnd.apache.parquet", "parquet"),
        ("application/json; charset=utf-8", "json"),
    ],
)
def test_accept_chooses_what_the_client_likes_best(accept: str, name: str) -> None:
    assert format_of_accept(accept).name == name


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*;q=x"])
def test_a_client_that_takes_nothing_of_ours_hears_what_there_is(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="application/x-ndjson"):
        format_of_accept(accept)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r'pip install "red-align\[parquet\]"'):
        format_of("parquet").make(IBUG68)


def test_the_names_are_known_without_loading_what_writes_them() -> None:
    code = "import sys, red_align.formats.names\nprint({'numpy', 'cv2', 'orjson', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
