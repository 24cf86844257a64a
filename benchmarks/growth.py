"""What grows with a clip's length, its faces and its size? ``make bench-growth``

Uploads to a real server that has all cores: clips of 10 s to 30 minutes (240p), 1 to 8 faces in one picture, and 240p
to 2160p with one face. With the length neither the processor time of a frame may grow nor the peak of the resident size
of all the server's processes. Sizes and numbers of faces are interleaved, lengths follow one another, each to a server
of its own. ``--part`` chooses.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.support.clips import RATE, clip_of_size, frames_of, repeated_clip, several_faces
from benchmarks.support.common import interleaved, machine, table, write_report
from benchmarks.support.serving import Server, server, upload

LENGTHS_S = (10, 60, 300, 1800)
FACES = (1, 2, 3, 4, 6, 8)
SIZES = {"240p": (426, 240), "480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
FRAMES = 90
TURN_FRAMES = 150
"""Frames after which a long clip repeats itself: 5 s."""
LINEAR, FLAT = 1.15, 1.10
"""Bounds of the longest clip over the second shortest: time a frame, peak resident size."""


@dataclass
class Peak:
    """The largest resident size so far, bytes."""

    value: int = 0


@contextmanager
def watched(running: Server, every_s: float = 0.1) -> Iterator[Peak]:
    """Watch the resident size of a server's processes."""
    peak, stop = Peak(), threading.Event()

    def watch() -> None:
        while not stop.wait(every_s):
            peak.value = max(peak.value, running.resident_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def growth(values: Mapping[float, float]) -> tuple[float, float]:
    """The straight line through figures: what is there at 0, and what each unit adds (least squares)."""
    slope, start = np.polyfit(list(values), list(values.values()), 1)
    return float(start), float(slope)


def lengths(folder: Path, clip: Path | None) -> dict[str, object]:
    """The table of lengths."""
    frames = frames_of(clip, TURN_FRAMES // 2 + 1)
    path = folder / "long.mp4"
    rows: list[tuple[str, int, float, float, float]] = []
    for seconds in LENGTHS_S:
        repeated_clip(path, frames, SIZES["240p"], seconds * RATE // TURN_FRAMES)
        with server(folder, None, {}) as running:
            upload(running, repeated_clip(folder / "warm.mp4", frames, SIZES["240p"], 1))
            before = sum(running.cpu_s())
            with watched(running) as peak:
                answer = upload(running, path)
            used = sum(running.cpu_s()) - before
        assert answer.frames == seconds * RATE, answer
        assert answer.faces > 0.9 * answer.frames, answer
        ms = (1e3 * answer.seconds / answer.frames, 1e3 * used / answer.frames)
        rows.append((f"{seconds} s", answer.frames, *ms, peak.value / 2**20))
        print(f"{seconds} s of 240p: {answer.seconds:.1f} s", flush=True)
    (last, *_, last_ms, last_mib), (base, *_, base_ms, base_mib) = rows[-1], rows[1]
    over = {"processor time a frame": (last_ms / base_ms, LINEAR), "peak resident size": (last_mib / base_mib, FLAT)}
    print("\n" + table(["length", "frames", "ms a frame", "processor ms a frame", "peak MiB"], rows))
    for what, (value, bound) in over.items():
        print(f"{what}, {last} over {base}: {value:.2f} (bound {bound}): {'met' if value <= bound else 'NOT met'}")
    return {"rows": rows, "over": {what: value for what, (value, _) in over.items()}}


def faces(folder: Path, clip: Path | None, rounds: int) -> dict[str, object]:
    """The table of faces."""
    frames = frames_of(clip, 120)
    paths = {n: several_faces(folder / f"{n}.mp4", frames, n, FRAMES) for n in FACES}
    with server(folder, None, {}) as running:

        def measured(n: int) -> float:
            answer = upload(running, paths[n], n)
            assert answer.faces > 0.9 * n * answer.frames, (n, answer)
            return 1e3 * answer.seconds / answer.frames

        samples = interleaved({str(n): lambda n=n: measured(n) for n in FACES}, rounds)  # type: ignore[misc]
    ms = {float(n): median(samples[str(n)]) for n in FACES}
    start, slope = growth(ms)
    print("\n" + table(["faces (1408x576)", "ms a frame", "ms a face"], [(int(n), v, v / n) for n, v in ms.items()]))
    print(f"{start:.2f} ms a frame and {slope:.2f} ms for each face")
    return {"ms_a_frame": samples, "start_ms": start, "ms_each_face": slope}


def sizes(folder: Path, clip: Path | None, rounds: int) -> dict[str, object]:
    """The table of sizes."""
    frames = frames_of(clip, FRAMES)
    paths = {name: clip_of_size(folder / f"{name}.mp4", frames, size, FRAMES) for name, size in SIZES.items()}
    warm = clip_of_size(folder / "warm.mp4", frames, SIZES["240p"], 8)
    resident: dict[str, float] = {}
    with server(folder, None, {}) as running:

        def measured(name: str) -> float:
            upload(running, warm)  # A process that decoded 2160p is not kept: the next one's start is not this size's.
            with watched(running, 0.05) as peak:
                answer = upload(running, paths[name])
            resident[name] = max(resident.get(name, 0.0), peak.value / 2**20)
            assert answer.faces > 0.9 * answer.frames, (name, answer)
            return 1e3 * answer.seconds / answer.frames

        samples = interleaved({name: lambda name=name: measured(name) for name in SIZES}, rounds)  # type: ignore[misc]
    megapixels = {name: width * height / 1e6 for name, (width, height) in SIZES.items()}
    ms = {name: median(values) for name, values in samples.items()}
    start, slope = growth({megapixels[name]: value for name, value in ms.items()})
    rows = [(name, megapixels[name], value, resident[name]) for name, value in ms.items()]
    print("\n" + table(["size", "megapixels", "ms a frame", "peak MiB"], rows))
    print(f"{start:.2f} ms a frame and {slope:.2f} ms for each megapixel")
    return {"ms_a_frame": samples, "start_ms": start, "ms_each_megapixel": slope, "peak_mib": resident}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, help="a clip of one face; by default the car phone clip")
    parser.add_argument("--part", action="append", choices=("lengths", "faces", "sizes"), help="by default all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    described = machine()
    chosen = options.part or ["lengths", "faces", "sizes"]
    report: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temp:
        if "lengths" in chosen:
            report["lengths"] = lengths(Path(temp), options.clip)
        if "faces" in chosen:
            report["faces"] = faces(Path(temp), options.clip, options.rounds)
        if "sizes" in chosen:
            report["sizes"] = sizes(Path(temp), options.clip, options.rounds)
    write_report("-".join(["growth", *(options.part or [])]), report, described)


if __name__ == "__main__":
    main()
