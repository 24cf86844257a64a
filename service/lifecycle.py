"""Start and end of a data plane: ready means that real sequences and a detection worked."""

from __future__ import annotations

import asyncio
import logging
import time

import numpy as np

from red_align.contract import CROP_SIZE
from red_align.engine.base import Array, Engine, StepRequest
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
    info = dataplane.engine.info
    log.info("ready: %s from run %s, %s, %s", info.preset, info.training_run, info.scheme.name, info.engine)


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
    dataplane.engine.close()
    dataplane.parts_engine.close()
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
