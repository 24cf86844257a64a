"""How a contestant talks to benchmarks/pipeline.py: JSON lines on stdin and stdout.

This and the contestants run in environments that have none of our packages: they import nothing of ours.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import av


def frames(path: str) -> Iterator[Any]:
    """A clip's frames, RGB uint8 [H, W, 3], decoded by PyAV in one thread."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="rgb24")


def serve(versions: dict[str, str], begin: Callable[[str], Callable[[], Iterator[int]]]) -> None:
    """Say what this is, then answer each ``{"clip": PATH}`` with seconds (of the clock and
    of the processor), frames and faces, until stdin ends.

    Args:
        versions: What was installed.
        begin: Prepares a clip (models, which are not timed); gives what is timed: an iterator of the number of faces
            in each frame, which decodes the clip as it goes.
    """
    core = int(sys.argv[1])
    os.sched_setaffinity(0, {core})
    # What libraries print of themselves must not get between the answers.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"versions": versions}), file=out, flush=True)
    for line in sys.stdin:
        run = begin(json.loads(line)["clip"])
        began, cpu = time.perf_counter(), time.process_time()
        faces = list(run())
        spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
        print(json.dumps(spent | {"frames": len(faces), "faces": sum(faces)}), file=out, flush=True)
