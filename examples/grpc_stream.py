"""Live frames over gRPC: ``python examples/grpc_stream.py SOURCE [127.0.0.1:8081]`` sends frames as JPEG.

SOURCE is a clip, the number of a camera (0), or an address that OpenCV opens (rtsp://...); ``RED_GRPC_PORT`` gives
another port.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import cv2
import grpc

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as rpc


def requests(path: str) -> Iterator[pb.AlignStreamRequest]:
    """The config, then every frame with its time: a clip's own, else that of this machine's clock."""
    is_live = path.isdigit() or "://" in path
    flow = pb.FLOW_LATEST if is_live else pb.FLOW_BLOCK
    yield pb.AlignStreamRequest(config=pb.StreamConfig(max_faces=1, flow=flow))
    video, began = cv2.VideoCapture(int(path) if path.isdigit() else path), time.monotonic()
    while True:
        ok, frame = video.read()
        if not ok:
            break
        _, jpeg = cv2.imencode(".jpg", frame)
        time_s = time.monotonic() - began if is_live else max(video.get(cv2.CAP_PROP_POS_MSEC), 0.0) / 1000
        yield pb.AlignStreamRequest(frame=pb.VideoFrame(encoded=jpeg.tobytes(), time_s=time_s))


def main() -> None:
    """Print a line a frame."""
    address = sys.argv[2] if len(sys.argv) > 2 else f"127.0.0.1:{os.environ.get('RED_GRPC_PORT', '8081')}"
    with grpc.insecure_channel(address) as channel:
        for response in rpc.FaceLandmarkServiceStub(channel).AlignStream(requests(sys.argv[1])):
            if response.WhichOneof("event") == "end":
                print(f"{response.end.frame_count} frames")
                continue
            frame = response.frame
            faces = [f"#{f.track_id} nose at {f.landmarks[60]:.1f}, {f.landmarks[61]:.1f}" for f in frame.faces]
            print(f"{frame.index:5d} {frame.time_s:8.3f} s  {'; '.join(faces) or frame.error.message or 'no face'}")


if __name__ == "__main__":
    main()
