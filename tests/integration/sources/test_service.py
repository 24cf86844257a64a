"""``/v1/sources`` of a real service: cameras that it pulls, their events, and whose they are."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.security.credentials import hash_of
from tests.support.live.sources import Broadcast, frames_of, free_port, read_events, rtsp_server, web
from tests.support.rest import check_error, gauge, wait_until
from tests.support.servers import RunningServer, running_server

QUICK = {"SOURCE_STALL_S": "3", "SOURCE_RETRY_S": "1", "SOURCE_CONNECT_S": "5"}
LOOPBACK = "rtsp://127.0.0.0/8:*,http://127.0.0.0/8:*"
DEAD = "rtsp://127.0.0.1:9/live"
Hls = tuple[Path, list[tuple[str, float]]]


@contextmanager
def pulling(**settings: str) -> Iterator[RunningServer]:
    """A service that may pull from loopback."""
    with running_server(**({"SOURCES": LOOPBACK} | QUICK | settings)) as server:
        yield server


@pytest.fixture(scope="module")
def puller() -> Iterator[RunningServer]:
    with pulling() as server:
        yield server


def add(server: RunningServer, url: str, headers: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    answer = httpx.post(f"{server.http}/v1/sources", json={"url": url, **options}, headers=headers)
    assert answer.status_code == 201, answer.text
    values: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/sources/{values['id']}"
    return values


def shown(server: RunningServer, source: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = httpx.get(f"{server.http}/v1/sources/{source['id']}").json()
    return values


def events_url(server: RunningServer, source: dict[str, Any]) -> str:
    return f"{server.http}/v1/sources/{source['id']}/events"


def test_a_camera_is_followed_through_a_gap_and_events_go_on_where_a_reader_stopped(h264: Path) -> None:
    port = free_port()
    with pulling() as server, ExitStack() as first, ExitStack() as second:
        url = first.enter_context(rtsp_server(h264, port, "ann", "hunter2"))
        source = add(server, url.replace("rtsp://", "rtsp://ann:hunter2@"))
        before = frames_of(read_events(events_url(server, source)), 10)
        assert shown(server, source)["state"] == "live"
        first.close()
        wait_until(lambda: shown(server, source)["state"] == "reconnecting")
        assert shown(server, source)["error"]["reason"] == "SOURCE_UNREACHABLE"
        second.enter_context(rtsp_server(h264, port, "ann", "hunter2"))
        wait_until(lambda: shown(server, source)["reconnects"] == 1)
        events = []
        for event in read_events(events_url(server, source), last=before[-1].number):
            events.append(event)
            if shown(server, source)["reconnects"] and len(events) > 40 and event.kind == "frame":
                break
        values = shown(server, source)
        metrics = httpx.get(f"{server.http}/metrics").text
        answer = httpx.delete(f"{server.http}/v1/sources/{source['id']}")
        assert answer.status_code == 204
        check_error(httpx.get(f"{server.http}/v1/sources/{source['id']}"), 404, "SOURCE_NOT_FOUND")
        wait_until(lambda: gauge(server, "sources") == 0)
        log = "".join(server.lines)
    numbers = [event.number for event in events]
    assert numbers == list(range(before[-1].number + 1, numbers[-1] + 1)), "none is missing, none comes twice"
    assert "reconnecting" in [event.data["state"] for event in events if event.kind == "state"]
    frames = before + [event for event in events if event.kind == "frame"]
    assert all(a.data["index"] < b.data["index"] for a, b in pairwise(frames))
    done = [event.data for event in frames if event.data["status"] == "ok"]
    assert all(a["time_s"] < b["time_s"] for a, b in pairwise(done))
    assert {face["track_id"] for frame in done for face in frame["faces"]} == {0}
    assert values["url"] == f"rtsp://***@127.0.0.1:{port}/live"
    assert values["video"] == {"width": 176, "height": 144, "frame_rate": 25.0, "pixel_aspect_ratio": 1.0}
    assert 'red_sources_lost_total{reason="SOURCE_UNREACHABLE"}' in metrics
    assert "hunter2" not in log + str(values)
    assert "Traceback" not in log


def test_a_broadcast_is_followed_and_its_events_are_sent_to_a_webhook(hls: Hls) -> None:
    hooks = {"SOURCE_WEBHOOKS": "http://127.0.0.0/8:*"}
    with web() as site, pulling(**hooks, SOURCE_IDLE_S="1") as server:
        for name, _ in hls[1]:
            site.files[f"/{name}"] = (hls[0] / name).read_bytes()
        site.files["/live.m3u8"] = Broadcast(hls[1]).playlist
        source = add(server, f"{site.url}/live.m3u8?token=secret", webhook={"url": f"{site.url}/hook?key=secret"})
        key = source["webhook"]["secret"].encode()
        wait_until(lambda: shown(server, source)["webhook"]["delivered"] > 20)
        frames = frames_of(read_events(events_url(server, source)), 30)
        values = shown(server, source)
        headers, body = site.posted[0]
        log = "".join(server.lines)
    assert all(a.data["time_s"] < b.data["time_s"] for a, b in pairwise(frames))
    assert values["url"].endswith("/live.m3u8?***")
    assert values["webhook"]["url"].endswith("/hook?***")
    assert values["webhook"].get("secret") is None
    signed = hmac.new(key, headers["X-Red-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Red-Signature"] == f"sha256={signed}"
    assert json.loads(body)["source"] == source["id"]
    assert "token=secret" not in log


def test_sources_are_off_unless_they_are_listed() -> None:
    with running_server() as server:
        check_error(httpx.post(f"{server.http}/v1/sources", json={"url": DEAD}), 403, "SOURCE_NOT_ALLOWED")
        assert httpx.get(f"{server.http}/v1/sources").json() == {"sources": []}
    with pulling(SOURCES="rtsp://localhost:*,rtsp://cam.example.org,https://*,srt://cam.example.org:*") as server:
        for url in (DEAD, "rtsp://[::ffff:127.0.0.1]:9/", "rtsp://cam.example.org:22/", "https://10.0.0.1/a.m3u8"):
            check_error(httpx.post(f"{server.http}/v1/sources", json={"url": url}), 403, "SOURCE_NOT_ALLOWED")
        answer = httpx.post(f"{server.http}/v1/sources", json={"url": "srt://cam.example.org:9000/"})
        check_error(answer, 415, "UNSUPPORTED_MEDIA")
        source = add(server, "rtsp://localhost:9/live")  # Its name is listed, the address it has is not.
        wait_until(lambda: shown(server, source)["state"] == "failed")
        assert shown(server, source)["error"]["reason"] == "SOURCE_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "url"),
        ({"url": "file:///etc/passwd"}, "begins with"),
        ({"url": "rtsp://ann:hunter2@2130706433/"}, "IPv4"),
        ({"url": DEAD, "max_faces": 0}, "max_faces"),
        ({"url": DEAD, "max_faces": 99}, "max_faces"),
        ({"url": DEAD, "max_face": 1}, "max_face"),
        ({"url": DEAD, "webhook": {"url": "ftp://a/"}}, "webhook"),
        ({"url": DEAD, "webhook": {"url": "http://127.0.0.1:1/", "secret": "short"}}, "secret"),
    ],
)
def test_a_wrong_request_is_refused_by_name(puller: RunningServer, body: dict[str, Any], said: str) -> None:
    answer = httpx.post(f"{puller.http}/v1/sources", json=body)
    message = check_error(answer, 400, "INVALID_REQUEST")["message"]
    assert said in message
    assert "hunter2" not in message


def test_tenants_see_their_own_sources_and_take_no_more_than_their_share(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"ann {hash_of('a')}\nbob {hash_of('b')}\n")
    ann, bob = {"X-API-Key": "a"}, {"X-API-Key": "b"}
    with pulling(API_KEYS_FILE=str(keys), MAX_SOURCES="3", TENANT_MAX_SOURCES="2") as server:
        base = f"{server.http}/v1/sources"
        check_error(httpx.post(base, json={"url": DEAD}), 401, "UNAUTHENTICATED")
        one, _ = add(server, DEAD, ann), add(server, DEAD, ann)
        error = check_error(httpx.post(base, json={"url": DEAD}, headers=ann), 429, "OVERLOADED")
        assert error["metadata"] == {"limit": "tenant_max_sources"}
        other = add(server, DEAD, bob)
        error = check_error(httpx.post(base, json={"url": DEAD}, headers=bob), 429, "OVERLOADED")
        assert error["metadata"] == {"limit": "max_sources"}
        assert [s["id"] for s in httpx.get(base, headers=bob).json()["sources"]] == [other["id"]]
        for path in ("", "/events"):
            answer = httpx.get(f"{base}/{one['id']}{path}", headers=bob)
            check_error(answer, 404, "SOURCE_NOT_FOUND")
        check_error(httpx.delete(f"{base}/{one['id']}", headers=bob), 404, "SOURCE_NOT_FOUND")
        assert httpx.delete(f"{base}/{one['id']}", headers=ann).status_code == 204
        wait_until(lambda: len(httpx.get(base, headers=ann).json()["sources"]) == 1)
        end = time.monotonic() + 30
        while httpx.post(base, json={"url": DEAD}, headers=ann).status_code != 201:
            assert time.monotonic() < end, "the place of a deleted source is free again"
            time.sleep(0.1)


def test_a_source_that_nobody_reads_ends_and_what_is_kept_of_it_can_be_read(h264: Path) -> None:
    with rtsp_server(h264, free_port()) as url, pulling(SOURCE_IDLE_S="4", SOURCE_EVENTS="16") as server:
        source = add(server, url)
        wait_until(lambda: shown(server, source)["state"] == "ended")
        events = list(read_events(events_url(server, source)))
        values = shown(server, source)
        check_error(httpx.get(events_url(server, source), headers={"Last-Event-ID": "x"}), 400, "INVALID_REQUEST")
    assert events[-1].kind == "end"
    assert "nobody read" in events[-1].data["warnings"][-1]
    if values["last_event"] > 16:
        assert (events[0].kind, events[0].data["count"]) == ("missed", values["last_event"] - 16)
    assert len([event for event in events if event.number]) <= 16


def test_a_camera_that_is_faster_than_the_service_loses_frames_and_each_is_told(h264: Path) -> None:
    with rtsp_server(h264, free_port()) as url, pulling(TENANT_FRAMES_PER_S="5", SOURCE_EVENTS="2000") as server:
        source = add(server, url)
        events = []
        for event in read_events(events_url(server, source)):
            events.append(event)
            if sum(e.kind == "frame" and e.data["status"] == "ok" for e in events) == 12:
                break
        values = shown(server, source)
        metrics = httpx.get(f"{server.http}/metrics").text
    frames = [event.data for event in events if event.kind == "frame"]
    dropped = [frame for frame in frames if frame["status"] == "dropped"]
    assert len(dropped) > 12
    assert [frame["index"] for frame in frames] == list(range(len(frames))), "every frame has its answer, in order"
    assert values["dropped_count"] >= len(dropped)
    assert "red_sources_dropped_frames_total 0.0" not in metrics


def test_a_decoder_that_is_killed_is_replaced_and_the_camera_followed_on(h264: Path) -> None:
    with rtsp_server(h264, free_port()) as url, pulling() as server:
        source = add(server, url)
        frames_of(read_events(events_url(server, source)), 5)
        os.kill(worker_of(server), signal.SIGKILL)
        wait_until(lambda: shown(server, source)["reconnects"] == 1)
        wait_until(lambda: shown(server, source)["state"] == "live")
        assert "Traceback" not in "".join(server.lines)


def worker_of(server: RunningServer) -> int:
    """The process that reads a source."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            parent = (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == server.process.pid and b"red_align.media.sources.worker" in path.read_bytes():
                return int(path.parent.name)
    raise AssertionError("no process reads a source")


def test_what_a_source_decodes_is_spent_of_its_tenants_pixels(h264: Path) -> None:
    pixels = str(5 * 176 * 144)
    with rtsp_server(h264, free_port()) as url, pulling(TENANT_PIXELS_PER_S=pixels) as server:
        source = add(server, url)
        wait_until(lambda: shown(server, source)["dropped_count"] > 10)
        wait_until(lambda: httpx.post(f"{server.http}/v1/sources", json={"url": DEAD}).status_code == 429)


def test_a_shutdown_ends_sources_and_their_readers(h264: Path) -> None:
    with rtsp_server(h264, free_port()) as url, pulling() as server:
        source = add(server, url)
        away = add(server, DEAD)
        reading = read_events(events_url(server, source))
        frames_of(reading, 3)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        last = list(reading)[-1]
        assert server.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 20
        log = "".join(server.lines)
    assert (last.kind, last.data["complete"]) == ("end", False)
    assert last.data["warnings"] == ["the service is shutting down"]
    assert away["id"] in log
    assert "Traceback" not in log


def test_sources_need_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from red_align.errors import ConfigurationError
    from service.config.settings import read_settings

    monkeypatch.setenv("RED_SOURCES", LOOPBACK)
    assert read_settings().source_limits().rules
    monkeypatch.setenv("RED_PROCESSES", "2")
    monkeypatch.setenv("RED_SOURCE_WEBHOOKS", "nothing")
    with pytest.raises(ConfigurationError, match="RED_SOURCE_WEBHOOKS") as caught:
        read_settings()
    assert "RED_PROCESSES" in caught.value.message
