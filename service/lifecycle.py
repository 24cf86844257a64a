"""Start and end of a data plane: ready means that real sequences and a detection worked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

import numpy as np

from red_align.contract import CROP_SIZE
from red_align.engine.base import Array, Engine, ModelInfo, StepRequest
from red_align.engine.providers import int8_instructions
from red_align.errors import Overloaded
from service.dataplane import DataPlane
from service.streams.uploads import prepare_folder

log = logging.getLogger(__name__)
_BLANK = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)


async def start(dataplane: DataPlane) -> None:
    """Reach the model, serve real sequences and one detection; ready only after all worked.

    Args:
        dataplane: A new one.

    Raises:
        ModelMismatch: The model keeps another contract.
        ConfigurationError: The folder of uploads cannot be written to.
    """
    await asyncio.get_running_loop().run_in_executor(dataplane.clip_threads, _start, dataplane)
    dataplane.ready = True
    for line in engine_lines(dataplane.engine.info):
        log.info("%s", line)


def engine_lines(info: ModelInfo) -> Iterator[str]:
    """What the log says of an engine that is ready.

    Args:
        info: Of the loaded model.

    Yields:
        The model, where it runs, and, for one in this process, whether the CPU has instructions for int8.
    """
    where = f" on {', '.join(info.providers)}" if info.providers else ""
    yield (
        f"ready: {info.preset} from run {info.training_run}, {info.scheme.name}, {info.engine}, {info.precision}{where}"
    )
    if info.engine == "embedded":
        found = int8_instructions()
        names = "unknown" if found is None else ", ".join(found) or "none, int8 gains nothing here"
        yield f"instructions of this CPU for int8: {names}"


async def close(dataplane: DataPlane) -> None:
    """Stop; requests under way are refused their next step."""
    dataplane.ready = False
    await asyncio.get_running_loop().run_in_executor(None, _close, dataplane)


def _start(dataplane: DataPlane) -> None:
    settings = dataplane.settings
    prepare_folder(settings.temp_dir)
    dataplane.engine.start()
    serve_sequences(dataplane.engine, settings.engine_max_batch)
    dataplane.detector.detect(_BLANK)
    dataplane.decoders.warm_up(settings.decode_spare)


def _close(dataplane: DataPlane) -> None:
    dataplane.sources.close()
    dataplane.engine.close()
    dataplane.decoders.close()
    for threads in (dataplane.live_threads, dataplane.clip_threads):
        threads.shutdown(wait=True)


def serve_sequences(engine: Engine, most: int, pause_s: float = 1.0) -> None:
    """Serve 1, 2, 4 and more real sequences at once: a loaded model may still fail at its first sequence or batch.

    Args:
        engine: It was started.
        most: Sequences at once, at most; fewer where it has no more slots.
        pause_s: Seconds before another try where all slots are taken by others.

    Raises:
        RedAlignError: What the engine raised, but Overloaded.
    """
    together = 1
    while together <= most:
        names = [f"warm-up-{i}" for i in range(together)]
        try:
            for start in (True, False):
                _step_all(engine, names, start=start)
            together *= 2
        except Overloaded as error:
            if together > 1:  # The engine has no more slots than that.
                break
            log.warning("not ready yet: %s", error)
            time.sleep(pause_s)
        finally:
            for name in names:
                engine.end(name)


def _step_all(engine: Engine, names: list[str], *, start: bool) -> None:
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    memories: list[Array | None] = [None] * len(names)
    if start:
        found = [engine.submit(StepRequest(_BLANK, prior)) for _ in names]
        memories = [future.result().memory for future in found]
    pairs = zip(names, memories, strict=True)
    steps = [engine.submit(StepRequest(_BLANK, prior, memory, name, start)) for name, memory in pairs]
    for step in steps:
        step.exception()  # All of them end before any name is used again.
    for step in steps:
        step.result()
