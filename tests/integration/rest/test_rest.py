"""``POST /align`` of a real server: every form of upload, every form of the answer, and points where the faces are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from red_align.formats.names import FORMATS, OVERLAY
from service.api.schemas import AlignModel, InfoModel
from tests.support.media import Image, astronaut, carphone_frames, carphone_path, jpeg, write_video
from tests.support.servers import RunningServer

DETECT_EVERY = 5
"""The service's default distance of two searches, in frames."""
ENTERS_AT = 12
"""Frame in which the second face of the made clip appears."""
VIDEO = {"content-type": "video/mp4"}
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
ASTRONAUT_EYES = np.array([[203.5, 101.0], [247.0, 102.7]])
"""Middle of her right and left eye in pixels, seen by us and by YuNet."""


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.http, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def answer(client: httpx.Client) -> httpx.Response:
    """The car phone clip's answer as JSON."""
    return ok(client.post("/align", content=carphone_path().read_bytes(), headers=VIDEO))


def ok(response: httpx.Response) -> httpx.Response:
    assert response.status_code == 200, response.text
    return response


def points(face: dict[str, Any]) -> NDArray[np.float64]:
    return np.array(face["landmarks"], np.float64).reshape(68, 2)


def align(client: httpx.Client, path: Path, **query: int) -> dict[str, Any]:
    result: dict[str, Any] = ok(client.post("/align", content=path.read_bytes(), headers=VIDEO, params=query)).json()
    return result


def picture_points(client: httpx.Client, data: bytes) -> NDArray[np.float64]:
    response = ok(client.post("/align", content=data, headers={"content-type": "image/jpeg"}))
    (frame,) = response.json()["frames"]
    (face,) = frame["faces"]
    return points(face)


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean distance of the points in pixels."""
    return float(np.linalg.norm(a - b, axis=1).mean())


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut on the left all the time, her mirror image on the right from ENTERS_AT on."""
    portrait = astronaut()[10:266, 90:346]
    frames: list[Image] = []
    for i in range(30):
        canvas = np.full((256, 640, 3), 128, np.uint8)
        canvas[:, :256] = portrait
        if i >= ENTERS_AT:
            canvas[:, 384:] = portrait[:, ::-1]
        frames.append(canvas)
    return write_video(tmp_path_factory.mktemp("clips") / "two.mp4", frames)


def test_the_answer_has_exactly_the_public_shape(answer: httpx.Response) -> None:
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["scheme", "video", "frames", "complete", "warnings", "frame_count"]
    assert body["scheme"] == "ibug68"
    assert body["video"] == {"width": 176, "height": 144, "frame_rate": 29.97, "pixel_aspect_ratio": 1.094017}
    assert (body["complete"], body["warnings"], body["frame_count"]) == (True, [], 120)
    for i, frame in enumerate(body["frames"]):
        assert set(frame) == {"index", "time_s", "status", "faces"}
        assert (frame["index"], frame["status"]) == (i, "ok")
        assert frame["time_s"] == pytest.approx(i * 1001 / 30_000, abs=1e-5)
        for face in frame["faces"]:
            assert set(face) == {"track_id", "box", "score", "landmarks", "confidence"}
            assert (len(face["box"]), len(face["landmarks"]), len(face["confidence"])) == (4, 136, 68)


def test_the_answer_fits_the_documented_models(answer: httpx.Response, client: httpx.Client) -> None:
    clip = AlignModel.model_validate_json(answer.content, extra="forbid", strict=True).model_dump()
    assert clip["frame_count"] == len(clip["frames"]) == 120
    info = ok(client.get("/v1/info"))
    assert InfoModel.model_validate_json(info.content, extra="forbid").scheme == clip["scheme"]


def test_coordinates_have_two_decimals_and_scores_three(answer: httpx.Response) -> None:
    body = json.loads(answer.text, parse_float=Decimal)

    def decimals(value: Decimal | int) -> int:
        exponent = Decimal(value).as_tuple().exponent
        assert isinstance(exponent, int), f"{value} is no number"
        return -exponent

    for face in (face for frame in body["frames"] for face in frame["faces"]):
        assert all(decimals(v) <= 2 for v in [*face["landmarks"], *face["box"]])
        assert all(decimals(v) <= 3 for v in [*face["confidence"], face["score"]])
        assert all(0 <= v <= 1 for v in [*face["confidence"], face["score"]])


def test_the_box_is_the_tight_box_of_the_points(answer: httpx.Response) -> None:
    for frame in answer.json()["frames"]:
        for face in frame["faces"]:
            low, high = points(face).min(0), points(face).max(0)
            assert face["box"] == pytest.approx([*low, *(high - low)], abs=0.011)
            assert face["score"] == pytest.approx(np.mean(face["confidence"]), abs=0.002)


def test_the_man_in_the_car_keeps_one_track(answer: httpx.Response) -> None:
    tracks = [[face["track_id"] for face in frame["faces"]] for frame in answer.json()["frames"]]
    assert tracks == [[0]] * 120
    moves = [points(frame["faces"][0]).mean(0) for frame in answer.json()["frames"]]
    assert np.abs(np.diff(moves, axis=0)).max() < 12.0


@pytest.mark.parametrize("transfer", ["multipart", "raw", "chunked", "chunked multipart"])
def test_every_form_of_upload_gives_the_same_answer(
    client: httpx.Client, answer: httpx.Response, transfer: str
) -> None:
    data = carphone_path().read_bytes()

    def pieces(body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), 997):  # odd, so that a boundary is split between pieces
            yield body[start : start + 997]

    form = client.build_request("POST", "/align", files={"note": b"hello", "video": ("clip.mp4", data)})
    body, kind = (form.read(), form.headers["content-type"]) if "multipart" in transfer else (data, "video/mp4")
    content = pieces(body) if "chunked" in transfer else body
    response = ok(client.post("/align", content=content, headers={"content-type": kind}))
    assert ("content-length" in response.request.headers) == ("chunked" not in transfer)
    assert response.json() == answer.json()


def test_a_multipart_field_without_file_name_is_read_too(client: httpx.Client, answer: httpx.Response) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="video"\r\n\r\n'
    body = head + carphone_path().read_bytes() + b"\r\n--x--\r\n"
    response = client.post("/align", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert ok(response).json() == answer.json()


def test_the_astronauts_eyes_are_where_they_are(client: httpx.Client) -> None:
    found = picture_points(client, jpeg(astronaut()))
    eyes = np.array([found[RIGHT_EYE].mean(0), found[LEFT_EYE].mean(0)])
    assert np.linalg.norm(eyes - ASTRONAUT_EYES, axis=1).max() < 6.0


def test_a_photograph_of_twelve_megapixels_is_admitted_and_has_the_points_of_a_small_one(client: httpx.Client) -> None:
    large = np.asarray(Pillow.fromarray(astronaut()).resize((3464, 3464), Pillow.Resampling.BICUBIC), np.uint8)
    factor = 3464 / 512
    small = picture_points(client, jpeg(astronaut(), 95))
    found = (picture_points(client, jpeg(large, 90)) + 0.5) / factor - 0.5
    assert distance(found, small) < 3


def test_a_picture_is_a_clip_of_one_frame(client: httpx.Client) -> None:
    body = client.post("/align", content=jpeg(astronaut()), headers={"content-type": "image/jpeg"}).json()
    assert body["video"] == {"width": 512, "height": 512, "frame_rate": 0.0, "pixel_aspect_ratio": 1.0}
    assert (body["frame_count"], body["frames"][0]["time_s"], body["complete"]) == (1, 0.0, True)


def test_a_jpeg_turned_by_exif_has_the_points_of_the_upright_picture(client: httpx.Client) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    data = io.BytesIO()
    Pillow.fromarray(np.rot90(astronaut())).save(data, "JPEG", quality=92, exif=exif)
    assert distance(picture_points(client, data.getvalue()), picture_points(client, jpeg(astronaut()))) < 2.0


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_clip_has_the_points_of_the_upright_clip(client: httpx.Client, tmp_path: Path, degrees: int) -> None:
    upright = list(carphone_frames()[:20])
    stored = [np.ascontiguousarray(np.rot90(f, -degrees // 90)) for f in upright]
    turned = align(client, write_video(tmp_path / "turned.mp4", stored, rotation=degrees))
    straight = align(client, write_video(tmp_path / "straight.mp4", upright))
    assert turned["video"] == straight["video"]
    for a, b in zip(turned["frames"], straight["frames"], strict=True):
        assert distance(points(a["faces"][0]), points(b["faces"][0])) < 2.5


def test_stride_answers_every_fifth_frame(client: httpx.Client) -> None:
    body = align(client, carphone_path(), stride=5)
    assert [frame["index"] for frame in body["frames"]] == list(range(0, 120, 5))
    assert body["frames"][3]["time_s"] == pytest.approx(15 * 1001 / 30_000, abs=1e-5)
    assert (body["frame_count"], body["complete"]) == (24, True)


def test_ndjson_has_a_header_a_line_for_each_frame_and_an_end(client: httpx.Client, answer: httpx.Response) -> None:
    data = carphone_path().read_bytes()
    response = ok(client.post("/align?format=ndjson", content=data, headers=VIDEO))
    assert response.headers["content-type"] == "application/x-ndjson"
    head, *frames, end = [json.loads(line) for line in response.text.splitlines()]
    body = answer.json()
    assert head == {"type": "header", "scheme": body["scheme"], "video": body["video"]}
    assert frames == [{"type": "frame"} | frame for frame in body["frames"]]
    assert end == {"type": "end", "complete": True, "warnings": [], "frame_count": 120}


def test_csv_has_the_columns_of_openface_and_the_values_of_the_json(
    client: httpx.Client, answer: httpx.Response
) -> None:
    data = carphone_path().read_bytes()
    response = ok(client.post("/align?format=csv", content=data, headers=VIDEO))
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["x-red-complete"] == "true"
    names, *rows = csv.reader(io.StringIO(response.text))
    xs, ys = [f"x_{i}" for i in range(68)], [f"y_{i}" for i in range(68)]
    pose = [f"pose_{kind}{axis}" for kind in "TR" for axis in "xyz"]
    assert names == ["frame", "face_id", "timestamp", "confidence", "success", *pose, *xs, *ys, "reacquired"]
    for row, frame in zip(rows, answer.json()["frames"], strict=True):
        (face,) = frame["faces"]
        assert [row[0], row[1], row[4]] == [str(frame["index"] + 1), "0", "1"]
        assert float(row[2]) == pytest.approx(frame["time_s"], abs=6e-4)
        assert float(row[3]) == pytest.approx(face["score"], abs=1e-9)
        assert np.allclose(np.array(row[11:-1], float).reshape(2, 68).T, points(face), atol=1e-9)
        assert row[-1] == "0"


def test_a_second_face_gets_the_next_track_when_it_enters(client: httpx.Client, two_faces: Path) -> None:
    body = align(client, two_faces, max_faces=2)
    tracks = [[face["track_id"] for face in frame["faces"]] for frame in body["frames"]]
    seen = next(i for i, ids in enumerate(tracks) if 1 in ids)
    assert ENTERS_AT <= seen < ENTERS_AT + DETECT_EVERY
    assert tracks == [[0]] * seen + [[0, 1]] * (30 - seen)
    first = [points(frame["faces"][0]) for frame in body["frames"]]
    assert max(distance(p, first[0]) for p in first) < 3.0
    second = points(body["frames"][-1]["faces"][1])
    assert (second[:, 0] > 384).all()


def test_max_faces_of_one_keeps_the_first_face_alone(client: httpx.Client, two_faces: Path) -> None:
    body = align(client, two_faces, max_faces=1)
    assert [[face["track_id"] for face in frame["faces"]] for frame in body["frames"]] == [[0]] * 30


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_clip_without_a_face_is_answered_with_empty_frames(client: httpx.Client, tmp_path: Path, form: str) -> None:
    slope = np.linspace(0, 200, 320, dtype=np.uint8)
    frames = [np.ascontiguousarray(np.broadcast_to(np.roll(slope, i)[None, :, None], (240, 320, 3))) for i in range(8)]
    path = write_video(tmp_path / "empty.mp4", frames)
    response = ok(client.post("/align", content=path.read_bytes(), headers=VIDEO, params={"format": form}))
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(response.text)))
        assert [(row["frame"], row["success"], row["x_0"]) for row in rows] == [
            (str(i), "0", "0.00") for i in range(1, 9)
        ]
        return
    body = response.json()
    assert [(frame["status"], frame["faces"]) for frame in body["frames"]] == [("ok", [])] * 8
    assert body["complete"] is True


def test_openapi_names_bodies_parameters_and_errors(client: httpx.Client) -> None:
    document = ok(client.get("/openapi.json")).json()
    operation = document["paths"]["/align"]["post"]
    assert set(operation["requestBody"]["content"]) == {"multipart/form-data", "video/*", "image/*"}
    assert {p["name"]: p["schema"].get("default") for p in operation["parameters"]} == {
        "format": None,
        "max_faces": 1,
        "stride": 1,
        "parallel": 1,
        "stream_id": "",
        "resume": False,
        "features": "",
        "points": 0,
        "smooth": "none",
        "focal_px": 0.0,
    }
    statuses = {"200", "400", "401", "406", "408", "409", "413", "415", "429", "500", "501", "503"}
    assert set(operation["responses"]) == statuses
    for status in ("400", "413", "415"):
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorModel"}
    types = {form.media_type.partition(";")[0] for name, form in FORMATS.items() if name != OVERLAY}
    assert set(operation["responses"]["200"]["content"]) == types
    assert {"/align", "/healthz", "/readyz", "/v1/info"} <= set(document["paths"])
