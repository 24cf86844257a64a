"""A network camera by PyAV: ``python examples/client/rtsp.py rtsp://CAMERA/live [127.0.0.1:8081]``."""

import sys

import av

import red_align

url, server = [*sys.argv[1:], "127.0.0.1:8081"][:2]
with (
    av.open(url, options={"rtsp_transport": "tcp"}, timeout=10) as camera,
    red_align.Client(server) as client,
    client.stream((frame.to_ndarray(format="rgb24") for frame in camera.decode(video=0)), latest=True) as results,
):
    for result in results:
        print(f"{result.time_s:7.3f} s {result.status}", [face.track_id for face in result.faces], flush=True)
