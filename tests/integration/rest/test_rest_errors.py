"""What a real server answers to bad input: our error shape, nothing left behind, and the next request served."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.media import astronaut, carphone_frames, carphone_path, jpeg, write_sound, write_video
from tests.support.rest import (
    END,
    FORM,
    MAX_PIXELS,
    MAX_UPLOAD,
    VIDEO,
    check_error,
    part,
)
from tests.support.servers import RunningServer

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.fixture(scope="module")
def client(small: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=small.http, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"", "video/mp4", "EMPTY_BODY"),
        (b"", "image/jpeg", "EMPTY_BODY"),
        (part("video", b"") + END, FORM, "EMPTY_BODY"),
        (part("resume_token", b"abc") + END, FORM, "INVALID_REQUEST"),
        (part("video", b"abc") * 2 + END, FORM, "INVALID_REQUEST"),
        (part("video", b"abc"), FORM, "INVALID_REQUEST"),
        (part("video", b"abc") + END, "multipart/form-data", "INVALID_REQUEST"),
        (part("video", b"abc") + END, "multipart/form-data; boundary=other", "INVALID_REQUEST"),
        (part("video", b"abc") + END, "multipart/form-data; boundary=" + "x" * 5000, "INVALID_REQUEST"),
        (b"no boundary at all", FORM, "INVALID_REQUEST"),
        (b"--x\r\nno header\r\n\r\nabc\r\n" + END, FORM, "INVALID_REQUEST"),
        (b"--x\r\nA: " + b"a" * 100_000 + b"\r\n\r\nabc\r\n" + END, FORM, "INVALID_REQUEST"),
        (b"", FORM, "INVALID_REQUEST"),
        (b"this is no video\n" * 99, "video/mp4", "UNREADABLE_MEDIA"),
        (part("video", b"this is no video\n" * 99) + END, FORM, "UNREADABLE_MEDIA"),
        (carphone_path().read_bytes()[:5000], "video/mp4", "UNREADABLE_MEDIA"),
        (jpeg(carphone_frames()[0])[:2000], "image/jpeg", "UNREADABLE_MEDIA"),
    ],
)
def test_a_bad_body_is_answered_with_400(client: httpx.Client, body: bytes, kind: str, reason: str) -> None:
    error = check_error(client.post("/align", content=body, headers={"content-type": kind}), 400, reason)
    assert error["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("max_face=3", "no query parameter 'max_face'; did you mean 'max_faces'?"),
        ("Stride=2", "did you mean 'stride'?"),
        ("zzz=1", "there are features, focal_px, format, max_faces, parallel"),
        ("stride=2&stride=3", "'stride' is given more than once"),
        ("%0d%0a" + "x" * 300 + "=1", "no query parameter"),
    ],
)
def test_a_query_parameter_that_is_unknown_or_doubled_is_refused_by_name(
    client: httpx.Client, query: str, told: str
) -> None:
    picture = jpeg(carphone_frames()[0])
    response = client.post(f"/align?{query}", content=picture, headers={"content-type": "image/jpeg"})
    message = check_error(response, 400, "INVALID_REQUEST")["message"]
    assert told in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("max_faces", "'max_faces' is no form field but a query parameter: POST /align?max_faces=..."),
        ("max_face", "did you mean 'max_faces'?"),
        ("vide", "did you mean 'video'?"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_a_form_field_that_is_none_is_refused_by_name(client: httpx.Client, name: str, told: str, first: bool) -> None:
    picture, field = part("video", jpeg(carphone_frames()[0])), part(name, b"3")
    body = (field + picture if first else picture + field) + END
    response = client.post("/align", content=body, headers={"content-type": FORM})
    assert told in check_error(response, 400, "INVALID_REQUEST")["message"]


def test_a_second_resume_token_is_refused(client: httpx.Client) -> None:
    body = part("resume_token", b"a") * 2 + part("video", b"abc") + END
    response = client.post("/align", content=body, headers={"content-type": FORM})
    assert "more than one field 'resume_token'" in check_error(response, 400, "INVALID_REQUEST")["message"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity"])
def test_a_compressed_body_is_answered_with_415(client: httpx.Client, encoding: str) -> None:
    body = gzip.compress(jpeg(carphone_frames()[0]))
    headers = {"content-type": "image/jpeg", "content-encoding": encoding}
    message = check_error(client.post("/align", content=body, headers=headers), 415, "UNSUPPORTED_MEDIA")["message"]
    assert "Content-Encoding" in message


def test_an_empty_chunked_body_is_empty(client: httpx.Client) -> None:
    check_error(client.post("/align", content=iter([]), headers=VIDEO), 400, "EMPTY_BODY")


def test_sound_alone_is_reported_as_such(client: httpx.Client, tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "sound.mp4").read_bytes()
    assert (
        "audio" in check_error(client.post("/align", content=sound, headers=VIDEO), 400, "NO_VIDEO_STREAM")["message"]
    )


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/octet-stream", "audio/mp4", "application/json", "multipart/mixed"]
)
def test_another_content_type_is_answered_with_415(client: httpx.Client, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    response = client.post("/align", content=carphone_path().read_bytes(), headers=headers)
    check_error(response, 415, "UNSUPPORTED_MEDIA")


@pytest.mark.parametrize(
    "query", ["max_faces=0", "max_faces=-1", "max_faces=99", "max_faces=two", "stride=0", "stride=1.5", "format=xml"]
)
def test_a_wrong_parameter_is_named(client: httpx.Client, query: str) -> None:
    picture = jpeg(carphone_frames()[0])
    response = client.post(f"/align?{query}", content=picture, headers={"content-type": "image/jpeg"})
    assert query.split("=")[0] in check_error(response, 400, "INVALID_REQUEST")["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/align", 405),
        ("PUT", "/align", 405),
        ("POST", "/healthz", 405),
        ("GET", "/no", 404),
        ("POST", "/", 405),
    ],
)
def test_an_unknown_path_or_method_has_our_error_shape(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    check_error(response, status, f"HTTP_{status}")
    assert ("allow" in response.headers) == (status == 405)


def test_a_cut_clip_is_answered_as_far_as_it_goes(client: httpx.Client, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", list(carphone_frames()), options={"movflags": "faststart"})
    cut = path.read_bytes()[: path.stat().st_size // 2]
    body = client.post("/align", content=cut, headers=VIDEO).json()
    assert 0 < body["frame_count"] < 120
    assert [frame["index"] for frame in body["frames"]] == list(range(body["frame_count"]))
    assert all(frame["status"] == "ok" and frame["faces"] for frame in body["frames"])
    assert body["complete"] is False
    assert any("broke off" in warning for warning in body["warnings"])
    lines = client.post("/align?format=ndjson", content=cut, headers=VIDEO).text.splitlines()
    end = {key: body[key] for key in ("complete", "warnings", "frame_count")}
    assert json.loads(lines[-1]) == {"type": "end"} | end
    table = client.post("/align?format=csv", content=cut, headers=VIDEO)
    assert table.headers["x-red-complete"] == "false"
    assert len(table.text.splitlines()) == 1 + body["frame_count"]


@pytest.mark.parametrize("transfer", ["length", "chunked", "multipart"])
@pytest.mark.parametrize("size", [MAX_UPLOAD + 1, 30 * MAX_UPLOAD])
def test_an_upload_above_the_limit_is_answered_with_413(client: httpx.Client, transfer: str, size: int) -> None:
    data = bytes(size)
    if transfer == "multipart":
        response = client.post("/align", files={"video": ("clip.mp4", data)})
    else:
        pieces = (data[start : start + 65_536] for start in range(0, size, 65_536))
        response = client.post("/align", content=pieces if transfer == "chunked" else data, headers=VIDEO)
    error = check_error(response, 413, "TOO_LARGE")
    assert error["metadata"] == {"limit": "max_upload_bytes"}


@pytest.mark.parametrize("form", [False, True])
def test_an_upload_of_exactly_the_limit_is_read(client: httpx.Client, form: bool) -> None:
    data = bytes(MAX_UPLOAD)
    response = client.post("/align", **({"files": {"video": data}} if form else {"content": data, "headers": VIDEO}))
    check_error(response, 400, "UNREADABLE_MEDIA")


def test_a_frame_above_the_limit_is_answered_with_413(client: httpx.Client, tmp_path: Path) -> None:
    picture = client.post("/align", content=jpeg(astronaut()), headers={"content-type": "image/jpeg"})
    clip = write_video(tmp_path / "large.mp4", [astronaut()] * 3).read_bytes()
    for response in (picture, client.post("/align", content=clip, headers=VIDEO)):
        assert check_error(response, 413, "TOO_LARGE")["metadata"] == {"limit": "max_frame_pixels"}


def test_health_and_info_tell_the_truth(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    info = client.get("/v1/info").json()
    assert (info["scheme"], info["num_points"], len(info["mean_shape"])) == ("ibug68", 68, 136)
    assert info["limits"]["max_upload_bytes"] == MAX_UPLOAD
    assert info["limits"]["max_frame_pixels"] == MAX_PIXELS


@pytest.mark.parametrize(
    "query", ["stride=961303496869207904375172235700207616", "stride=1000001", "max_faces=10000000000"]
)
def test_a_number_beyond_all_bounds_is_the_requests_fault(small: RunningServer, unharmed: None, query: str) -> None:
    picture = jpeg(carphone_frames()[0])
    response = httpx.post(f"{small.http}/align?{query}", content=picture, headers={"content-type": "image/jpeg"})
    check_error(response, 400, "INVALID_REQUEST")
