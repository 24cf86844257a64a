"""The parts of a frame, each run by itself, for benchmarks/budget.py and benchmarks/guard.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

import av
import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.support.common import children_cpu_s, cpu_s
from red_align import contract
from red_align.crop import crop_face
from red_align.engine.base import StepRequest, StepResult
from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.onnx_graph import OnnxGraph
from red_align.formats.json_text import NdjsonWriter
from red_align.frames import Frame, FrameResult
from red_align.media.decode_pool import DecodePool
from red_align.media.images import decode_frame
from red_align.media.reader import DecodeLimits, open_media
from red_align.tracking.detector import YuNetDetector
from red_align.tracking.rules import region_from_landmarks
from red_align.tracking.tracker import Tracker
from red_align.v1 import face_landmarks_pb2 as pb
from service.api.rpc.convert import frame_message
from service.config.settings import MODEL_FOLDER, Settings

LIMITS = DecodeLimits(threads=1)
Work = Callable[[], float]


class Parts:
    """A clip, its frames, what a tracker found in them, and an engine; all with one thread each.

    Args:
        path: A clip in whose every frame one face is followed.
        most: Most frames of it.
    """

    def __init__(self, path: Path, most: int = 10_000) -> None:
        self.path = path
        reader = open_media(path, LIMITS)
        self.images = [np.array(frame.image) for frame in reader.frames() if frame.image is not None][:most]
        reader.close()
        self.engine = OnnxEngine(MODEL_FOLDER, threads=1)
        self.graph = OnnxGraph(MODEL_FOLDER / "red.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, 1)
        self._acquire = OnnxGraph(
            MODEL_FOLDER / "red_acquire.onnx", contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS, 1
        )
        self.detector = YuNetDetector()
        self.pool = DecodePool(memory_bytes=Settings().decode_memory_bytes)
        self.pool.warm_up()
        self.results = self.follow()
        assert sum(len(result.faces) for result in self.results) > 0.9 * len(self.images), "the face was lost"
        scheme = self.engine.info.scheme
        found = [result.faces[0].landmarks.points for result in self.results if result.faces]
        self.regions = [region_from_landmarks(points, scheme) for points in found]
        self.crops = [crop_face(image, region) for image, region in zip(self.images, self.regions, strict=False)]
        self.prior = scheme.mean_shape.astype(np.float32)
        memory = np.zeros((1, self.graph.info.memory_size), np.float32)
        self._base: dict[str, NDArray[np.generic]] = {
            contract.PRIOR: self.prior.reshape(1, -1),
            contract.START: np.zeros((1, 1), np.float32),
            contract.RESUME: memory,
            contract.STATE: memory,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()
        self.engine.close()

    def decode(self) -> int:
        """The file's frames, as the codec gives them."""
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            return sum(1 for _ in container.decode(stream))

    def read(self) -> int:
        """The file's frames as RGB."""
        reader = open_media(self.path, LIMITS)
        count = sum(1 for _ in reader.frames())
        reader.close()
        return count

    def read_planes(self) -> int:
        """The file by the reader, frames in the decoder's planes."""
        reader = open_media(self.path, LIMITS)
        count = sum(1 for _ in reader.frames(planes=True))
        reader.close()
        return count

    def read_isolated(self) -> int:
        """The same from a process of its own."""
        return sum(1 for _ in self.pool.open_media(self.path, LIMITS, planes=True).frames(planes=True))

    def crop(self) -> int:
        """The crop of each frame's face."""
        for image, region in zip(self.images, self.regions, strict=False):
            crop_face(image, region)
        return len(self.regions)

    def step(self) -> int:
        """The network's step of each crop, without an engine."""
        for crop in self.crops:
            self.graph.run(self._base | {contract.CROP: crop[None]})
        return len(self.crops)

    def batch(self, faces: int) -> None:
        """One step of so many faces in one network call."""
        tensors = {name: np.repeat(value, faces, axis=0) for name, value in self._base.items()}
        self.graph.run(tensors | {contract.CROP: np.stack((self.crops * faces)[:faces])})

    def acquire(self) -> None:
        """One acquisition, without an engine."""
        names = (contract.PRIOR, contract.RESUME)
        self._acquire.run({name: self._base[name] for name in names} | {contract.CROP: self.crops[0][None]})

    def engine_step(self) -> int:
        """The same through an engine, as a tracker asks it."""
        memory = None
        for index, crop in enumerate(self.crops):
            request = StepRequest(crop, self.prior, memory, "budget", index == 0)
            (answer,) = self.engine.run([request])
            assert isinstance(answer, StepResult), answer
            memory = answer.memory
        self.engine.end("budget")
        return len(self.crops)

    def follow(self) -> list[FrameResult]:
        """A tracker over all frames."""
        with Tracker(engine=self.engine, detector=self.detector) as tracker:
            return [tracker.process(Frame(i, i / 30, image)) for i, image in enumerate(self.images)]

    def first_faces(self, count: int = 5) -> int:
        """The first frame of so many trackers: detection and acquisition."""
        for _ in range(count):
            with Tracker(engine=self.engine, detector=self.detector) as tracker:
                tracker.process(Frame(0, 0.0, self.images[0]))
        return count

    def decode_jpegs(self, pictures: list[bytes]) -> int:
        """Each JPEG as RGB."""
        for picture in pictures:
            decode_frame(picture, LIMITS.check)
        return len(pictures)

    def decode_isolated(self, pictures: list[bytes]) -> int:
        """The same in a process of its own."""
        for picture in pictures:
            with self.pool.begin_frame(picture, LIMITS) as frame:
                frame.image()
        return len(pictures)

    def lines(self) -> int:
        """Each result as a line of NDJSON."""
        writer = NdjsonWriter(self.engine.info.scheme)
        for result in self.results:
            writer.frame(result)
        return len(self.results)

    def messages(self, pictures: list[bytes]) -> int:
        """Each request parsed and each result as a message's bytes."""
        for picture, result in zip(pictures, self.results, strict=True):
            request = pb.AlignStreamRequest(frame=pb.VideoFrame(time_s=result.time_s, encoded=picture))
            pb.AlignStreamRequest.FromString(request.SerializeToString())
            pb.AlignStreamResponse(frame=frame_message(result)).SerializeToString()
        return len(self.results)

    def cpu_ms(self, work: Callable[[], int]) -> Work:
        """Processor milliseconds of a frame: of this process, and of its decoding process where there is one."""

        def used() -> float:
            return cpu_s() + children_cpu_s(psutil.Process(), "red_align.media.decode_worker")

        def measured() -> float:
            before = used()
            count = work()
            return (used() - before) / count * 1e3

        return measured

    def works(self, pictures: list[bytes], upload: str, live: str) -> dict[str, Work]:
        """The runs that benchmarks/budget.py names, in processor milliseconds a frame."""
        count = len(self.images)
        first, all_frames = self.cpu_ms(self.first_faces), self.cpu_ms(lambda: len(self.follow()))
        first_ms = 0.0

        def first_face() -> float:
            nonlocal first_ms
            first_ms = first()
            return first_ms / count

        def tracker() -> float:  # runs after first_face
            return (all_frames() * count - first_ms) / (count - 1)

        return {
            "decode file": self.cpu_ms(self.decode),
            "read file": self.cpu_ms(self.read_planes),
            "read file, own process": self.cpu_ms(self.read_isolated),
            "decode jpeg": self.cpu_ms(lambda: self.decode_jpegs(pictures)),
            "decode jpeg, own process": self.cpu_ms(lambda: self.decode_isolated(pictures)),
            "first face": first_face,
            "crop": self.cpu_ms(self.crop),
            "step": self.cpu_ms(self.step),
            "engine": self.cpu_ms(self.engine_step),
            "tracker": tracker,
            f"serialise, {upload}": self.cpu_ms(self.lines),
            f"serialise, {live}": self.cpu_ms(lambda: self.messages(pictures)),
        }
