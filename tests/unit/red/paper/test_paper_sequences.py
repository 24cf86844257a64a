"""Clips of 300-VW and the frames of the temporal stage: what is read, how it is seen, and what learns from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import red.training.paper.sequences
from red.data.sequences import MovingFace
from red.models.results import PassResult
from red.training.paper.data import near_the_face, read_clips
from red.training.paper.sequences import FilmedFace, Moving, next_frame, sequence_loss, some_sequences
from red.training.paper.stages import STAGES, set_stage
from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.datasets.pts import BadAnnotation
from red_align.schemes import IBUG68
from red_align.tracking.rules import region_from_landmarks
from tests.support.faces import astronaut_face, dots, dotted_face
from tests.support.paper import THIN, lively_paper, write_clip


def test_clips_end_where_a_frame_is_missing(tmp_path: Path) -> None:
    write_clip(tmp_path / "001", [1, 2, 3, 5, 6, 8, 9, 10, 11], 12)
    write_clip(tmp_path / "deep" / "002", [2, 3], 3)
    clips = read_clips(tmp_path, 100, 2, strict=True)
    wanted = [("001", [1, 2, 3]), ("001", [5, 6]), ("001", [8, 9, 10, 11]), ("002", [2, 3])]
    assert [(c[0].path.parts[-3], [int(f.path.stem) for f in c]) for c in clips] == wanted
    assert [len(c) for c in read_clips(tmp_path, 100, 3, strict=True)] == [3, 4]
    assert [len(c) for c in read_clips(tmp_path, 4, 1, strict=True)] == [3, 1, 2]
    assert read_clips(tmp_path / "nowhere", 9, 2, strict=True) == []


def test_bad_frames_and_clips_are_named_and_refused_when_strict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_clip(tmp_path / "001", [1, 2, 3, 4, 5], 5)
    write_clip(tmp_path / "002", [1, 2], 2)
    bad, video = tmp_path / "001" / "annot" / "000003.pts", tmp_path / "002" / "vid.avi"
    bad.write_text("nothing")
    video.write_bytes(b"no video")
    assert [len(c) for c in read_clips(tmp_path, 9, 1, strict=False)] == [2, 2]
    assert str(bad) in caplog.text
    assert str(video) in caplog.text
    with pytest.raises(BadAnnotation, match=r"000003\.pts"):
        read_clips(tmp_path, 9, 1, strict=True)


def test_what_is_kept_of_a_frame_shows_the_same_face() -> None:
    face = astronaut_face()
    near = near_the_face(face)
    assert near.image.size < 0.4 * face.image.size
    crops = [crop_face(f.image, region_from_landmarks(f.points, IBUG68)) for f in (face, near)]
    assert np.abs(crops[0].astype(float) - crops[1]).mean() < 1.0  # regions lie on a grid of 1/16 px


@pytest.mark.parametrize("mirror", [False, True])
def test_a_filmed_face_is_where_its_truth_says(mirror: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(red.training.paper.sequences, "relit", lambda crop, rng: crop)
    face = FilmedFace([astronaut_face(), dotted_face()], mirror, 3)
    truth = face.truth(1)
    region = region_from_landmarks(truth, IBUG68)
    seen = region.to_crop(CROP_SIZE).apply(truth)
    red_dot, blue_dot = dots(face.crop(1, region))
    # Point 36 is red in the picture; mirrored, that place is called 45.
    for dot, name in ((red_dot, 45 if mirror else 36), (blue_dot, 36 if mirror else 45)):
        np.testing.assert_allclose(dot, seen[name], atol=0.3)


def test_the_light_of_a_filmed_face_does_not_flicker() -> None:
    face = FilmedFace([astronaut_face(), astronaut_face()], False, 5)
    region = region_from_landmarks(face.truth(0), IBUG68)
    np.testing.assert_array_equal(face.crop(0, region), face.crop(1, region))
    assert (face.crop(0, region) != FilmedFace(face.frames, False, 6).crop(0, region)).any()


def test_sequences_are_consecutive_frames_of_clips_and_moved_stills_without_clips() -> None:
    clips = [[astronaut_face(left=3 * t + 50 * c) for t in range(4 + c)] for c in range(2)]
    found = some_sequences(clips, [], 20, 3, np.random.default_rng(0))
    begins = set()
    for face in found:
        assert isinstance(face, FilmedFace)
        steps = np.diff([f.points[0, 0] for f in face.frames])
        assert (len(face.frames), steps.tolist()) == (3, [-3.0, -3.0])
        begins.add(face.frames[0].path.name)
    assert begins == {f"{left}-0.jpg" for left in (0, 3, 50, 53, 56)}
    stills = some_sequences([], [astronaut_face()], 2, 3, np.random.default_rng(0))
    assert all(isinstance(face, MovingFace) for face in stills)


@pytest.mark.parametrize("scheme", ["ibug68", "ibug7"])
def test_gradients_flow_through_the_memory_and_fixed_parts_have_none(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = lively_paper(replace(THIN, scheme=scheme))
    memories: list[Tensor] = []
    track = network.track

    def watched(image: Tensor, prior: Tensor, memory: Tensor) -> PassResult:
        memory.retain_grad()
        memories.append(memory)
        return track(image, prior, memory)

    monkeypatch.setattr(network, "track", watched)
    set_stage(network, STAGES[4])
    moving = some_sequences([], [astronaut_face()], 2, 2, np.random.default_rng(0))
    loss, parts = sequence_loss(network, moving, 2, np.random.default_rng(1))
    loss.backward()
    assert set(parts) == {"pixels", "offsets", "confidence"}
    assert len(memories) == 1  # one frame after the first
    assert memories[0].grad is not None
    assert memories[0].grad.abs().max() > 0
    assert all(p.grad is None for p in [*network.f_enc.parameters(), *network.f_cls.parameters()])
    open_parts = [network.f_trnn, network.f_denc, network.f_reg]
    assert all(p.grad is not None for part in open_parts for p in part.parameters())


def test_training_runs_in_the_precision_of_a_gpu() -> None:
    network = lively_paper(replace(THIN, scheme="ibug7", square_px=(3.0,)))
    set_stage(network, STAGES[4])
    moving: list[Moving] = [FilmedFace([astronaut_face()] * 2, False, 0)]
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = sequence_loss(network, moving, 2, np.random.default_rng(1))
    loss.backward()
    with torch.no_grad():
        exact, _ = sequence_loss(network, moving, 2, np.random.default_rng(1))
    assert loss.item() == pytest.approx(exact.item(), rel=0.1)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_a_track_follows_its_own_points_until_they_are_lost() -> None:
    network = lively_paper(THIN)
    face = FilmedFace([astronaut_face()] * 2, False, 0)
    region = region_from_landmarks(face.truth(0), IBUG68)
    truth = region.to_crop(CROP_SIZE).apply(face.truth(0))
    near, far = truth + 3.0, truth + 40.0
    for points, wanted in ((near, near), (far, truth), (near * np.nan, truth)):
        regions, prior = next_frame(network, [face], 0, [region], points[None])
        frame = region.to_frame(CROP_SIZE).apply(wanted)
        expected = region_from_landmarks(frame, IBUG68)
        ours = [(r.cx, r.cy, r.side, r.angle) for r in (regions[0], expected)]
        assert ours[0] == pytest.approx(ours[1], abs=1e-6)
        np.testing.assert_allclose(prior[0].numpy(), regions[0].to_crop(CROP_SIZE).apply(frame), atol=1e-3)
