"""Where does a frame's time go? ``make bench-budget``

Processor milliseconds a frame (640x480, one face), for an upload and for a live stream of JPEGs that waits for each
answer. The whole is what a real server's processes use on a core of their own. Its parts are the same functions run by
themselves, each part being the difference between two runs of which one does one thing more: reading a file over
decoding it is the conversion to RGB, an engine's request over its network call is the queue, and what is left of the
server's time is threads, event loop and wire. Rounds are interleaved, figures are medians. The picture is
out/bench/budget.png.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import cv2

from benchmarks.support.clips import clip_of_size, frames_of, there_and_back
from benchmarks.support.common import OUT, Samples, cores, interleaved, machine, pin, table, write_report
from benchmarks.support.parts import Parts
from benchmarks.support.picture import draw
from benchmarks.support.serving import ONE_CORE, Server, Stream, server, upload
from tests.support.media import jpeg

FRAMES, ROUNDS = 238, 7
BAR_SHARE, BAR_MS = 0.15, 0.5
"""Most that may come on top of decoding, crop and step: as a share of them, and in milliseconds."""
UPLOAD, LIVE = "upload", "live frame"
LADDERS = {
    UPLOAD: ("decode file", "read file", "read file, own process"),
    LIVE: ("decode jpeg", "decode jpeg, own process"),
}
"""Runs of which each does what the one before does, and more."""
CONVERT = "reader"
NAMES = {
    UPLOAD: ("decode", CONVERT, "own process"),
    LIVE: ("decode", "own process"),  # libjpeg's decoding ends with the conversion
}


@dataclass(frozen=True)
class Budget:
    """A frame's parts in milliseconds, in the order in which they come, and the whole."""

    parts: dict[str, float]
    whole: float

    def overhead(self, *more: str) -> tuple[float, float]:
        """What comes on top of decode, crop, step (and the parts ``more``): as a share of them, and in milliseconds."""
        floor = sum(self.parts[name] for name in ("decode", "crop", "step", *more))
        return (self.whole - floor) / floor, self.whole - floor


def budget(kind: str, ms: Mapping[str, float]) -> Budget:
    """The parts of a kind of frame, from the milliseconds of the runs."""
    runs = LADDERS[kind]
    values = [ms[runs[0]], *(ms[b] - ms[a] for a, b in pairwise(runs))]
    parts = dict(zip(NAMES[kind], values, strict=True))
    parts["detect, acquire"] = ms["first face"]
    parts["crop"] = ms["crop"]
    parts["queue"] = ms["engine"] - ms["step"]
    parts["step"] = ms["step"]
    parts["rules"] = ms["tracker"] - ms["crop"] - ms["engine"]
    parts["serialise"] = ms[f"serialise, {kind}"]
    whole = ms[kind]
    parts["threads, loop, wire"] = whole - sum(parts.values())
    return Budget(parts, whole)


def describe(title: str, found: Budget) -> str:
    """The table of a kind of frame, and whether the bars are met."""
    rows = [(name, value, 100 * value / found.whole) for name, value in found.parts.items()]
    lines = [table([title, "ms", "%"], [*rows, ("whole", found.whole, 100.0)])]
    floors: dict[str, tuple[str, ...]] = {"decode + crop + step": ()}
    if CONVERT in found.parts:
        floors["decode + reader + crop + step"] = (CONVERT,)
    for floor, more in floors.items():
        share, over = found.overhead(*more)
        met = "met" if share <= BAR_SHARE and over <= BAR_MS else "NOT met"
        bars = f"{100 * share:.0f} % (bar {100 * BAR_SHARE:.0f} %), {over:.2f} ms (bar {BAR_MS})"
        lines.append(f"beyond {floor}: {bars}: {met}")
    return "\n".join(lines)


def server_work(running: Server, work: Callable[[], int]) -> Callable[[], float]:
    """Processor milliseconds a frame that a server uses for work that gives its number of frames."""

    def measured() -> float:
        before = sum(running.cpu_s())
        count = work()
        return (sum(running.cpu_s()) - before) / count * 1e3

    return measured


def measure(folder: Path, clip: Path | None, size: tuple[int, int], rounds: int) -> tuple[Samples, Samples]:
    """Milliseconds a frame of each run, and seconds of live round trips, one a round."""
    core, other = cores()
    frames = frames_of(clip, FRAMES // 2 + 1)
    path = clip_of_size(folder / "clip.mp4", frames, size, FRAMES)
    trips: Samples = {"round trip, ms": []}
    pin(other)
    cv2.setNumThreads(1)
    with Parts(path) as parts, server(folder, core, ONE_CORE) as running:
        pictures = [jpeg(image) for image in parts.images]
        order = list(there_and_back(len(pictures), 2 * len(pictures)))

        def uploaded() -> int:
            answer = upload(running, path)
            assert answer.faces > 0.9 * answer.frames, answer
            return answer.frames

        def live() -> int:
            stream = Stream(running.grpc)
            trips["round trip, ms"].append(1e3 * median(stream.ask(pictures[i]) for i in order[:FRAMES]))
            stream.close()
            return FRAMES

        works = parts.works(pictures, UPLOAD, LIVE)
        works[UPLOAD] = server_work(running, uploaded)
        works[LIVE] = server_work(running, live)
        samples = interleaved(works, rounds)
    return samples, trips


def main() -> None:
    """Print the tables and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, help="a clip of one face; by default the car phone clip")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    described = machine()
    width, height = (int(value) for value in options.size.split("x"))
    with tempfile.TemporaryDirectory() as temp:
        samples, trips = measure(Path(temp), options.clip, (width, height), options.rounds)
    ms = {name: median(values) for name, values in samples.items()}
    budgets = {kind: budget(kind, ms) for kind in (UPLOAD, LIVE)}
    report: dict[str, object] = {"size": options.size, "frames": FRAMES, "runs_ms": samples, **trips}
    for kind, found in budgets.items():
        print("\n" + describe(f"{kind}, {options.size}", found))
        report[kind] = {"parts_ms": found.parts, "whole_ms": found.whole, "overhead": found.overhead()}
    print(f"\nround trip of a live frame, client's time included: {median(trips['round trip, ms']):.2f} ms")
    OUT.mkdir(parents=True, exist_ok=True)
    draw({kind: found.parts for kind, found in budgets.items()}, options.size, OUT / "budget.png")
    write_report("budget", report, described)


if __name__ == "__main__":
    main()
