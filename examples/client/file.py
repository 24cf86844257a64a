"""A clip at a server, as arrays and frame by frame: ``python examples/client/file.py CLIP [127.0.0.1:8081]``."""

import sys

import numpy as np

import red_align

path, server = [*sys.argv[1:], "127.0.0.1:8081"][:2]
with red_align.Client(server) as client:
    clip = client.align(path, max_faces=2)
    opening = np.linalg.norm(clip.points[:, 0, 66] - clip.points[:, 0, 62], axis=1)
    print(f"{len(clip.times)} frames, the mouth opens by {np.nanmax(opening):.1f} pixels")
    with client.track(path) as frames:
        for result in frames:
            print(f"{result.time_s:7.3f} s", [round(face.score, 2) for face in result.faces])
