"""``POST /align`` in every format, by ``format=`` and by Accept."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx
import jsonschema
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import red_align
from red_align.datasets.pts import read_pts
from red_align.formats.names import FORMATS, OVERLAY
from tests.support.media import carphone_frames, write_video
from tests.support.rest import check_error
from tests.support.servers import RunningServer

VIDEO = {"content-type": "video/mp4"}
SERVED = [name for name in FORMATS if name != OVERLAY]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "short.mp4", list(carphone_frames()[:10]))


def post(server: RunningServer, clip: Path, query: str = "", **headers: str) -> httpx.Response:
    return httpx.post(f"{server.http}/align{query}", content=clip.read_bytes(), headers=VIDEO | headers, timeout=60)


@pytest.mark.parametrize("name", SERVED)
def test_a_format_is_had_by_its_name_and_by_its_type(server: RunningServer, short: Path, name: str) -> None:
    form = FORMATS[name]
    by_name = post(server, short, f"?format={name}")
    by_type = post(server, short, accept=form.media_type.partition(";")[0])
    for response in (by_name, by_type):
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == form.media_type
        assert response.headers.get("x-red-complete") == (None if form.tells_end else "true")
    if not form.binary:
        assert by_name.content == by_type.content


def test_the_answers_are_those_of_the_library(server: RunningServer, short: Path, tmp_path: Path) -> None:
    clip = red_align.align(short)
    table = pd.read_csv(io.BytesIO(post(server, short, "?format=csv").content))
    columns = [f"x_{i}" for i in range(68)]
    assert np.abs(table[columns].to_numpy() - clip.points[:, 0, :, 0]).max() < 0.011
    read = pq.read_table(io.BytesIO(post(server, short, "?format=parquet").content)).to_pandas()
    assert np.abs(read[columns].to_numpy() - clip.points[:, 0, :, 0]).max() < 0.011
    assert (read["pose_Tz"] > 0).all()
    response = post(server, short, "?format=pts")
    assert response.headers["content-disposition"] == 'attachment; filename="landmarks.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as file:
        assert file.namelist() == [f"annot/{i:06d}.pts" for i in range(1, 11)]
        file.extractall(tmp_path)
    assert np.abs(read_pts(tmp_path / "annot" / "000010.pts") - clip.points[9, 0]).max() < 0.011
    assert post(server, short, "?format=vtt").text.startswith("WEBVTT\n\n")


def test_the_schemas_are_served_and_answers_fit_them(server: RunningServer, short: Path) -> None:
    for name, form in (("align", "json"), ("ndjson", "ndjson")):
        response = httpx.get(f"{server.http}/v1/schema/{name}")
        assert response.headers["content-type"] == "application/schema+json"
        schema = jsonschema.Draft202012Validator(response.json())
        text = post(server, short, f"?format={form}&features=pose,expression,alignment,crop").text
        for piece in [text] if form == "json" else text.splitlines():
            schema.validate(json.loads(piece))
    wrong = httpx.get(f"{server.http}/v1/schema/alignn")
    assert wrong.status_code == 404
    assert "did you mean 'align'" in wrong.text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?format=jsn", "there is no format 'jsn'; did you mean 'json'?"),
        ("?fromat=json", "there is no query parameter 'fromat'; did you mean 'format'?"),
        ("?strid=2", "there is no query parameter 'strid'; did you mean 'stride'?"),
        ("?format=csv&features=crop", "a table has no room for crops"),
        ("?format=vtt&points=7", "blinks and mouths are seen in 68 points"),
    ],
)
def test_wrong_words_in_a_query_are_refused_with_the_nearest(
    server: RunningServer, short: Path, query: str, told: str
) -> None:
    assert told in check_error(post(server, short, query), 400, "INVALID_REQUEST")["message"]


def test_an_accept_that_names_nothing_of_ours_is_406(server: RunningServer, short: Path) -> None:
    error = check_error(post(server, short, accept="text/html"), 406, "NOT_ACCEPTABLE")
    assert "application/vnd.apache.parquet" in error["message"]
    browser = post(server, short, accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert browser.headers["content-type"] == "application/json"
