"""``python -m tests.mutants [WORDS]``: plant each fault in a copy of the repository, and see a test fail.

WORDS choose faults whose name has them. Exit status 0: all were noticed; 1: one lives, or the tests fail without any.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from tests.mutants.patches import PATCHES, Patch

ROOT = Path(__file__).parents[2]
JOBS = int(os.environ.get("JOBS", "2"))
LIMIT_S = 300
"""Seconds for the tests of one fault; one that hangs them is noticed."""
PASSED, FAILED = 0, 1
"""Exit statuses of pytest; any other one says that it could not run the tests."""


def copy_of_tree(folder: Path) -> Path:
    """The files that git would commit, as they are now, in another folder.

    Args:
        folder: Takes them.

    Returns:
        The root of the copy.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run_tests(root: Path, tests: Sequence[str]) -> int:
    """Run tests of a copy, against the copy.

    Args:
        root: The copy.
        tests: Files or tests.

    Returns:
        Exit status of pytest; FAILED where they took too long.
    """
    env = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return FAILED
    if done.returncode not in (PASSED, FAILED):
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
    return done.returncode


def is_noticed(patch: Patch, root: Path) -> bool:
    """Whether tests fail with a fault in a copy, which is as it was afterwards."""
    before = patch.mutate(root)
    try:
        return run_tests(root, patch.tests) == FAILED
    finally:
        (root / patch.file).write_text(before)


def main(words: list[str]) -> int:
    """See the module."""
    chosen = [patch for patch in PATCHES if all(word in patch.name for word in words)]
    roots: queue.SimpleQueue[Path] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="red-align-mutants-") as folder, ThreadPoolExecutor(JOBS) as threads:
        for number in range(JOBS):
            roots.put(copy_of_tree(Path(folder) / str(number)))

        def tried(patch: Patch) -> bool:
            root, began = roots.get(), perf_counter()
            try:
                noticed = is_noticed(patch, root)
            finally:
                roots.put(root)
            print(f"{'noticed' if noticed else 'LIVES':8} {perf_counter() - began:5.1f} s  {patch.name}", flush=True)
            return noticed

        tests = sorted({test for patch in chosen for test in patch.tests})
        root = roots.get()
        if run_tests(root, tests) != PASSED:
            print("the tests do not pass without a fault: " + " ".join(tests))
            return 1
        roots.put(root)
        results = list(threads.map(tried, chosen))
    print(f"{sum(results)} of {len(results)} faults were noticed")
    return 0 if all(results) and results else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
