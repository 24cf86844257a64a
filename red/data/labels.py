"""Where labels lie beside the picture, measured by mirror symmetry, and what training does about it (ours).

A network that was trained on mirrored pairs finds the same points in a picture and in its mirror image; the
mean of the two, mirrored back, cannot lean to either side. Against it the people's labels of 300-W lie 0.8 px
to the right, whatever the size of the picture, and the machine's labels of YTF 0.4 px and 1.8 % of the eye
distance to the right, and lower. Each was measured on the training part alone (``red.training.label_offset``).

300-W is what landmarks are measured by, so its labels are left as they are: a mirrored picture keeps the shift
to the same side, else mirroring would teach the network a compromise that is wrong in both. YTF's labels are
moved to where 300-W's would be.
"""

from __future__ import annotations

from dataclasses import replace

from red_align.datasets.labelled_faces import LabelledFace
from red_align.schemes import IBUG68

PEOPLE_SHIFT_PX = 0.8
"""300-W: to the right of mirror symmetry, pixels of the picture."""
PEOPLE_SHIFT_OF_EYES = 0.0097
"""The same over the eye distance, on average."""
MACHINE_OFFSET_PX = (0.37, 0.73)
MACHINE_OFFSET_OF_EYES = (0.0185, -0.0064)
"""YTF: to the right and down, a constant and a share of the eye distance."""


def by_people(face: LabelledFace) -> LabelledFace:
    """A face of 300-W: its labels, and to which side they lean."""
    return replace(face, label_shift=PEOPLE_SHIFT_PX)


def by_machine(face: LabelledFace) -> LabelledFace:
    """A face of YTF with its labels moved to the convention of 300-W."""
    eyes = IBUG68.eye_distance(face.points)
    shift = PEOPLE_SHIFT_OF_EYES * eyes
    dx, dy = (px + share * eyes for px, share in zip(MACHINE_OFFSET_PX, MACHINE_OFFSET_OF_EYES, strict=True))
    return replace(face, points=face.points - (dx - shift, dy), label_shift=shift)
