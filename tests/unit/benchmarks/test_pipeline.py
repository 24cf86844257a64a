"""The bars of the comparison with other landmarkers, and how contestants answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pipeline import BARS, FACEMESH, LANDMARKER, LIBRARY, UPLOAD, Contestant, disturbed, verdicts
from benchmarks.support.clips import clip_of_size, frames_of


def test_bars_are_judged_by_the_ratio_of_each_round() -> None:
    samples = {UPLOAD: [4.0, 8.0], LIBRARY: [3.0, 6.0], FACEMESH: [5.0, 10.0], LANDMARKER: [11.0, 22.0]}
    cpu = {name: [0.5 * value for value in values] for name, values in samples.items()}
    found = {(v.ours, v.peer): v for v in verdicts("640x480", samples, cpu)}
    assert found[UPLOAD, FACEMESH].speedup == pytest.approx(1.25)
    assert found[UPLOAD, FACEMESH].met is True
    assert found[UPLOAD, LANDMARKER].speedup == pytest.approx(2.75)
    assert found[UPLOAD, LANDMARKER].met is False
    assert "2.75 times as fast (2.75 by processor time), bar 3.0: NOT met" in str(found[UPLOAD, LANDMARKER])
    assert found[LIBRARY, LANDMARKER].met is True


def test_a_peer_that_is_not_there_is_not_measured_and_no_bar_met() -> None:
    samples = {UPLOAD: [4.0], LIBRARY: [3.0], FACEMESH: [10.0]}
    found = verdicts("1440x1080", samples, samples)
    assert {v.peer: v.met for v in found if v.ours == UPLOAD} == {FACEMESH: True, LANDMARKER: None}
    assert "not measured" in str(next(v for v in found if v.peer == LANDMARKER))


def test_sizes_without_a_bar_have_no_verdict() -> None:
    samples = {UPLOAD: [4.0], LIBRARY: [3.0], FACEMESH: [10.0]}
    assert verdicts("3840x2160", samples, samples) == []
    assert set(BARS) == {"640x480", "1440x1080"}


def test_a_core_that_others_used_too_is_told() -> None:
    assert disturbed({UPLOAD: [4.1, 4.0], FACEMESH: [5.2, 5.1]}, {UPLOAD: [4.0, 3.9], FACEMESH: [5.0, 5.0]}) == ""
    told = disturbed({UPLOAD: [8.0, 4.0], FACEMESH: [9.0, 9.5]}, {UPLOAD: [4.0, 3.9], FACEMESH: [5.0, 5.0]})
    assert "1.85 times" in told


def test_a_contestant_answers_with_seconds_frames_and_faces(tmp_path: Path) -> None:
    clip = clip_of_size(tmp_path / "clip.mp4", frames_of(None, 6), (176, 144), 6)
    contestant = Contestant([sys.executable, "-m", "benchmarks.peers.tracker", "0", "track"])
    try:
        first, second = contestant.run(clip), contestant.run(clip)
    finally:
        contestant.close()
    assert first["frames"] == second["frames"] == 6
    assert second["faces"] >= 4
    assert second["seconds"] > 0
    assert second["cpu_s"] > 0


def test_a_contestant_that_ends_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        Contestant([sys.executable, "-c", "raise SystemExit(3)"])


def test_contestants_import_nothing_of_ours() -> None:
    code = "import sys, benchmarks.peers.wire, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in json.loads(done.stdout)} & {"red_align", "service", "tests"}
