"""Features over REST, against a real server."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from red_align.features.values import COEFFICIENTS
from service.api.schemas import AlignModel, InfoModel
from tests.support.media import carphone_path
from tests.support.rest import check_error
from tests.support.servers import RunningServer


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.http, timeout=60) as client:
        yield client


def align(client: httpx.Client, **query: Any) -> httpx.Response:
    headers = {"content-type": "video/mp4"}
    return client.post("/align", content=carphone_path().read_bytes(), headers=headers, params={"stride": 12, **query})


def test_json_has_the_features_that_were_asked_for_and_matches_its_schema(client: httpx.Client) -> None:
    answer = align(client, features="pose,expression,crop", focal_px=300).json()
    AlignModel.model_validate(answer)
    assert len(answer["frames"]) == 10
    face = answer["frames"][0]["faces"][0]
    assert face["pose"]["focal_px"] == 300
    assert set(face["expression"]["coefficients"]) == set(COEFFICIENTS)
    assert base64.b64decode(face["alignment"]["crop"]).startswith(b"\xff\xd8")
    assert np.shape(face["alignment"]["matrix"]) == (2, 3)


def test_without_features_an_answer_is_what_it_was(client: httpx.Client) -> None:
    face = align(client).json()["frames"][0]["faces"][0]
    assert set(face) == {"track_id", "box", "score", "landmarks", "confidence"}


def test_fewer_and_steadier_points_come_in_every_format(client: httpx.Client) -> None:
    lines = [
        json.loads(line) for line in align(client, format="ndjson", points=5, smooth="look_ahead").text.splitlines()
    ]
    assert lines[0]["scheme"] == "arcface5"
    assert [line["index"] for line in lines[1:-1]] == list(range(0, 120, 12))
    assert all(len(line["faces"][0]["landmarks"]) == 10 for line in lines[1:-1])
    assert lines[-1]["complete"]
    assert lines[-1]["frame_count"] == 10
    rows = list(csv.DictReader(io.StringIO(align(client, format="csv", points=7, features="pose").text)))
    assert len(rows) == 10
    assert "x_6" in rows[0]
    assert "x_7" not in rows[0]
    assert abs(float(rows[0]["pose_yaw"])) < 30


def test_parts_that_are_tracked_side_by_side_have_features_too(client: httpx.Client) -> None:
    face = align(client, features="pose,alignment", parallel=2).json()["frames"][-1]["faces"][0]
    assert {"pose", "alignment"} <= set(face)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"features": "posse"}, "there is no feature 'posse'; did you mean 'pose'?"),
        ({"smooth": "one-euro"}, "there is no smoothing 'one-euro'; did you mean 'one_euro'?"),
        ({"points": 6}, "points is 6, it must be one of 5, 7, 51, 68"),
        ({"focal_px": -1}, "focal_px is -1.0"),
        ({"features": "crop", "format": "csv"}, "a table has no room for crops"),
    ],
)
def test_what_there_is_not_is_refused_by_name(client: httpx.Client, query: dict[str, Any], message: str) -> None:
    error = check_error(align(client, **query), 400, "INVALID_REQUEST")
    assert message in json.dumps(error)


def test_info_lists_them(client: httpx.Client) -> None:
    info = client.get("/v1/info").json()
    InfoModel.model_validate(info)
    assert info["features"]["names"] == ["pose", "expression", "alignment", "crop"]
    assert info["features"]["points"] == [5, 7, 51, 68]
    assert info["features"]["coefficients"] == list(COEFFICIENTS)
