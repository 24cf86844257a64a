"""Live clients for the proofs: each sends the car phone clip's frames, and knows what was answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import numpy as np
from numpy.typing import NDArray

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.support.media import carphone_frames, jpeg

RATE = 30.0
_ENCODED: list[bytes] = []


def frame(index: int) -> pb.AlignStreamRequest:
    """Frame ``index`` of the clip, again and again, as a JPEG."""
    if not _ENCODED:
        _ENCODED.extend(jpeg(image) for image in carphone_frames())
    return pb.AlignStreamRequest(frame=pb.VideoFrame(encoded=_ENCODED[index % len(_ENCODED)], time_s=index / RATE))


@dataclass
class Client:
    """One stream that can go on elsewhere; ``answers`` holds every answer by the index of its frame."""

    key: str = ""
    interval_s: float = 1.0 / RATE
    flow: pb.Flow = pb.FLOW_BLOCK
    resume_every: int = 5
    answers: dict[int, list[pb.FrameResult]] = field(default_factory=dict)
    waits_s: list[float] = field(default_factory=list)
    token: str = ""
    next_index: int = 0
    ended: pb.StreamEnd | None = None

    async def run(self, address: str, stop: int) -> None:
        """Send frames up to ``stop`` from where the last token stands; raises grpc.RpcError where the call breaks."""
        sent: dict[int, float] = {}
        metadata = [("x-api-key", self.key)] if self.key else []

        async def requests() -> AsyncIterator[pb.AlignStreamRequest]:
            yield pb.AlignStreamRequest(
                config=pb.StreamConfig(resume_token=self.token, resume_every=self.resume_every, flow=self.flow)
            )
            began = time.monotonic()
            for number, index in enumerate(range(self.next_index, stop)):
                await asyncio.sleep(max(0.0, began + number * self.interval_s - time.monotonic()))
                sent[index] = time.monotonic()
                yield frame(index)

        async with grpc.aio.insecure_channel(address) as channel:
            call = pb_grpc.FaceLandmarkServiceStub(channel).AlignStream(requests(), metadata=metadata)
            async for response in call:
                if response.WhichOneof("event") == "frame":
                    result = response.frame
                    self.answers.setdefault(result.index, []).append(result)
                    self.waits_s.append(time.monotonic() - sent[result.index])
                    if result.resume_token:
                        self.token, self.next_index = result.resume_token, result.index + 1
                elif response.WhichOneof("event") == "end":
                    self.ended = response.end

    def points(self, index: int) -> NDArray[np.float64]:
        """The last answer's points of a frame with one face."""
        return np.array(self.answers[index][-1].faces[0].landmarks, np.float64)


def p99(seconds: list[float]) -> float:
    """99th percentile."""
    return float(np.percentile(seconds, 99)) if seconds else float("nan")
