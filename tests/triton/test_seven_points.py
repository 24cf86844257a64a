"""A model of seven points: exported, put into a repository, served by Triton and by the dataplane."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest

from export.main import main
from export.parity import moving_faces
from red_align.engine.onnx_engine import OnnxEngine
from tests.conftest import Exports
from tests.support.exports import write_with_zeros
from tests.support.media import carphone_path
from tests.support.servers import running_server
from tests.triton.conftest import Make
from tests.triton.streams import SAME_PX, Stream, apart, engine_of


@pytest.fixture(scope="module")
def graphs(exports: Exports, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that find something near the mean shape in any crop, so that tracks hold."""
    return write_with_zeros(exports("edge7"), "f_reg.from_centres.weight", tmp_path_factory.mktemp("seven"))


async def test_the_server_and_the_embedded_engine_give_the_same_seven_points(make_triton: Make, graphs: Path) -> None:
    crops = moving_faces(10, 1)[:, 0]
    server = make_triton(graphs=graphs)
    embedded = OnnxEngine(graphs)
    async with engine_of(server.url) as engine:
        assert engine.info.scheme.num_points == 7
        there = await Stream(engine, "a").run(crops)
    assert there.shape == (10, 7, 2)
    assert apart(there, await Stream(embedded, "a").run(crops)) < SAME_PX
    embedded.close()


def test_the_exporters_own_comparison_holds_for_seven_points(make_triton: Make, graphs: Path) -> None:
    assert main(["served", make_triton(graphs=graphs).url, str(graphs)]) == 0


def test_the_gateway_answers_with_seven_points(make_triton: Make, graphs: Path) -> None:
    server = make_triton(graphs=graphs)
    # Random weights are sure of nothing, so every score is taken.
    limits = {"TRACK_LOST_THRESHOLD": "0", "TRACK_ACTIVATION_THRESHOLD": "0"}
    with running_server(ENGINE="triton", TRITON_URL=server.url, **limits) as dataplane:
        info = httpx.get(f"{dataplane.http}/v1/info").json()
        assert (info["scheme"], info["num_points"], len(info["mean_shape"])) == ("ibug7", 7, 14)
        headers = {"content-type": "video/mp4"}
        body = httpx.post(f"{dataplane.http}/align", content=carphone_path().read_bytes(), headers=headers, timeout=60)
        frames = body.json()["frames"]
    faces = [face for frame in frames for face in frame["faces"]]
    assert faces
    assert {(len(face["landmarks"]), len(face["confidence"])) for face in faces} == {(14, 7)}
    assert np.isfinite([face["landmarks"] for face in faces]).all()
