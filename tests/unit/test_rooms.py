"""Service and command line run without torch; stubs are those of the proto; no file or folder grows too large."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUBS = ("face_landmarks_pb2.py", "face_landmarks_pb2.pyi", "face_landmarks_pb2_grpc.py")
ROOMS = ("red_align", "service", "red", "export", "evaluation", "benchmarks", "examples", "deploy", "docgen", "tests")
MOST_MODULES, MOST_LINES, MOST_LINES_OF_A_FUNCTION = 14, 325, 60
ONE_TREE = "red_align/errors.py"
"""Every error is in this one file, whatever its length: a list of short classes."""


def test_service_and_command_line_import_neither_torch_nor_the_training_code() -> None:
    code = (
        "import sys, pkgutil, importlib\n"
        "for room in ('red_align', 'service'):\n"
        "    package = importlib.import_module(room)\n"
        "    for module in pkgutil.walk_packages(package.__path__, room + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'red', 'export', 'onnx'}))\n"
        "print('service.api.rpc.servicer' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_the_stubs_are_what_the_proto_generates(tmp_path: Path) -> None:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([str(ROOT / "proto" / "generate.sh"), str(tmp_path)], check=True, env=env)
    for name in STUBS:
        made = (tmp_path / "red_align" / "v1" / name).read_text()
        assert made == (ROOT / "red_align" / "v1" / name).read_text(), f"{name}: run `make proto`"


def modules() -> list[Path]:
    """Our own Python files, relative to the root, without generated ones."""
    found = [path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return [path for path in found if path.parts[:2] != ("red_align", "v1")]


def test_no_folder_has_too_many_modules() -> None:
    count = Counter(str(path.parent) for path in modules() if path.name != "__init__.py")
    assert count["tests/unit"] >= 2, "the files are found"
    assert {folder: n for folder, n in count.items() if n > MOST_MODULES} == {}


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A function that says all that it takes and gives is no longer for it."""
    first = node.body[0]
    if ast.get_docstring(node) is None or first.end_lineno is None:
        return 0
    return first.end_lineno - first.lineno + 1


def test_no_file_and_no_function_is_too_long() -> None:
    files, functions = {}, {}
    for path in modules():
        text = (ROOT / path).read_text()
        files[str(path)] = len(text.splitlines()) if str(path) != ONE_TREE else 0
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                functions[f"{path}: {node.name}"] = node.end_lineno - node.lineno + 1 - _docstring_lines(node)
    assert {name: n for name, n in files.items() if n > MOST_LINES} == {}
    assert {name: n for name, n in functions.items() if n > MOST_LINES_OF_A_FUNCTION} == {}
