"""The public shapes: what JSON and NDJSON answers hold. The one description of them; OpenAPI is made from it.

Pixels are of the upright frame, x to the right and y down; (0, 0) is the centre of the top-left pixel.
"""

# Without postponed annotations: Python 3.11 would not see which keys may be absent.

from typing import Annotated, Literal, NotRequired, TypedDict


class VideoValues(TypedDict):
    """An opened clip."""

    width: Annotated[int, "Upright width in stored pixels, as all points are."]
    height: Annotated[int, "Upright height in stored pixels."]
    frame_rate: Annotated[float, "Frames a second as the file says, 0 where it does not."]
    pixel_aspect_ratio: Annotated[
        float, "Width of a pixel over its height. Where it is not 1, a player shows x times this."
    ]


class PoseValues(TypedDict):
    """Where a head is and how it is turned, in the frame of a camera with x right, y down, z away from it."""

    yaw: Annotated[float, "Degrees, positive to the person's own left."]
    pitch: Annotated[float, "Degrees, positive upwards."]
    roll: Annotated[float, "Degrees, positive clockwise in the picture."]
    translation: Annotated[list[float], "x, y, z of the point between the eyes in mm, for eye corners 90 mm apart."]
    focal_px: Annotated[float, "Focal length that was given or assumed, pixels."]


class ExpressionValues(TypedDict):
    """What a face does, from its points; left and right are the person's own."""

    eye_opening_left: Annotated[float, "Eye aspect ratio: height over width."]
    eye_opening_right: Annotated[float, "Eye aspect ratio: height over width."]
    mouth_opening: Annotated[float, "Opening between the lips over the mouth's width."]
    eye_closed_left: Annotated[bool, "Whether the eye is shut, with hysteresis."]
    eye_closed_right: Annotated[bool, "Whether the eye is shut, with hysteresis."]
    blink_count: Annotated[int, "Blinks of this track that have ended."]
    coefficients: Annotated[dict[str, float], "0 to 1, by ARKit's names; /v1/info lists them."]


class AlignmentValues(TypedDict):
    """The similarity to the 112x112 picture that face recognition takes."""

    matrix: Annotated[list[list[float]], "Two rows of three: from pixels of the frame to pixels of the crop."]
    crop: NotRequired[Annotated[str, "The picture as JPEG in base64; with the feature `crop`."]]


class FaceValues(TypedDict):
    """One face of a frame."""

    track_id: Annotated[
        int, "Names the face in this clip; one found again over half a second after its loss has a new one."
    ]
    box: Annotated[list[float], "Tight box of the points: x, y, w, h in pixels."]
    score: Annotated[float, "Mean of the points' confidences, 0 to 1."]
    landmarks: Annotated[list[float], "x0, y0, x1, y1, ... in pixels; (0, 0) is a pixel's centre."]
    confidence: Annotated[
        list[float], "For each point the probability that its error is under 5 % of the outer eye distance."
    ]
    reacquired: NotRequired[
        Annotated[bool, "It was lost and is found again in this frame, with its number; absent if not."]
    ]
    pose: NotRequired[Annotated[PoseValues, "Where the head is and how it is turned; where asked for."]]
    expression: NotRequired[Annotated[ExpressionValues, "What the face does; where asked for."]]
    alignment: NotRequired[Annotated[AlignmentValues, "To the picture for face recognition; where asked for."]]


class FrameErrorValues(TypedDict):
    """Why a frame has no points."""

    code: Annotated[str, "Name of a google.rpc.Code."]
    reason: Annotated[str, "Stable word for programs."]
    message: Annotated[str, "For people."]


class FrameValues(TypedDict):
    """The answer to one frame."""

    index: Annotated[int, "Number of the frame in the clip, from 0."]
    time_s: Annotated[float, "Time from the first frame, seconds."]
    status: Annotated[Literal["ok", "dropped", "error"], "What became of the frame."]
    faces: Annotated[list[FaceValues], "In no order."]
    resumed: NotRequired[Annotated[bool, "A face's memory had to be taken up again in this frame; absent if not."]]
    error: NotRequired[Annotated[FrameErrorValues, "Present when status is error."]]


class EndValues(TypedDict):
    """How a clip ended."""

    complete: Annotated[bool, "False when part of the clip could not be read; warnings then say where."]
    warnings: Annotated[list[str], "What did not go as asked."]
    frame_count: Annotated[int, "Frames answered."]
    resume_token: NotRequired[
        Annotated[str, "Lets the stream go on anywhere; where a stream_id, a token or `resume` was given."]
    ]


class AlignValues(EndValues):
    """A whole clip."""

    scheme: Annotated[str, "Name of the point scheme."]
    video: Annotated[VideoValues, "Size and rate."]
    frames: Annotated[list[FrameValues], "One object a frame, in order."]
