"""What does a frame cost from file to points, against MediaPipe and dlib? ``make bench-pipeline``

Milliseconds of one core a frame, decoding included: ``POST /align`` of a real server and ``red_align.track``, against
MediaPipe FaceMesh 0.10.21 and Face Landmarker 1.2.2 in video mode, each fed by PyAV, and dlib's 68 points in YuNet's
boxes. Each runs in a process of its own on the same core, where all its threads share that core (MediaPipe does not say
how many it has); the server's client is on another one. Decoders have one thread. Models are loaded before a round
begins, the first face is searched for within it. Times are wall times, rounds are interleaved, ratios are medians of
the rounds' ratios. The environments of the others are made under .venv-peers/ by the command itself (Python 3.11 or
3.12); where one cannot be made, its bars are not measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.support.clips import clip_of_size, frames_of
from benchmarks.support.common import ROOT, Samples, cores, interleaved, machine, pin, ratio, table, write_report
from benchmarks.support.serving import ONE_CORE, Server, server, upload
from red_align.tracking.detector import packaged_yunet

PEERS = ROOT / "benchmarks" / "peers"
ENVIRONMENTS = ROOT / ".venv-peers"
FACEMESH, LANDMARKER, DLIB = "FaceMesh 0.10.21", "Face Landmarker 1.2.2", "YuNet + dlib 68"
UPLOAD, LIBRARY = "POST /align", "red_align.track"
CODEC, DECODING, STEP = "decoding alone, not to RGB", "decoding alone", "network steps alone"
OTHERS = {FACEMESH: "facemesh", LANDMARKER: "landmarker", DLIB: "dlib68"}
"""The other contestants and their scripts."""
BARS = {
    "640x480": {FACEMESH: 1.2, LANDMARKER: 3.0},
    "1440x1080": {FACEMESH: 2.0, LANDMARKER: 2.0},
}
"""How many times as fast as each ours must be."""
FRAMES = {"640x480": 120, "1440x1080": 120, "1920x1080": 120, "3840x2160": 48}


@dataclass(frozen=True)
class Verdict:
    """Whether a bar is met: how many times as fast as a peer one of ours is, and must be."""

    size: str
    ours: str
    peer: str
    speedup: float | None
    bar: float
    processor: float | None = None
    """The same by processor time, which other work on the core touches less."""

    @property
    def met(self) -> bool | None:
        """None where it was not measured."""
        return None if self.speedup is None else self.speedup >= self.bar

    def __str__(self) -> str:
        word = {True: "met", False: "NOT met", None: "not measured"}[self.met]
        found = f"{self.speedup:.2f} times as fast" if self.speedup is not None else "no figure"
        if self.processor is not None:
            found += f" ({self.processor:.2f} by processor time)"
        return f"{self.size}: {self.ours} over {self.peer}: {found}, bar {self.bar:.1f}: {word}"


def verdicts(size: str, clock: Samples, cpu: Samples) -> list[Verdict]:
    """The bars of a size, judged by milliseconds a frame of each round, by the clock."""
    found = []
    for ours in (UPLOAD, LIBRARY):
        for peer, bar in BARS.get(size, {}).items():
            if peer in clock:
                found.append(Verdict(size, ours, peer, ratio(clock, peer, ours), bar, ratio(cpu, peer, ours)))
            else:
                found.append(Verdict(size, ours, peer, None, bar))
    return found


def environment(script: str, python: str) -> str | None:
    """The interpreter of a peer's environment, which is made where it is missing; None where it cannot be."""
    folder, wanted = ENVIRONMENTS / script, PEERS / f"{script}.txt"
    done, own = folder / ".done", folder / "bin" / "python"
    if done.exists() and done.read_text() == wanted.read_text():
        return str(own)
    print(f"making {folder.relative_to(ROOT)}", flush=True)
    pip = [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", str(wanted)]
    try:
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{script} is left out: {error}")
        return None
    done.write_text(wanted.read_text())
    return str(own)


class Contestant:
    """A contestant's process; see benchmarks/peers/wire.py."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        self.versions: dict[str, str] = self._answer()["versions"]

    def run(self, clip: Path) -> dict[str, Any]:
        """Seconds, frames and faces of a clip."""
        assert self._process.stdin is not None
        print(json.dumps({"clip": str(clip)}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def contestants(core: int, python: str, chosen: Sequence[str]) -> Iterator[dict[str, Contestant]]:
    """All that can be had, on one core; first those of this environment."""
    library = [sys.executable, "-m", "benchmarks.peers.tracker", str(core)]
    commands = {
        LIBRARY: [*library, "track"],
        CODEC: [*library, "codec"],
        DECODING: [*library, "decode"],
        STEP: [*library, "step"],
    }
    for name in chosen:
        own = environment(OTHERS[name], python)
        if own is not None:
            commands[name] = [own, "-m", f"benchmarks.peers.{OTHERS[name]}", str(core)]
    if DLIB in commands:
        commands[DLIB].append(str(packaged_yunet()))
    with ExitStack() as stack:
        found = {}
        for name, command in commands.items():
            found[name] = Contestant(command)
            stack.callback(found[name].close)
        yield found


def measure(
    clip: Path, frames: int, running: Server, others: dict[str, Contestant], rounds: int
) -> tuple[Samples, Samples]:
    """Milliseconds a frame of all on one clip: of the clock, and of the processor."""
    cpu: Samples = {name: [] for name in (UPLOAD, *others)}

    def uploaded() -> float:
        before = sum(running.cpu_s())
        answer = upload(running, clip)
        cpu[UPLOAD].append((sum(running.cpu_s()) - before) / frames * 1e3)
        assert answer.frames == frames, answer
        assert answer.faces > 0.9 * frames, answer
        return answer.seconds / frames * 1e3

    def other(name: str) -> float:
        answer = others[name].run(clip)
        assert answer["frames"] == frames, (name, answer)
        assert name in (CODEC, DECODING) or answer["faces"] > 0.9 * frames, (name, answer)
        cpu[name].append(float(answer["cpu_s"]) / frames * 1e3)
        return float(answer["seconds"]) / frames * 1e3

    works = {UPLOAD: uploaded} | {name: lambda name=name: other(name) for name in others}
    clock = interleaved(works, rounds)
    return clock, {name: values[-rounds:] for name, values in cpu.items()}


def disturbed(clock: Samples, cpu: Samples) -> str:
    """A warning where others took the core from what was measured: the clock ran on, the processor's time did not."""
    over = median(a / b for name in clock for a, b in zip(clock[name], cpu[name], strict=True))
    return (
        f"DISTURBED: the clock ran {over:.2f} times as long as the processor; only the least count"
        if over > 1.1
        else ""
    )


def print_size(size: str, clock: Samples, cpu: Samples) -> None:
    """The table of a size."""
    rows: list[tuple[str, float, float, float, float, float]] = []
    for name, values in clock.items():
        ours = (ratio(clock, name, UPLOAD), ratio(clock, name, LIBRARY))
        rows.append((name, median(values), min(values), median(cpu[name]), *ours))
    print("\n" + table([size, "ms", "least", "processor", f"over {UPLOAD}", f"over {LIBRARY}"], rows), flush=True)
    if warning := disturbed(clock, cpu):
        print(warning)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, help="a clip of one face; by default the car phone clip")
    parser.add_argument("--size", action="append", choices=FRAMES, help="a size, several times; by default all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", action="append", default=[], choices=OTHERS.values(), help="leave a peer out")
    parser.add_argument("--peer-python", default=sys.executable, help="makes the peers' environments: 3.11 or 3.12")
    options = parser.parse_args()
    described, (core, other) = machine(), cores()
    frames = frames_of(options.clip, max(FRAMES.values()))
    chosen = [name for name, script in OTHERS.items() if script not in options.without]
    found: dict[str, tuple[Samples, Samples]] = {}
    with tempfile.TemporaryDirectory() as temp, contestants(core, options.peer_python, chosen) as others:
        pin(other)
        with server(Path(temp), core, ONE_CORE) as running:
            for size in options.size or FRAMES:
                width, height = (int(value) for value in size.split("x"))
                clip = clip_of_size(Path(temp) / f"{size}.mp4", frames, (width, height), FRAMES[size])
                found[size] = measure(clip, FRAMES[size], running, others, options.rounds)
                print_size(size, *found[size])
        versions = {name: contestant.versions for name, contestant in others.items()}
    judged = [verdict for size, both in found.items() for verdict in verdicts(size, *both)]
    print("\n" + "\n".join(str(verdict) for verdict in judged))
    name = "-".join(["pipeline", *(options.size or [])])
    bars = [asdict(verdict) | {"met": verdict.met} for verdict in judged]
    clip_name = options.clip.name if options.clip else "car phone"
    values: dict[str, Any] = {"clip": clip_name, "frames": FRAMES, "versions": versions, "bars": bars}
    values |= {"ms_a_frame": {size: {"clock": clock, "processor": cpu} for size, (clock, cpu) in found.items()}}
    write_report(name, values, described)


if __name__ == "__main__":
    main()
