"""Public docstrings say what goes in and what comes out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import red_align

SELF_EVIDENT = {"self", "cls"}


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions and methods of the library's face, by their names."""
    for name in red_align.__all__:
        thing = getattr(red_align, name)
        if inspect.isfunction(thing):
            yield name, thing
        if inspect.isclass(thing) and not issubclass(thing, (Exception, str)):
            for attribute, member in vars(thing).items():
                function = inspect.unwrap(getattr(member, "__func__", member))
                if inspect.isfunction(function) and not attribute.startswith("_"):
                    yield f"{name}.{attribute}", function


def test_the_functions_are_found() -> None:
    assert {"align", "track", "draw", "Tracker.track", "TrackerState.from_bytes"} <= {name for name, _ in public()}


def test_every_argument_is_described() -> None:
    missing = [
        f"{name}: {argument}"
        for name, function in public()
        for argument in set(inspect.signature(function).parameters) - SELF_EVIDENT
        if not re.search(rf"^ +\**{argument}: ", section(function, "Args"), re.M)
    ]
    assert missing == []


def test_what_is_returned_is_described() -> None:
    silent = [
        name
        for name, function in public()
        if inspect.signature(function).return_annotation not in ("None", None) and not section(function, "Returns")
    ]
    assert silent == []


def section(function: Callable[..., Any], title: str) -> str:
    """The lines of one section of a docstring, indented by four."""
    text = inspect.getdoc(function) or ""
    parts = text.split(f"\n{title}:\n")
    return "\n" + parts[1].split("\n\n")[0] if len(parts) == 2 else ""
