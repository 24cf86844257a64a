"""The calculator of capacity: its formulas by hand, figures as where they are from, and the document of both."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from red_align import contract
from red_align.schemes import IBUG68
from red_align.v1 import face_landmarks_pb2 as pb
from tests.support.deploy.scripts import ROOT, load_script

capacity: Any = load_script("deploy/capacity.py")
DOCUMENT = ROOT / "deploy" / "CAPACITY.md"
ROUND = capacity.Figures(
    fps=10.0, faces=2.0, gateway_ms=3.0, step_ms=1.0, triton_client_ms=0.5, gpu_ms_a_face=0.25, full=0.5,
    stream_bytes=900.0, sequence_bytes=50.0, frame_bytes=1000.0, answer_bytes=100.0, step_out_bytes=700.0,
    step_in_bytes=10.0, triton_slots=100.0, core_hour=3.6, gpu_hour=36.0,
)  # fmt: skip


def test_the_formulas_by_hand() -> None:
    assert capacity.gateway_core_ms(ROUND, False) == 5.0
    assert capacity.gateway_core_ms(ROUND, True) == 4.0
    assert capacity.streams_of_cores(ROUND, 4, False) == 4 * 0.5 * 1000 / 50
    assert capacity.streams_of_gpus(ROUND, 3) == 3 * 0.5 * 1000 / 5
    assert capacity.streams_of_memory(ROUND, 1e6) == 500
    # Alone pictures fill the way in; with Triton elsewhere two crops of 700 fill the way out.
    assert capacity.streams_of_network(ROUND, 8e6, False) == 0.5 * 1e6 / (1000 * 10)
    assert capacity.streams_of_network(ROUND, 8e6, True) == 0.5 * 1e6 / (1500 * 10)
    assert capacity.streams_of_slots(ROUND, 3) == 150
    # A million frames at half of what there is: 10,000 s of a core, and 1,000 s of a GPU.
    assert capacity.price_of_frames(ROUND, 1e6, False) == pytest.approx((1e4 / 3600 * 3.6, 0.0))
    assert capacity.price_of_frames(ROUND, 1e6, True) == pytest.approx((8e3 / 3600 * 3.6, 1e3 / 3600 * 36.0))


def test_a_need_is_what_carries_it_and_no_unit_more() -> None:
    for streams in (1, 99, 100, 101, 12_345):
        wanted = capacity.need(ROUND, streams, True)
        assert (
            capacity.streams_of_gpus(ROUND, wanted.gpus) >= streams > capacity.streams_of_gpus(ROUND, wanted.gpus - 1)
        )
        assert capacity.streams_of_slots(ROUND, wanted.tritons) >= streams
        assert capacity.streams_of_cores(ROUND, wanted.cores, True) >= streams
        assert wanted.bits_to_triton == streams * 10 * 2 * 700 * 8
    assert capacity.need(ROUND, 100, False).gpus == 0


def test_the_fullest_part_of_a_host_is_named() -> None:
    thin = replace(ROUND, host_cores=1000.0, host_bytes=1e12, host_bits=8e6)
    assert min(capacity.limits(thin, True), key=capacity.limits(thin, True).__getitem__) == "network"
    slow = replace(thin, gpu_ms_a_face=1e6)
    assert min(capacity.limits(slow, True), key=capacity.limits(slow, True).__getitem__) == "GPU"
    assert "GPU" not in capacity.limits(thin, False)


def test_figures_of_the_contract_and_the_wire_are_theirs() -> None:
    figures = capacity.Figures()
    points, memory = 2 * len(IBUG68.mean_shape), 392
    crop = contract.CROP_SIZE**2 * 3
    assert figures.step_out_bytes == crop + 4 * (points + memory)
    assert figures.step_in_bytes == 4 * (points + points // 2 + memory)
    assert figures.sequence_bytes == 4 * memory
    face = pb.Face(
        track_id=3, box=pb.Box(x=1, y=1, w=1, h=1), score=0.5, landmarks=[1.5] * points, confidence=[0.5] * 68
    )
    frame = pb.FrameResult(index=300, time_s=1.5, status=pb.FRAME_STATUS_OK, faces=[face])
    assert figures.answer_bytes == pb.AlignStreamResponse(frame=frame).ByteSize()


def test_measured_figures_stand_in_the_documents_that_they_name() -> None:
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text()
    figures = capacity.Figures()
    row = re.search(r"\| step \| ([\d.]+) \| ([\d.]+) \|", benchmarks)
    whole = re.search(r"\| whole .*\| ([\d.]+) \| ([\d.]+) \|", benchmarks)
    assert row is not None
    assert whole is not None
    assert figures.gateway_ms == pytest.approx(float(whole.group(2)) - float(row.group(2)))
    assert f"| network steps alone | {figures.step_ms} |" in benchmarks
    assert f"1.8 to {figures.stream_bytes / 1e6:g} MB" in benchmarks
    assert f"({figures.triton_client_ms} ms)" in (ROOT / "docs/decisions/0022-triton-client.md").read_text()


def test_what_nobody_measured_says_by_what_it_is_replaced() -> None:
    assumed = {one.name: one.metadata["source"] for one in fields(capacity.Figures) if one.metadata["assumed"]}
    assert "gpu_ms_a_face" in assumed
    assert (ROOT / assumed["gpu_ms_a_face"].split(",")[0]).is_file()
    assert all(assumed.values())


def test_the_documents_tables_are_those_of_the_calculator() -> None:
    text = DOCUMENT.read_text()
    assert capacity.renewed(text, capacity.Figures()) == text
    for name in re.findall(r"`([a-z_ */+()]+)`", text.split(capacity.BEGIN)[0]):
        for word in re.findall(r"[a-z]+_[a-z_]+", name):
            assert word in {one.name for one in fields(capacity.Figures)} | {"faces"}, word


def test_other_figures_are_taken_and_wrong_ones_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity.main(["--set", "gpu_ms_a_face=0.04", "--set", "fps=25"]) == 0
    said = capsys.readouterr().out
    assert "| `fps` | 25 |" in said
    assert "| `gpu_ms_a_face` | 0.04 |" in said
    for wrong in ("fsp=25", "fps=0", "fps=inf", "fps=x"):
        with pytest.raises(SystemExit):
            capacity.main(["--set", wrong])
    document = tmp_path / "x.md"
    document.write_text("no marks")
    with pytest.raises(ValueError, match="missing"):
        capacity.main(["--write", str(document)])
