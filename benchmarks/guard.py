"""Has anything become slower? ``make bench-guard``, in CI after the tests.

Ratios alone, each of two things that are measured in turn in the same run, so that they depend neither on the speed of
the machine nor on that of the day: 640x480, one face, the server on one core and its client on another. All are of
processor time, which says the same where other work takes turns on the core (wall time does not, and not even its
ratios: who waits often is woken first), but for the round trip of a live frame, which must not wait either: the
quickest fifth of them. Kept numbers are in benchmarks/guard.json. A part fails where its ratio is 35 % worse than the
kept one in three tries in a row; then the exit status is 1. On a processor of another kind the ratios are others: they
are shown there, and judge nothing. After a change that was meant to move a ratio (a quicker
step makes all that is over a step look slower): ``python -m benchmarks.guard --record``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from benchmarks.support.clips import clip_of_size, frames_of
from benchmarks.support.common import Samples, cores, interleaved, machine, pin, ratio, table, write_report
from benchmarks.support.parts import Parts
from benchmarks.support.serving import ONE_CORE, Stream, server, upload
from tests.support.media import jpeg

KEPT = Path(__file__).with_name("guard.json")
SLACK = 0.35
TRIES, ROUNDS, FRAMES = 3, 5, 120
SIZE = (640, 480)
DETECT_SIZE = (320, 240)

DETECT, STEP, BATCH, ACQUIRE = "detection, 320x240", "network step", "step of a face in a batch of 8", "acquisition"
READ, TRACK, UPLOAD, LIVE = "decoding to RGB", "tracker's frame", "upload's frame", "live round trip"
RATIOS = {f"{over} / {under}": (over, under) for over, under in (
    (STEP, DETECT), (BATCH, STEP), (ACQUIRE, STEP), (READ, STEP), (TRACK, STEP), (UPLOAD, TRACK), (LIVE, TRACK)
)}  # fmt: skip
"""What is guarded: one of the measured things over another."""

Ratios = Mapping[str, float]


def worse(found: Ratios, kept: Ratios, slack: float = SLACK) -> set[str]:
    """The parts whose ratio is worse than the kept one by more than the slack.

    Raises:
        KeyError: Other parts were kept than were measured.
    """
    if found.keys() != kept.keys():
        raise KeyError(f"other parts are kept than measured: {sorted(found.keys() ^ kept.keys())}; use --record")
    return {name for name, value in found.items() if value > kept[name] * (1 + slack)}


def failing(measure: Callable[[], Ratios], kept: Ratios, tries: int = TRIES) -> tuple[set[str], list[Ratios]]:
    """Measure until no part was worse in all tries, or until there are no more tries.

    Args:
        measure: One try.
        kept: The numbers to compare with.
        tries: Tries in a row that a part must be worse in.

    Returns:
        The parts that were worse in all of them, none if all is well; and what each try found.
    """
    found: list[Ratios] = []
    suspects = set(kept)
    while suspects and len(found) < tries:
        found.append(measure())
        suspects &= worse(found[-1], kept)
    return suspects, found


def comparable(here: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether ratios of two machines (``machine()``) may be held against each other: on processors of one kind."""
    return bool(here["processor"] == there["processor"] and here["cores"] == there["cores"])


def ratios(samples: Samples) -> dict[str, float]:
    """What is guarded, from milliseconds."""
    return {name: ratio(samples, over, under) for name, (over, under) in RATIOS.items()}


def repeated(work: Callable[[], object], times: int) -> int:
    """Do something so many times; gives the number."""
    for _ in range(times):
        work()
    return times


@contextmanager
def measured(folder: Path) -> Iterator[Callable[[], Samples]]:
    """What measures milliseconds of everything, interleaved, with a server that stays between the tries."""
    core, other = cores()
    path = clip_of_size(folder / "clip.mp4", frames_of(None, FRAMES), SIZE, FRAMES)
    pin(other)
    cv2.setNumThreads(1)
    with Parts(path) as parts, server(folder, core, ONE_CORE) as running:
        pictures = [jpeg(image) for image in parts.images]
        small = np.asarray(cv2.resize(parts.images[0], DETECT_SIZE), np.uint8)

        def upload_ms() -> float:
            before = sum(running.cpu_s())
            answer = upload(running, path)
            assert answer.frames == FRAMES
            assert answer.faces > 0.9 * FRAMES, answer
            return (sum(running.cpu_s()) - before) / FRAMES * 1e3

        def live_ms() -> float:
            stream = Stream(running.grpc)
            times = [stream.ask(picture) for picture in pictures]
            stream.close()
            return 1e3 * float(np.percentile(times[10:], 20))

        works: dict[str, Callable[[], float]] = {
            DETECT: parts.cpu_ms(lambda: repeated(lambda: parts.detector.detect(small), 40)),
            STEP: parts.cpu_ms(parts.step),
            BATCH: parts.cpu_ms(lambda: 8 * repeated(lambda: parts.batch(8), 20)),
            ACQUIRE: parts.cpu_ms(lambda: repeated(parts.acquire, 30)),
            READ: parts.cpu_ms(parts.read),
            TRACK: parts.cpu_ms(lambda: len(parts.follow())),
            UPLOAD: upload_ms,
            LIVE: live_ms,
        }
        yield lambda: interleaved(works, ROUNDS)


def show(tries: Sequence[Ratios], kept: Ratios, failed: set[str]) -> str:
    """The table, and which part became slower."""
    header = ["part", "kept", "bound", *(f"try {i + 1}" for i in range(len(tries)))]
    rows = [(name, value, value * (1 + SLACK), *(found[name] for found in tries)) for name, value in kept.items()]
    lines = [table(header, rows)]
    for name in kept:
        if name in failed:
            least = min(found[name] for found in tries) / kept[name]
            lines.append(f"SLOWER: {name} is {100 * (least - 1):.0f} % or more above the kept number in all tries")
    return "\n".join(lines if failed else [*lines, "nothing became slower"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a part became slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the numbers of now (median of three tries)")
    options = parser.parse_args(arguments)
    described = machine()
    everything: list[Samples] = []
    with tempfile.TemporaryDirectory() as temp, measured(Path(temp)) as samples:

        def one_try() -> Ratios:
            everything.append(samples())
            return ratios(everything[-1])

        if options.record:
            tries: list[Ratios] = [one_try() for _ in range(TRIES)]
            kept = {name: round(median(found[name] for found in tries), 3) for name in RATIOS}
            KEPT.write_text(json.dumps({"machine": described, "ratios": kept}, indent=2) + "\n")
            failed: set[str] = set()
        else:
            record = json.loads(KEPT.read_text())
            kept = record["ratios"]
            failed, tries = failing(one_try, kept)
            if failed and not comparable(described, record["machine"]):
                print(f"the numbers were kept on {record['machine']['processor']}, this is {described['processor']}")
                failed = set()
    print(show(tries, kept, failed))
    write_report("guard", {"kept": kept, "tries": tries, "ms": everything, "failed": sorted(failed)}, described)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
