from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Smoothing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SMOOTHING_UNSPECIFIED: _ClassVar[Smoothing]
    SMOOTHING_ONE_EURO: _ClassVar[Smoothing]
    SMOOTHING_LOOK_AHEAD: _ClassVar[Smoothing]

class Flow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FLOW_UNSPECIFIED: _ClassVar[Flow]
    FLOW_BLOCK: _ClassVar[Flow]
    FLOW_LATEST: _ClassVar[Flow]

class FrameStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRAME_STATUS_UNSPECIFIED: _ClassVar[FrameStatus]
    FRAME_STATUS_OK: _ClassVar[FrameStatus]
    FRAME_STATUS_DROPPED: _ClassVar[FrameStatus]
    FRAME_STATUS_ERROR: _ClassVar[FrameStatus]
SMOOTHING_UNSPECIFIED: Smoothing
SMOOTHING_ONE_EURO: Smoothing
SMOOTHING_LOOK_AHEAD: Smoothing
FLOW_UNSPECIFIED: Flow
FLOW_BLOCK: Flow
FLOW_LATEST: Flow
FRAME_STATUS_UNSPECIFIED: FrameStatus
FRAME_STATUS_OK: FrameStatus
FRAME_STATUS_DROPPED: FrameStatus
FRAME_STATUS_ERROR: FrameStatus

class AlignStreamRequest(_message.Message):
    __slots__ = ("config", "frame")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    config: StreamConfig
    frame: VideoFrame
    def __init__(self, config: _Optional[_Union[StreamConfig, _Mapping]] = ..., frame: _Optional[_Union[VideoFrame, _Mapping]] = ...) -> None: ...

class StreamConfig(_message.Message):
    __slots__ = ("max_faces", "stream_id", "flow", "resume_token", "resume_every", "features")
    MAX_FACES_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_EVERY_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    max_faces: int
    stream_id: str
    flow: Flow
    resume_token: str
    resume_every: int
    features: FeatureOptions
    def __init__(self, max_faces: _Optional[int] = ..., stream_id: _Optional[str] = ..., flow: _Optional[_Union[Flow, str]] = ..., resume_token: _Optional[str] = ..., resume_every: _Optional[int] = ..., features: _Optional[_Union[FeatureOptions, _Mapping]] = ...) -> None: ...

class FeatureOptions(_message.Message):
    __slots__ = ("names", "points", "smooth", "focal_px")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SMOOTH_FIELD_NUMBER: _ClassVar[int]
    FOCAL_PX_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    points: int
    smooth: Smoothing
    focal_px: float
    def __init__(self, names: _Optional[_Iterable[str]] = ..., points: _Optional[int] = ..., smooth: _Optional[_Union[Smoothing, str]] = ..., focal_px: _Optional[float] = ...) -> None: ...

class VideoFrame(_message.Message):
    __slots__ = ("encoded", "raw", "time_s", "max_age_ms")
    ENCODED_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    encoded: bytes
    raw: RawImage
    time_s: float
    max_age_ms: int
    def __init__(self, encoded: _Optional[bytes] = ..., raw: _Optional[_Union[RawImage, _Mapping]] = ..., time_s: _Optional[float] = ..., max_age_ms: _Optional[int] = ...) -> None: ...

class RawImage(_message.Message):
    __slots__ = ("width", "height", "rgb")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    RGB_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    rgb: bytes
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., rgb: _Optional[bytes] = ...) -> None: ...

class AlignStreamResponse(_message.Message):
    __slots__ = ("frame", "end", "going_away")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    GOING_AWAY_FIELD_NUMBER: _ClassVar[int]
    frame: FrameResult
    end: StreamEnd
    going_away: GoingAway
    def __init__(self, frame: _Optional[_Union[FrameResult, _Mapping]] = ..., end: _Optional[_Union[StreamEnd, _Mapping]] = ..., going_away: _Optional[_Union[GoingAway, _Mapping]] = ...) -> None: ...

class GoingAway(_message.Message):
    __slots__ = ("resume_token", "next_index")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    next_index: int
    def __init__(self, resume_token: _Optional[str] = ..., next_index: _Optional[int] = ...) -> None: ...

class AlignClipRequest(_message.Message):
    __slots__ = ("config", "chunk")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    config: ClipConfig
    chunk: bytes
    def __init__(self, config: _Optional[_Union[ClipConfig, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ClipConfig(_message.Message):
    __slots__ = ("max_faces", "stride", "stream_id", "resume_token", "parallel", "features")
    MAX_FACES_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    max_faces: int
    stride: int
    stream_id: str
    resume_token: str
    parallel: int
    features: FeatureOptions
    def __init__(self, max_faces: _Optional[int] = ..., stride: _Optional[int] = ..., stream_id: _Optional[str] = ..., resume_token: _Optional[str] = ..., parallel: _Optional[int] = ..., features: _Optional[_Union[FeatureOptions, _Mapping]] = ...) -> None: ...

class AlignClipResponse(_message.Message):
    __slots__ = ("video", "frame", "end")
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    video: VideoInfo
    frame: FrameResult
    end: StreamEnd
    def __init__(self, video: _Optional[_Union[VideoInfo, _Mapping]] = ..., frame: _Optional[_Union[FrameResult, _Mapping]] = ..., end: _Optional[_Union[StreamEnd, _Mapping]] = ...) -> None: ...

class VideoInfo(_message.Message):
    __slots__ = ("width", "height", "frame_rate", "pixel_aspect_ratio")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    PIXEL_ASPECT_RATIO_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    frame_rate: float
    pixel_aspect_ratio: float
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., frame_rate: _Optional[float] = ..., pixel_aspect_ratio: _Optional[float] = ...) -> None: ...

class FrameResult(_message.Message):
    __slots__ = ("index", "time_s", "status", "faces", "resumed", "error", "resume_token")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    index: int
    time_s: float
    status: FrameStatus
    faces: _containers.RepeatedCompositeFieldContainer[Face]
    resumed: bool
    error: FrameError
    resume_token: str
    def __init__(self, index: _Optional[int] = ..., time_s: _Optional[float] = ..., status: _Optional[_Union[FrameStatus, str]] = ..., faces: _Optional[_Iterable[_Union[Face, _Mapping]]] = ..., resumed: _Optional[bool] = ..., error: _Optional[_Union[FrameError, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class Face(_message.Message):
    __slots__ = ("track_id", "box", "score", "landmarks", "confidence", "reacquired", "pose", "expression", "alignment")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    LANDMARKS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    REACQUIRED_FIELD_NUMBER: _ClassVar[int]
    POSE_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    track_id: int
    box: Box
    score: float
    landmarks: _containers.RepeatedScalarFieldContainer[float]
    confidence: _containers.RepeatedScalarFieldContainer[float]
    reacquired: bool
    pose: Pose
    expression: Expression
    alignment: Alignment
    def __init__(self, track_id: _Optional[int] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., score: _Optional[float] = ..., landmarks: _Optional[_Iterable[float]] = ..., confidence: _Optional[_Iterable[float]] = ..., reacquired: _Optional[bool] = ..., pose: _Optional[_Union[Pose, _Mapping]] = ..., expression: _Optional[_Union[Expression, _Mapping]] = ..., alignment: _Optional[_Union[Alignment, _Mapping]] = ...) -> None: ...

class Pose(_message.Message):
    __slots__ = ("yaw", "pitch", "roll", "translation", "focal_px")
    YAW_FIELD_NUMBER: _ClassVar[int]
    PITCH_FIELD_NUMBER: _ClassVar[int]
    ROLL_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    FOCAL_PX_FIELD_NUMBER: _ClassVar[int]
    yaw: float
    pitch: float
    roll: float
    translation: _containers.RepeatedScalarFieldContainer[float]
    focal_px: float
    def __init__(self, yaw: _Optional[float] = ..., pitch: _Optional[float] = ..., roll: _Optional[float] = ..., translation: _Optional[_Iterable[float]] = ..., focal_px: _Optional[float] = ...) -> None: ...

class Expression(_message.Message):
    __slots__ = ("eye_opening_left", "eye_opening_right", "mouth_opening", "eye_closed_left", "eye_closed_right", "blink_count", "coefficients")
    class CoefficientsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    EYE_OPENING_LEFT_FIELD_NUMBER: _ClassVar[int]
    EYE_OPENING_RIGHT_FIELD_NUMBER: _ClassVar[int]
    MOUTH_OPENING_FIELD_NUMBER: _ClassVar[int]
    EYE_CLOSED_LEFT_FIELD_NUMBER: _ClassVar[int]
    EYE_CLOSED_RIGHT_FIELD_NUMBER: _ClassVar[int]
    BLINK_COUNT_FIELD_NUMBER: _ClassVar[int]
    COEFFICIENTS_FIELD_NUMBER: _ClassVar[int]
    eye_opening_left: float
    eye_opening_right: float
    mouth_opening: float
    eye_closed_left: bool
    eye_closed_right: bool
    blink_count: int
    coefficients: _containers.ScalarMap[str, float]
    def __init__(self, eye_opening_left: _Optional[float] = ..., eye_opening_right: _Optional[float] = ..., mouth_opening: _Optional[float] = ..., eye_closed_left: _Optional[bool] = ..., eye_closed_right: _Optional[bool] = ..., blink_count: _Optional[int] = ..., coefficients: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Alignment(_message.Message):
    __slots__ = ("matrix", "crop")
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    CROP_FIELD_NUMBER: _ClassVar[int]
    matrix: _containers.RepeatedScalarFieldContainer[float]
    crop: bytes
    def __init__(self, matrix: _Optional[_Iterable[float]] = ..., crop: _Optional[bytes] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x", "y", "w", "h")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    H_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    w: float
    h: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., w: _Optional[float] = ..., h: _Optional[float] = ...) -> None: ...

class FrameError(_message.Message):
    __slots__ = ("code", "reason", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    reason: str
    message: str
    def __init__(self, code: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class StreamEnd(_message.Message):
    __slots__ = ("complete", "warnings", "frame_count", "resume_token", "dropped_count")
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DROPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    complete: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    frame_count: int
    resume_token: str
    dropped_count: int
    def __init__(self, complete: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ..., frame_count: _Optional[int] = ..., resume_token: _Optional[str] = ..., dropped_count: _Optional[int] = ...) -> None: ...

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("version", "contract_version", "model", "scheme", "num_points", "mean_shape", "limits", "tracking", "features", "contours")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    NUM_POINTS_FIELD_NUMBER: _ClassVar[int]
    MEAN_SHAPE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    TRACKING_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CONTOURS_FIELD_NUMBER: _ClassVar[int]
    version: str
    contract_version: int
    model: Model
    scheme: str
    num_points: int
    mean_shape: _containers.RepeatedScalarFieldContainer[float]
    limits: Limits
    tracking: Tracking
    features: Features
    contours: _containers.RepeatedCompositeFieldContainer[Contour]
    def __init__(self, version: _Optional[str] = ..., contract_version: _Optional[int] = ..., model: _Optional[_Union[Model, _Mapping]] = ..., scheme: _Optional[str] = ..., num_points: _Optional[int] = ..., mean_shape: _Optional[_Iterable[float]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., tracking: _Optional[_Union[Tracking, _Mapping]] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., contours: _Optional[_Iterable[_Union[Contour, _Mapping]]] = ...) -> None: ...

class Contour(_message.Message):
    __slots__ = ("name", "points", "closed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    name: str
    points: _containers.RepeatedScalarFieldContainer[int]
    closed: bool
    def __init__(self, name: _Optional[str] = ..., points: _Optional[_Iterable[int]] = ..., closed: _Optional[bool] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("names", "points", "smooth", "coefficients")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SMOOTH_FIELD_NUMBER: _ClassVar[int]
    COEFFICIENTS_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    points: _containers.RepeatedScalarFieldContainer[int]
    smooth: _containers.RepeatedScalarFieldContainer[str]
    coefficients: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ..., points: _Optional[_Iterable[int]] = ..., smooth: _Optional[_Iterable[str]] = ..., coefficients: _Optional[_Iterable[str]] = ...) -> None: ...

class Tracking(_message.Message):
    __slots__ = ("detect_every", "search_every", "search_turned_every", "reacquire_s")
    DETECT_EVERY_FIELD_NUMBER: _ClassVar[int]
    SEARCH_EVERY_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TURNED_EVERY_FIELD_NUMBER: _ClassVar[int]
    REACQUIRE_S_FIELD_NUMBER: _ClassVar[int]
    detect_every: int
    search_every: int
    search_turned_every: int
    reacquire_s: float
    def __init__(self, detect_every: _Optional[int] = ..., search_every: _Optional[int] = ..., search_turned_every: _Optional[int] = ..., reacquire_s: _Optional[float] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("preset", "training_run", "engine", "precision", "providers")
    PRESET_FIELD_NUMBER: _ClassVar[int]
    TRAINING_RUN_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    preset: str
    training_run: str
    engine: str
    precision: str
    providers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, preset: _Optional[str] = ..., training_run: _Optional[str] = ..., engine: _Optional[str] = ..., precision: _Optional[str] = ..., providers: _Optional[_Iterable[str]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_faces", "max_upload_bytes", "max_frame_pixels", "max_message_bytes", "max_parallel")
    MAX_FACES_FIELD_NUMBER: _ClassVar[int]
    MAX_UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    max_faces: int
    max_upload_bytes: int
    max_frame_pixels: int
    max_message_bytes: int
    max_parallel: int
    def __init__(self, max_faces: _Optional[int] = ..., max_upload_bytes: _Optional[int] = ..., max_frame_pixels: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_parallel: _Optional[int] = ...) -> None: ...
