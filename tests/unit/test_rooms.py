"""The service and the command line run without torch; the generated stubs are those of the proto."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUBS = ("face_landmarks_pb2.py", "face_landmarks_pb2.pyi", "face_landmarks_pb2_grpc.py")


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


def our_files() -> list[Path]:
    """Python files of the repository, without generated ones."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split() if "/v1/" not in name and (ROOT / name).exists()]


def test_rooms_files_and_functions_stay_small() -> None:
    rooms = Counter(path.parent for path in our_files())
    assert {str(room): count for room, count in rooms.items() if count > 14} == {}
    long_files, long_functions = {}, {}
    for path in our_files():
        text = path.read_text()
        long_files[path.name] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                long_functions[f"{path.name}: {node.name}"] = node.end_lineno - node.lineno + 1
    assert {name: lines for name, lines in long_files.items() if lines > 330} == {}
    assert {name: lines for name, lines in long_functions.items() if lines > 65} == {}
