"""A camera of this machine by OpenCV: ``python examples/client/camera.py [0] [127.0.0.1:8081]``; CTRL-C ends it."""

import sys

import cv2

import red_align

source, server = [*sys.argv[1:], *("0", "127.0.0.1:8081")[len(sys.argv) - 1 :]]
camera = cv2.VideoCapture(int(source) if source.isdigit() else source)
reads = iter(camera.read, (False, None))
with (
    red_align.Client(server) as client,
    client.stream((picture for _, picture in reads), colour="bgr", latest=True) as results,
):
    for result in results:
        for face in result.faces:
            x, y = face.landmarks.points[30]
            print(f"{result.time_s:7.3f} s  #{face.track_id} nose at {x:.1f}, {y:.1f}", flush=True)
