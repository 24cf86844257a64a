"""Rounds, ratios, clocks, tables and reports of the benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.support import common
from benchmarks.support.common import children_cpu_s, cpu_s, interleaved, machine, ratio, table, write_report


def test_works_take_turns_and_the_warm_up_is_not_kept() -> None:
    order: list[str] = []

    def work(name: str) -> float:
        order.append(name)
        return float(len(order))

    samples = interleaved({"a": lambda: work("a"), "b": lambda: work("b")}, rounds=2, warm_up=1)
    assert order == ["a", "b"] * 3
    assert samples == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_a_ratio_is_of_figures_of_the_same_round() -> None:
    # The machine was three times as slow in the second round: medians over all rounds would say 2.5 or 1.
    assert ratio({"a": [2.0, 6.0, 2.2], "b": [1.0, 3.0, 1.1]}, "a", "b") == pytest.approx(2.0)


def test_processor_time_counts_work_and_not_waiting() -> None:
    before = cpu_s()
    time.sleep(0.2)
    slept = cpu_s() - before
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    worked = cpu_s() - before - slept
    assert slept < 0.1
    assert worked >= 0.19


def test_processor_time_of_another_process() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass\nprint(time.process_time(), flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = float(process.stdout.readline())
        assert told <= cpu_s([process.pid]) < told + 0.5
        assert cpu_s([process.pid, os.getpid()]) > cpu_s([process.pid])
        process.stdin.close()


def test_processor_time_of_children_goes_on_when_they_end() -> None:
    parent = psutil.Process()
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    before = children_cpu_s(parent, code)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        alive = children_cpu_s(parent, code)
        process.stdin.close()
    assert alive - before >= 0.3
    assert children_cpu_s(parent, code) - before >= 0.28  # counted in hundredths of a second once it has ended


def test_a_table_aligns_names_left_and_figures_right() -> None:
    assert (
        table(["what", "ms"], [("a long name", 1.234), ("b", 10)])
        == "what           ms\na long name  1.23\nb              10"
    )


def test_a_report_names_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "OUT", tmp_path / "out" / "bench")
    monkeypatch.setattr(common, "ROOT", tmp_path)
    described = machine()
    written = json.loads(write_report("some", {"ms": [1.5]}, described).read_text())
    assert written["benchmark"] == "some"
    assert written["ms"] == [1.5]
    assert written["machine"]["cores"] >= 1
    assert written["machine"]["processor"]
    assert set(written["machine"]["packages"]) == set(common.PACKAGES)
