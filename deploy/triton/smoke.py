"""Does a running Triton serve our repository as it must? ``python smoke.py HOST:PORT`` drives it and reports.

Needs tritonclient[grpc], numpy and pillow, and ``face.png`` beside this file. Prints one line a check and ends with
1 where one failed. Whatever the backend: points may differ by ``--tolerance`` pixels of the crop. A server that
others use may be checked too: at most 8 sequences run at once, unless ``--full`` asks for all of its places.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tritonclient.grpc import InferInput, InferRequestedOutput, aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

FRAMES, STREAMS, SIZE = 12, 8, 128
OUTPUTS = ("landmarks", "confidence", "memory")
TF32_HINT = (
    "this repository leaves TF32 on, which CUDA uses by itself: export it again, or start the server with "
    "NVIDIA_TF32_OVERRIDE=0"
)
Arrays = dict[str, np.ndarray]


class Skipped(Exception):
    """A check that would take too long here, and how to have it all the same."""


class Failed(Exception):
    """What the server did that it must not."""


class Smoke:
    """All checks against one server."""

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        self.client = aio.InferenceServerClient(url)
        self.options = options
        self.faces = moving_faces(np.asarray(Image.open(Path(__file__).parent / "face.png").convert("RGB")))

    async def prepare(self) -> None:
        """Read the configuration that the server runs with."""
        config = (await self.client.get_model_config("red")).config
        self.batching = config.sequence_batching
        parameters = {name: value.string_value for name, value in config.parameters.items()}
        self.memory = int(parameters["memory"])
        self.mean = np.array(parameters["mean_shape"].split(","), np.float32)
        self.max_batch = config.max_batch_size
        self.slots = self.batching.oldest.max_candidate_sequences or sum(
            group.count * self.max_batch for group in config.instance_group
        )
        self.tf32 = rounds_to_tf32(config, parameters.get("precision", "fp32"))
        print(
            f"red: {config.backend}, {parameters['preset']} of run {parameters['training_run']}, {self.slots} sequences"
        )

    async def infer(self, model: str, face: np.ndarray, prior: np.ndarray, resume: np.ndarray, **more: Any) -> Arrays:
        """One row through a model."""
        inputs = []
        for name, value in (("crop", face), ("prior", prior), ("resume", resume)):
            tensor = InferInput(name, [1, *value.shape], np_to_triton_dtype(value.dtype))
            tensor.set_data_from_numpy(np.ascontiguousarray(value[None]))
            inputs.append(tensor)
        outputs = [InferRequestedOutput(name) for name in OUTPUTS]
        answer = await self.client.infer(model, inputs, outputs=outputs, **more)
        return {name: answer.as_numpy(name)[0] for name in OUTPUTS}

    async def step(self, name: str, face: np.ndarray, prior: np.ndarray, resume: np.ndarray, **flags: Any) -> Arrays:
        """One step of a sequence."""
        return await self.infer("red", face, prior, resume, sequence_id=name, **flags)

    async def end(self, name: str) -> None:
        """END is a whole request."""
        await self.step(name, self.faces[0, 0], self.mean, self.fresh, sequence_end=True)

    @property
    def hint(self) -> str:
        """What else may explain points that differ."""
        return f" ({TF32_HINT})" if self.tf32 else ""

    @property
    def fresh(self) -> np.ndarray:
        """The memory of a new sequence."""
        return np.zeros(self.memory, np.float32)

    async def follow(self, stream: int, broken_with: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
        """Points [FRAMES, 2L] of a stream; in mid-stream it may be begun again with what is made of its memory."""
        first = await self.infer("red_acquire", self.faces[stream, 0], self.mean, self.fresh)
        name, prior, memory, points = new_name(), first["landmarks"], first["memory"], []
        for t, face in enumerate(self.faces[stream]):
            if broken := (broken_with is not None and t == FRAMES // 2):
                await self.end(name)
                name, memory = new_name(), broken_with(memory)
            out = await self.step(name, face, prior, memory, sequence_start=t == 0 or broken)
            prior, memory = out["landmarks"], out["memory"]
            points.append(prior)
        await self.end(name)
        return np.array(points)

    async def check_batches(self) -> str:
        """Streams side by side share batches and get the points of each alone."""
        self.alone = [await self.follow(i) for i in range(STREAMS)]
        before = await self.batches()
        together = await asyncio.gather(*(self.follow(i) for i in range(STREAMS)))
        worst = max(float(np.abs(a - b).max()) for a, b in zip(self.alone, together, strict=True))
        grown = {n: k - before.get(n, 0) for n, k in (await self.batches()).items()}
        require(worst <= self.options.tolerance, f"points differ by {worst:.4f} px from those alone{self.hint}")
        require(self.max_batch < 2 or any(k > 0 for n, k in grown.items() if n > 1), "no two sequences shared a batch")
        return f"{worst:.4f} px apart; batches {dict(sorted((n, k) for n, k in grown.items() if k))}"

    async def check_resume(self) -> str:
        """A sequence that is begun again with its memory goes on as if nothing had happened; without, it does not."""
        same = float(np.abs(await self.follow(0, lambda memory: memory) - self.alone[0]).max())
        without = float(np.abs(await self.follow(0, np.zeros_like) - self.alone[0]).max())
        require(same <= self.options.tolerance, f"points differ by {same:.4f} px after a resume{self.hint}")
        require(without > max(same, 1e-4), "memory makes no difference, so this proves nothing")
        return f"{same:.4f} px with its memory, {without:.3f} px without"

    async def check_start(self) -> str:
        """A sequence that was never started is refused."""
        return await self.refused(new_name(), "START")

    async def check_slots(self) -> str:
        """Places are given back by END, and a used one shows nothing of its last sequence."""
        again = await asyncio.gather(*(self.follow(i) for i in range(STREAMS)))
        worst = max(float(np.abs(a - b).max()) for a, b in zip(self.alone, again, strict=True))
        require(worst <= self.options.tolerance, f"points differ by {worst:.4f} px in a used place{self.hint}")
        return f"{worst:.4f} px apart"

    async def check_full(self) -> str:
        """A full server refuses a further sequence at once, and takes one when another ended."""
        if not self.options.full:
            raise Skipped(f"--full takes all {self.slots} places, so that others get none meanwhile")
        names = [new_name() for _ in range(self.slots)]
        face, start = self.faces[0, 0], {"sequence_start": True}
        for at in range(0, len(names), self.max_batch):
            await asyncio.gather(
                *(self.step(n, face, self.mean, self.fresh, **start) for n in names[at : at + self.max_batch])
            )
        late = new_name()
        try:
            await asyncio.wait_for(self.step(late, face, self.mean, self.fresh, timeout=500_000, **start), 30)
        except InferenceServerException as error:
            outcome = f"{error.status()}: {error.message()}"
        except TimeoutError:
            raise Failed("a full server lets a START wait, though it carries a timeout") from None
        else:
            raise Failed(f"more than {self.slots} sequences were admitted")
        await asyncio.gather(*(self.end(name) for name in names))
        await self.follow(0)
        return outcome

    async def check_idle(self) -> str:
        """A sequence that was idle for too long is forgotten, and says so."""
        idle_s = self.batching.max_sequence_idle_microseconds / 1e6
        if idle_s > self.options.idle:
            raise Skipped(f"the idle limit is {idle_s:g} s; --idle {idle_s:g} waits for it")
        name = new_name()
        await self.step(name, self.faces[0, 0], self.mean, self.fresh, sequence_start=True)
        await asyncio.sleep(idle_s + 2.0)
        return await self.refused(name, "START")

    async def refused(self, name: str, word: str) -> str:
        """The server refuses a step of this sequence with this word in its answer."""
        try:
            await self.step(name, self.faces[0, 0], self.mean, self.fresh)
        except InferenceServerException as error:
            require(word in error.message(), error.message())
            return str(error.message())
        raise Failed("it was not refused")

    async def batches(self) -> dict[int, int]:
        """How many batches of which size ``red`` has run."""
        stats = (await self.client.get_inference_statistics("red")).model_stats[0]
        return {batch.batch_size: batch.compute_infer.count for batch in stats.batch_stats}


def rounds_to_tf32(config: Any, precision: str) -> bool:
    """Whether ONNX Runtime's CUDA provider may round an fp32 graph to TF32, for all that the configuration says."""
    on_gpu = any(group.kind == group.KIND_GPU for group in config.instance_group)
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    off = any(one.name == "cuda" and one.parameters.get("use_tf32") == "0" for one in accelerators)
    return config.backend == "onnxruntime" and precision == "fp32" and on_gpu and not off


def moving_faces(picture: np.ndarray) -> np.ndarray:
    """Crops uint8 [STREAMS, FRAMES, SIZE, SIZE, 3]: windows of the picture that wander, each stream in its own way."""
    room = picture.shape[0] - SIZE
    out = np.empty((STREAMS, FRAMES, SIZE, SIZE, 3), np.uint8)
    for stream, frame in np.ndindex(STREAMS, FRAMES):
        x = int(room * (0.5 + 0.45 * np.sin(0.35 * frame + stream)))
        y = int(room * (0.5 + 0.45 * np.cos(0.25 * frame + 2 * stream)))
        out[stream, frame] = picture[y : y + SIZE, x : x + SIZE]
    return out


def require(true: bool, message: str) -> None:
    """Fail with the message unless it is true."""
    if not true:
        raise Failed(message)


def new_name() -> str:
    """A sequence's name: random, and never used twice."""
    return secrets.token_hex(16)


async def drive(url: str, options: argparse.Namespace) -> int:
    """All checks one after another; the number that failed."""
    smoke = Smoke(url, options)
    await smoke.prepare()
    checks: list[Callable[[], Awaitable[str]]] = [
        *(smoke.check_batches, smoke.check_resume, smoke.check_start),
        *(smoke.check_slots, smoke.check_full, smoke.check_idle),
    ]
    failed = 0
    for check in checks:
        try:
            outcome, word = await check(), "pass"
        except Skipped as reason:
            outcome, word = str(reason), "skip"
        except (Failed, InferenceServerException) as error:
            outcome, word, failed = str(error), "FAIL", failed + 1
        print(f"{word}  {check.__name__.removeprefix('check_'):<8} {outcome}", flush=True)
    await smoke.client.close()
    return failed


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="gRPC address of the server, HOST:PORT")
    parser.add_argument("--tolerance", type=float, default=0.01, help="pixels of the crop; fp16 needs about 0.3")
    parser.add_argument("--full", action="store_true", help="fill the server too: others find no place meanwhile")
    parser.add_argument("--idle", type=float, default=90.0, help="longest idle limit in seconds to wait for")
    options = parser.parse_args()
    return 1 if asyncio.run(drive(options.url, options)) else 0


if __name__ == "__main__":
    sys.exit(main())
