"""The public names: listed, documented, typed, and their examples run."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from collections.abc import Iterator
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import pytest

import red_align

USUAL_ADDRESS = "127.0.0.1:8081"
NAMES = [name for name in red_align.__all__ if name != "__version__"]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(red_align, name))]
CLASSES = [name for name in NAMES if inspect.isclass(getattr(red_align, name))]


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that red_align itself defines, as functions."""
    for base in cls.__mro__:
        if not base.__module__.startswith("red_align"):
            continue
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if inspect.isfunction(function):
                yield f"{cls.__name__}.{name}", function


def every_function() -> list[tuple[str, Any]]:
    found = [(name, getattr(red_align, name)) for name in FUNCTIONS]
    return found + [pair for name in CLASSES for pair in methods(getattr(red_align, name))]


def test_the_lists_of_names_agree() -> None:
    tree = ast.parse(Path(red_align.__file__).read_text())
    branch = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module for node in branch.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert typed == red_align._HOMES, "what type checkers see is what is loaded"
    assert sorted(typed) == sorted(NAMES)
    assert red_align.__all__ == sorted(red_align.__all__)
    assert set(red_align.__all__) <= set(dir(red_align))
    assert set(FUNCTIONS) == {"align", "draw", "load_engine", "save", "track"}
    assert set(FUNCTIONS + CLASSES) == set(NAMES)


def test_a_name_is_the_one_of_its_module_and_others_are_an_attribute_error() -> None:
    for name, module in red_align._HOMES.items():
        assert getattr(red_align, name) is getattr(import_module(module), name)
    with pytest.raises(AttributeError, match=r"'red_align' has no attribute 'nothing'"):
        _ = red_align.nothing  # type: ignore[attr-defined]


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files("red_align").joinpath("py.typed").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+", red_align.__version__)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented_with_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(red_align, name)) or ""
    assert text.split("\n", 1)[0].endswith((".", ":"))
    assert "\nExample:\n    >>> " in text


@pytest.mark.parametrize(
    ("name", "function"), every_function(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_function_is_typed_and_its_arguments_are_documented(name: str, function: Any) -> None:
    signature = inspect.signature(function)
    arguments = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    assert signature.return_annotation is not inspect.Signature.empty
    assert [p.name for p in arguments if p.annotation is inspect.Parameter.empty] == []
    text = inspect.getdoc(function) or ""
    assert text
    for argument in arguments:
        assert re.search(rf"^    {argument.name}: ", text, re.MULTILINE), f"{name} does not say what {argument.name} is"
    if "." not in name:
        assert "\nReturns:\n" in text
        assert "\nRaises:\n" in text


@pytest.mark.parametrize("name", CLASSES)
def test_every_field_of_a_class_is_documented_and_typed(name: str) -> None:
    cls = getattr(red_align, name)
    text = inspect.getdoc(cls) or ""
    fields = getattr(cls, "__dataclass_fields__", {})
    for field in fields or (n for n in inspect.signature(cls).parameters if issubclass(cls, red_align.Tracker)):
        assert re.search(rf"^    {field}: ", text, re.MULTILINE), f"{name} does not say what {field} is"
    if issubclass(cls, Exception):
        assert issubclass(cls, red_align.RedAlignError)


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_run(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(request.getfixturevalue("example_files"))
    found = doctest.DocTestFinder(exclude_empty=True).find(getattr(red_align, name), name, globs={})
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    for test in found:
        for example in test.examples:
            if USUAL_ADDRESS in example.source:  # Clients find a real server there.
                address = request.getfixturevalue("server").grpc
                example.source = example.source.replace(USUAL_ADDRESS, address)
        runner.run(test)
    assert runner.tries >= 2, "an example imports the library and uses it"
    assert runner.failures == 0
