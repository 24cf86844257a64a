"""The tensor contract: what an exported network takes and gives, whoever runs it.

One network step is one frame of one face; N is the batch, L the number of points, S the size of the memory.

=============  ===============  ====================================================================
tensor         dtype, shape     meaning
=============  ===============  ====================================================================
crop           uint8 [N,128,128,3]  RGB crop as cut; layout and normalisation are inside the graph
prior          float32 [N,2L]   last frame's points in THIS crop's pixels; at a start the mean shape
start          float32 [N,1]    1 at the first frame of a sequence: memory is then taken from resume
resume         float32 [N,S]    memory to begin from where start is 1; zeros are a fresh sequence
state          float32 [N,S]    recurrent memory (LSTM h and c, motion), kept by whoever runs the graph
next_state     float32 [N,S]    the memory after this step
memory         float32 [N,S]    the same values under a second name, an ordinary output
landmarks      float32 [N,2L]   points (x0, y0, x1, y1, ...) in crop pixels
confidence     float32 [N,L]    probability that the point's error is under 5 % of the eye distance
=============  ===============  ====================================================================

Two graphs share the weights: ``red`` (one pass, all tensors) and ``red_acquire`` (three passes, without
start, state and next_state), which begins a track; its memory is the resume of the first step of ``red``.
"""

from __future__ import annotations

CONTRACT_VERSION = 1
CROP_SIZE = 128
"""Side of the crop in pixels."""

CROP, PRIOR, START, RESUME, STATE = "crop", "prior", "start", "resume", "state"
NEXT_STATE, MEMORY, LANDMARKS, CONFIDENCE = "next_state", "memory", "landmarks", "confidence"

STEP_GRAPH, ACQUIRE_GRAPH = "red", "red_acquire"
STEP_INPUTS = (CROP, PRIOR, START, RESUME, STATE)
STEP_OUTPUTS = (LANDMARKS, CONFIDENCE, MEMORY, NEXT_STATE)
ACQUIRE_INPUTS = (CROP, PRIOR, RESUME)
ACQUIRE_OUTPUTS = (LANDMARKS, CONFIDENCE, MEMORY)

CONFIDENT_ERROR = 0.05
"""A point counts as right when its error is under this share of the eye distance."""
MAX_MEMORY = 1024
"""S is at most this many floats, so that memory travels with every answer."""
