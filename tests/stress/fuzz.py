"""``python -m tests.stress.fuzz``: the HTTP surface from our own OpenAPI, mangled clips, and all that parses bytes.

No answer of 500 and above but 503 with Retry-After, no crash, nothing that takes over 10 s.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from red_align.contract import CONTRACT_VERSION
from red_align.engine.base import ModelInfo
from red_align.errors import InvalidRequest, RedAlignError
from red_align.media.images import decode_frame
from red_align.media.reader import DecodeLimits
from red_align.schemes import IBUG68
from red_align.tracking.state import TrackerState
from red_align.v1 import face_landmarks_pb2 as pb
from service.api.ws.config import read_config
from service.streams.resume_token import TokenSealer
from tests.stress.mangled import HANG_S, mangled_clips, untrue
from tests.stress.report import SHORT, Report
from tests.support.media import carphone_frames, jpeg, png
from tests.support.servers import RunningServer, running_server

CASES = 2_000 if SHORT else 20_000
HTTP_EXAMPLES = 60 if SHORT else 1_500
"""Of each operation and phase."""
MODEL = ModelInfo("edge", "run", CONTRACT_VERSION, IBUG68, 392, "embedded")


def surface(server: RunningServer) -> tuple[int, int, str]:
    """Cases and failures of schemathesis on our own OpenAPI, and what it said."""
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.http}/openapi.json"]
    command += ["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"]
    command += ["--max-examples", str(HTTP_EXAMPLES), "--max-response-time", str(HANG_S), "--seed", "1"]
    command += ["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"]
    with tempfile.TemporaryDirectory() as temp:
        said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=temp).stdout
    cases = re.search(r"(\d[\d,]*) generated", said)
    failures = re.search(r"(\d+) unique failures?|(\d+) found", said)
    found = int(next((g for g in failures.groups() if g), "0")) if failures else 0
    return int(cases[1].replace(",", "")) if cases else 0, found, said


def clips(server: RunningServer) -> tuple[int, list[str]]:
    """Mangled clips that were sent, and answers that did not tell the truth."""
    wrong, count = [], 0
    with tempfile.TemporaryDirectory() as temp, httpx.Client(base_url=server.http, timeout=60) as client:
        for clip in mangled_clips(Path(temp)):
            began = time.monotonic()
            response = client.post("/align", content=clip.data, headers={"content-type": "video/mp4"})
            count += 1
            if fault := untrue(clip, response, time.monotonic() - began):
                wrong.append(f"{clip.name}: {fault}")
    return count, wrong


def mangle(data: bytes, changes: list[tuple[int, int]], keep: float) -> bytes:
    """The first part of the data, with bytes changed."""
    out = bytearray(data[: max(1, int(len(data) * keep))])
    for at, value in changes:
        out[at % len(out)] = value
    return bytes(out)


def parsers() -> list[tuple[str, Callable[[], None]]]:
    """Everything in this process that takes bytes from outside; anything but our own errors is a failure."""
    limits = DecodeLimits(max_frame_pixels=200_000)
    pictures = [jpeg(carphone_frames()[0]), png(carphone_frames()[0])]
    sealer = TokenSealer([], 60.0)
    state = TrackerState((), 3, 7, (64, 48), 1, 0.5)
    token, packed = sealer.seal(state, "ann", MODEL), state.to_bytes()
    config = settings(
        max_examples=CASES // 4,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    spots = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8)

    @config
    @given(st.sampled_from(pictures), spots, st.floats(0.05, 1.0))
    def frames(data: bytes, changes: list[tuple[int, int]], keep: float) -> None:
        try:
            image = decode_frame(mangle(data, changes, keep), limits.check)
        except RedAlignError:
            return
        assert image.ndim == 3

    @config
    @given(st.one_of(st.text(max_size=400), st.builds(lambda c, k: mangle(token.encode(), c, k), spots, st.just(1.0))))
    def tokens(given_token: str | bytes) -> None:
        text = given_token if isinstance(given_token, str) else given_token.decode("latin-1")
        try:
            opened = sealer.open(text, "ann", MODEL)
        except RedAlignError:
            return
        assert opened == state

    @config
    @given(st.one_of(st.binary(max_size=300), st.builds(lambda c, k: mangle(packed, c, k), spots, st.floats(0.1, 1))))
    def states(data: bytes) -> None:
        try:
            TrackerState.from_bytes(data)
        except ValueError:
            return

    message = pb.AlignStreamRequest(frame=pb.VideoFrame(encoded=b"x" * 20, time_s=1.0)).SerializeToString()

    @config
    @given(st.one_of(st.binary(max_size=300), st.builds(lambda c, k: mangle(message, c, k), spots, st.floats(0.1, 1))))
    def messages(data: bytes) -> None:
        try:
            pb.AlignStreamRequest.FromString(data).WhichOneof("request")
        except DecodeError:
            return

    first = b'{"type": "config", "max_faces": 2, "times": "client", "resume_token": "abc", "answers": "json"}'

    @config
    @given(st.one_of(st.text(max_size=300), st.builds(lambda c, k: mangle(first, c, k), spots, st.floats(0.1, 1))))
    def configs(data: str | bytes) -> None:
        with contextlib.suppress(InvalidRequest):
            read_config(data if isinstance(data, str) else data.decode("latin-1"))

    parts = {"frames": frames, "tokens": tokens, "states": states, "messages": messages, "configs": configs}
    return list(parts.items())


def main() -> int:
    """All of it; the exit status."""
    report, trouble = Report("fuzz"), []
    for name, check in parsers():
        try:
            check()
            failed = 0
        except Exception as error:
            failed = 1
            trouble.append(f"{name}: {error!r}")
        report.add(f"{name}: {CASES // 4} cases; other errors than our own", failed, 0)
    with tempfile.TemporaryDirectory() as folder:
        with running_server(TEMP_DIR=folder, MAX_UPLOAD_BYTES="20000000") as server:
            cases, failures, said = surface(server)
            trouble += [said[-4000:]] if failures or not cases else []
            report.add("HTTP cases from our own OpenAPI", cases)
            report.add("  failures, and surfaces without a case", failures + (cases == 0), 0)
            count, wrong = clips(server)
            trouble += wrong
            report.add("mangled clips", count)
            report.add("  answers that do not tell the truth", len(wrong), 0)
            report.add("server that died", float(server.process.poll() is not None), 0)
            report.add("tracebacks in its log", sum("Traceback" in line for line in server.lines), 0)
            if any("Traceback" in line for line in server.lines):
                trouble.append("".join(server.lines[-200:]))
        report.add("uploads left behind", len(list(Path(folder).iterdir())), 0)
    status = report.show()
    print("\n".join(trouble))
    return status


if __name__ == "__main__":
    sys.exit(main())
