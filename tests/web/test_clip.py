"""Clips and pictures in the page: what is drawn, downloaded and said is what the API answers."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image as Pictures
from playwright.sync_api import Page, expect

from tests.support.media import astronaut, jpeg, write_video
from tests.support.rest import gauge, wait_until
from tests.support.servers import RunningServer
from tests.web.browser import choose, finished
from tests.web.sample import SAMPLE, frame

DOT = 3.2 + 0.9
"""Largest radius of a dot with its rim, pixels of the canvas at its ordinary size; see draw.js."""


def api(server: RunningServer, path: Path, form: str = "json") -> httpx.Response:
    answer = httpx.post(
        f"{server.http}/align?max_faces=2&features=pose,expression&format={form}",
        files={"video": path.read_bytes()},
        timeout=60,
    )
    assert answer.status_code == 200
    return answer


def drawn(page: Page) -> tuple[np.ndarray, dict[str, float]]:
    """The layer of points as alpha [H, W], and where the frame lies on it."""
    data = page.evaluate("() => document.querySelector('.overlay').toDataURL('image/png').split(',')[1]")
    alpha = np.asarray(Pictures.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))[..., 3]
    view: dict[str, float] = page.evaluate("() => redAlign.current.player.view")
    return alpha, view


def check_points(page: Page, faces: list[dict[str, Any]]) -> int:
    """Dots lie where the faces' points are, within a pixel of the clip; gives how many were looked at.

    Those are looked at whose dots do not touch another.
    """
    alpha, view = drawn(page)
    wanted = np.concatenate([np.reshape(face["landmarks"], (-1, 2)) for face in faces])
    at = (wanted + 0.5) * [view["sx"], view["sy"]] + [view["x"], view["y"]]
    widest = max(face["box"][2] for face in faces) * view["sx"]
    radius = (min(DOT - 0.9, max(1.4, widest / 70)) + 0.9) * max(0.7, min(1.6, view["w"] / 900))
    half = int(np.ceil(radius))
    seen = 0
    for number, (x, y) in enumerate(at):
        others = np.delete(at, number, 0)
        if np.hypot(*(others - [x, y]).T).min() < half * 2**0.5 + radius + 1:
            continue
        left, top = int(x) - half, int(y) - half
        window = alpha[top : top + 2 * half + 1, left : left + 2 * half + 1].astype(float)
        assert window.sum() > 0, f"point {number} is not drawn"
        rows, columns = np.mgrid[: 2 * half + 1, : 2 * half + 1]
        row, column = (float((each * window).sum() / window.sum()) for each in (rows, columns))
        apart = np.hypot((left + column + 0.5 - x) / view["sx"], (top + row + 0.5 - y) / view["sy"])
        assert apart < 1.0, f"point {number} is drawn {apart:.2f} px from where it is"
        seen += 1
    return seen


def only_points(page: Page) -> None:
    for name in ("outlines", "ids", "trails", "box"):
        page.locator(f"input[name={name}]").uncheck()
    page.wait_for_timeout(200)


def test_points_are_drawn_where_the_api_says_on_every_frame_looked_at(page: Page, server: RunningServer) -> None:
    choose(page, SAMPLE)
    only_points(page)
    frames = api(server, SAMPLE).json()["frames"]
    for index in (0, 3, 60, 110, len(frames) - 1):
        page.evaluate("(index) => redAlign.current.player.goTo(index)", index)
        page.wait_for_function("(index) => redAlign.current.player.at === index", arg=index)
        page.wait_for_timeout(150)
        assert check_points(page, frames[index]["faces"]) >= 20


def test_points_are_drawn_on_the_frame_they_belong_to_while_the_clip_plays(page: Page) -> None:
    choose(page, SAMPLE)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => redAlign.current.player.at > 20")
    apart = page.evaluate(
        "() => { const p = redAlign.current.player; p.pause(); return Math.abs(p.frame.time_s - p.time) }"
    )
    assert apart < 0.021  # half a frame of the clip's 25 a second


def test_downloads_are_the_answers_of_the_api(page: Page, server: RunningServer) -> None:
    with page.expect_response(lambda each: "/align" in each.url) as answered:
        choose(page, SAMPLE)
    ndjson = answered.value.body()

    def downloaded(form: str) -> bytes:
        with page.expect_download() as download:
            page.locator(f"button[data-format={form}]").click()
        assert download.value.suggested_filename.startswith("sample.")
        return Path(download.value.path()).read_bytes()

    assert downloaded("ndjson") == ndjson
    whole = json.loads(downloaded("json"))
    header, *frames, end = ({k: v for k, v in json.loads(line).items() if k != "type"} for line in ndjson.splitlines())
    assert whole == {**header, "frames": frames, **end}
    wanted = api(server, SAMPLE).json()
    assert {k: v for k, v in whole.items() if k != "frames"} == {k: v for k, v in wanted.items() if k != "frames"}
    # Two faces of a frame may be answered in one call or in two, with the last decimal another.
    assert np.abs(points_of(whole) - points_of(wanted)).max() < 0.05
    assert whole["frames"][0]["faces"][0].keys() == wanted["frames"][0]["faces"][0].keys() >= {"pose", "expression"}
    table, wanted_table = (text.splitlines() for text in (downloaded("csv"), api(server, SAMPLE, "csv").content))
    assert (table[0], len(table)) == (wanted_table[0], len(wanted_table))
    assert {"parquet", "pts", "vtt", "srt"} <= set(
        page.locator(".downloads button").evaluate_all("(all) => all.map((each) => each.dataset.format)")
    )


def points_of(answer: dict[str, Any]) -> np.ndarray:
    return np.concatenate([face["landmarks"] for frame in answer["frames"] for face in frame["faces"]])


def test_the_overlay_is_recorded_as_a_video(page: Page) -> None:
    choose(page, SAMPLE)
    with page.expect_download() as download:
        page.locator("button[data-format=overlay], button[data-format=mp4]").first.click()
    with av.open(str(download.value.path())) as container:
        images = [image.to_ndarray(format="rgb24") for image in container.decode(video=0)]
    assert images[0].shape == (480, 640, 3)
    assert len(images) > 50
    plain = frame(len(images) // 2)
    assert np.abs(images[len(images) // 2].astype(int) - plain).mean() < 60


def test_a_pasted_picture_is_answered(page: Page, tmp_path: Path, server: RunningServer) -> None:
    path = tmp_path / "astronaut.jpg"
    path.write_bytes(jpeg(astronaut()))
    page.evaluate(
        """async (bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], 'pasted.jpg', { type: 'image/jpeg' }));
          window.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }));
        }""",
        list(path.read_bytes()),
    )
    finished(page)
    only_points(page)
    (answered,) = api(server, path).json()["frames"]
    assert check_points(page, answered["faces"]) >= 20
    expect(page.get_by_role("button", name="Play")).to_be_disabled()


def test_cancel_stops_the_work_on_the_server(page: Page, server: RunningServer, tmp_path: Path) -> None:
    with av.open(str(SAMPLE)) as sample:
        images = [np.asarray(each.to_ndarray(format="rgb24"), np.uint8) for each in sample.decode(video=0)]
    clip = write_video(tmp_path / "long.mp4", images * 6, rate=25, codec_options={"preset": "ultrafast"})
    page.set_input_files("input[type=file]", str(clip))
    page.wait_for_function("() => redAlign.current.run?.frames.length > 5")
    assert gauge(server, "uploads") == 1
    expect(page.locator(".line")).to_contain_text("left")
    page.get_by_role("button", name="Cancel").click()
    finished(page)
    wait_until(lambda: gauge(server, "uploads") == 0)
    assert page.locator(".line").get_attribute("data-state") == "cancelled"
    assert page.evaluate("() => redAlign.current.run.frames.length") < 1200


def test_a_picture_without_a_face_is_said_to_have_none(page: Page, blank: Path) -> None:
    choose(page, blank)
    expect(page.get_by_role("status")).to_contain_text("No face was found")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.mp4", b"\x00\x00\x00\x18ftypmp42 no video at all" * 20, "cannot be read"),
        ("empty.jpg", b"", "empty"),
        ("notes.txt", b"notes", "cannot be read"),
    ],
)
def test_a_broken_file_is_refused_with_what_to_do(
    page: Page, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    choose(page, tmp_path / name)
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_role("alert")).to_contain_text("Choose another")


def test_several_faces_and_their_tracks_are_in_the_timeline(page: Page) -> None:
    choose(page, SAMPLE)
    faces = page.locator(".timeline select option")
    assert faces.count() >= 2
    page.locator(".u-over").click(position={"x": 200, "y": 60})
    page.wait_for_timeout(300)
    at = page.evaluate("() => redAlign.current.player.at")
    width = page.evaluate("() => document.querySelector('.u-over').clientWidth")
    assert abs(at - 200 / width * 199) < 3


def test_the_keyboard_moves_through_the_frames(page: Page) -> None:
    choose(page, SAMPLE)
    page.locator("h1").click()

    def at_after(key: str, wanted: int) -> None:
        page.keyboard.press(key)
        page.wait_for_function("(at) => redAlign.current.player.at === at", arg=wanted)

    at_after("ArrowRight", 1)
    at_after("Shift+ArrowRight", 11)
    at_after("ArrowLeft", 10)
    at_after("End", 199)
    at_after("Home", 0)
    page.keyboard.press("l")
    expect(page.get_by_label("Loop")).to_be_checked()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
