"""All settings of the service, read once at start from ``RED_...`` variables."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import DirectoryPath, Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from red_align.engine.default import PRESET, model_folder, shipped_models
from red_align.engine.providers import parse_providers
from red_align.engine.variants import Precision
from red_align.errors import ConfigurationError
from red_align.machine import usable_cores
from red_align.media.reader import MAX_FRAME_PIXELS
from service.config.files import JwksFile, KeysFile, TokenKeys, check_tls, is_loopback, refused
from service.config.source_settings import SourceSettings

MODEL_FOLDER = model_folder()
GRPC_MESSAGE_BYTES = 16 * 1024 * 1024

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


def _default_threads(known: dict[str, Any]) -> int:
    """The cores, at most four, shared out among the processes."""
    return max(1, min(4, usable_cores() // int(known.get("processes", 1))))


class Settings(SourceSettings):
    """Every field is the environment variable RED_<FIELD>; its unit is in its name or description."""

    model_config = SettingsConfigDict(env_prefix="RED_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address both servers listen on.")
    http_port: int = Field(8080, ge=0, le=65535, description="Port of REST; 0 picks a free one.")
    grpc_port: int = Field(8081, ge=0, le=65535, description="Port of gRPC; 0 picks a free one.")

    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Gateway processes that share both ports, each with an engine of its own. All other bounds are "
        "those of one process.",
    )

    engine: Literal["embedded", "triton"] = Field(
        "embedded", description="Who runs the network: ONNX Runtime in this process, or a Triton server."
    )
    model: str = Field(
        PRESET, description="Name of a model that comes with the package (embedded): edge is quick, base accurate."
    )
    model_dir: DirectoryPath = Field(
        default_factory=lambda known: model_folder(known.get("model")),
        description="Folder with red.onnx and red_acquire.onnx (embedded); by default that of RED_MODEL.",
    )
    providers: str = Field(
        "cpu",
        description="Execution providers of ONNX Runtime by preference, separated by commas (embedded): cpu, cuda, "
        "tensorrt, openvino, coreml, directml; cuda:1 and openvino:GPU name a device too.",
    )
    precision: Precision | None = Field(
        None,
        description="fp32, fp16 or int8, where RED_MODEL_DIR has it (embedded); by default what is there.",
    )
    engine_threads: Count = Field(
        1, description="Threads of one network call; calls run side by side on the cores that are left (embedded)."
    )
    engine_max_batch: Count = Field(16, description="Most faces in one network call.")
    sequence_idle_s: float = Field(30.0, gt=0, description="Seconds after which an unused sequence expires.")
    max_sequences: Count = Field(1024, description="Most sequences (followed faces) at once.")

    triton_url: str = Field(
        "127.0.0.1:8001", description="gRPC address of Triton; several, separated by commas, serve the same model."
    )
    triton_deadline_s: float = Field(5.0, gt=0, description="Timeout in seconds of a call of Triton.")
    triton_recover_s: float = Field(
        20.0, ge=0, description="Seconds for which a frame waits while a lost sequence is begun again."
    )
    triton_admission_s: float = Field(
        0.5, gt=0, description="Seconds for which a new sequence waits for a slot in a full server."
    )

    detector_path: FilePath | None = Field(
        None, description="YuNet ONNX file; by default the one that comes with the library."
    )
    detect_every: Count = Field(
        5, description="Frames between two searches while faces are followed, with room for more."
    )
    search_every: Count = Field(2, description="Frames between two searches while no face is followed.")
    search_turned_every: int = Field(
        10,
        ge=0,
        description="Frames between two searches of the frame turned, by 90 degrees to one side, to the other, and by "
        "180 in turn, while no face is found; 0 for never.",
    )
    detect_size: Count = Field(640, description="Longer side in pixels to which a frame is reduced for detection.")
    detect_score: Unit = Field(0.6, description="Least detector score of a face, 0 to 1.")
    track_lost_threshold: Unit = Field(0.2, description="A face is lost when its score falls below this, 0 to 1.")
    track_activation_threshold: Unit = Field(
        0.25, description="A new face is kept when its first score reaches this, 0 to 1."
    )
    max_faces: Count = Field(8, description="Largest max_faces a request may ask for.")

    max_streams: Count = Field(64, description="Most live streams open at once.")
    max_uploads: Count = Field(16, description="Most uploads (clips) under way at once.")
    max_parallel: Count = Field(
        default_factory=_default_threads,
        description="Most parts of one clip that are tracked side by side; a request that asks for more gets these.",
    )
    parallel_parts: Count = Field(
        default_factory=_default_threads,
        description="Most parts of clips that are tracked side by side, of all clips; a clip that finds none free is "
        "tracked as one.",
    )
    first_message_s: float = Field(
        10.0, gt=0, description="Timeout in seconds of the first message of a gRPC call or WebSocket, its config."
    )
    stream_queue: Count = Field(4, description="Frames of one live stream that may wait to be answered.")
    stream_idle_s: float = Field(
        120.0,
        gt=0,
        description="Seconds without a frame after which a live stream ends, and for which a stream with an id is kept "
        "for its next segment or connection.",
    )
    client_timeout_s: float = Field(
        60.0,
        gt=0,
        description="Timeout in seconds of a client: for the next byte of an upload, for a request's whole head, and "
        "for taking what was sent to it.",
    )
    upload_min_bytes_per_s: float = Field(
        1024.0,
        ge=0,
        description="Least average rate of an upload in bytes a second, once RED_UPLOAD_GRACE_S is over; one that is "
        "slower is given up. 0 is no limit.",
    )
    upload_grace_s: float = Field(
        30.0, gt=0, description="Seconds during which an upload may be slower than RED_UPLOAD_MIN_BYTES_PER_S."
    )
    max_registered_streams: Count = Field(1024, description="Most streams with an id that are kept at once.")
    token_keys: TokenKeys = Field(
        SecretStr(""),
        description="Keys of resume tokens (urlsafe base64 of 32 bytes), by comma: the first seals, all open. "
        "Without one, tokens hold for this process alone.",
    )
    token_ttl_s: float = Field(3600.0, gt=0, description="Seconds for which a resume token is good.")
    grace_s: float = Field(30.0, gt=0, description="Seconds that uploads under way get to finish after SIGTERM.")

    api_keys_file: KeysFile | None = Field(
        None, description="File of lines 'tenant sha256-of-key' (see `red-align key`); asks every caller for a key."
    )
    jwt_jwks_file: JwksFile | None = Field(
        None, description="JSON Web Key Set whose RS256 and ES256 keys sign callers' tokens; asks every caller for one."
    )
    jwt_issuer: str = Field("", description="Issuer that tokens must name; empty for any.")
    jwt_audience: str = Field("", description="Audience that tokens must name; empty for none.")
    jwt_tenant_claim: str = Field("sub", min_length=1, description="Claim of a token that names the tenant.")
    allow_anonymous: bool = Field(
        False,
        validate_default=True,
        description="Serve on other addresses than loopback though nobody is asked for a key.",
    )
    tls_cert: FilePath | None = Field(None, description="PEM certificate chain of both servers; with RED_TLS_KEY.")
    tls_key: FilePath | None = Field(None, description="PEM private key of RED_TLS_CERT.")
    tls_client_ca: FilePath | None = Field(
        None, validate_default=True, description="PEM authorities; gRPC clients must then show a certificate."
    )
    max_connections: int = Field(
        0,
        ge=0,
        description="Most connections of each of the two servers; 0 is up to 1024, as many as descriptors allow. Where "
        "they are all taken, the oldest of those without a key make room.",
    )
    peer_max_connections: int = Field(
        0, ge=0, description="Most connections of one address to each server; 0 is no limit, as behind a proxy."
    )
    connection_idle_s: float = Field(
        60.0, gt=0, description="Seconds without a call after which a gRPC connection is closed."
    )
    keyless_calls: Count = Field(
        16,
        description="Most gRPC calls at once of those who show no key: health, and reflection where pages are shown. "
        "A further one takes the place of the oldest.",
    )
    keyless_call_s: float = Field(
        60.0, gt=0, description="Seconds after which such a call ends, a watched health with it."
    )
    tenant_max_streams: int = Field(
        0,
        ge=0,
        description="Most live streams of one tenant; 0 is half of RED_MAX_STREAMS where keys are asked for.",
    )
    tenant_max_uploads: int = Field(
        0,
        ge=0,
        description="Most uploads of one tenant at once; 0 is half of RED_MAX_UPLOADS where keys are asked for.",
    )
    tenant_frames_per_s: float = Field(
        0.0,
        ge=0,
        description="Rate limit of one tenant in processed frames a second; frames beyond it wait. 0 is no limit.",
    )
    tenant_pixels_per_s: float = Field(
        0.0,
        ge=0,
        description="Pixels decoded a second for one tenant; requests that begin beyond it are refused, frames of "
        "those under way wait. 0 is no limit.",
    )

    max_upload_bytes: Count = Field(2 * 1024**3, description="Largest upload in bytes.")
    max_frame_pixels: Count = Field(MAX_FRAME_PIXELS, description="Largest frame, width times height, in pixels.")
    max_animation_pixels: int = Field(
        250_000_000, ge=0, description="Most pixels of all frames of an animated image; 0 is no limit."
    )
    max_decoding_bytes: int = Field(
        1024**3,
        ge=0,
        description="Memory in bytes of the frames that are being decoded, of all requests, as estimated from their "
        "sizes; what would need more is refused. 0 is no limit.",
    )
    max_message_bytes: Count = Field(GRPC_MESSAGE_BYTES, description="Largest gRPC or WebSocket message in bytes.")
    max_clip_frames: int = Field(0, ge=0, description="Most frames of an uploaded clip; 0 is no limit.")
    max_clip_s: float = Field(0.0, ge=0, description="Longest uploaded clip in seconds; 0 is no limit.")
    decode_memory_bytes: int = Field(
        4 * 1024**3, ge=0, description="Address space in bytes of a process that decodes; 0 is no limit."
    )
    decode_timeout_s: float = Field(
        30.0,
        gt=0,
        description="Timeout in seconds of decoding one frame; then its process is ended: a bad frame of a stream, the "
        "end of a clip, which is incomplete.",
    )
    decode_spare: Count = Field(
        2, description="Decoding processes that are started ahead of the first uploads and live frames."
    )
    decode_threads: Count = Field(2, description="Threads of one clip's video decoder.")
    workers: Count = Field(
        default_factory=_default_threads,
        description="Frames of live streams that are worked on at once; as many more wait for their decoder meanwhile.",
    )
    temp_dir: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()) / f"red-align-{os.getuid()}",
        description="Folder for uploads while they are read; made where it is missing, for this user alone.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call REST and open WebSockets, by comma (https://example.org), or *; by "
        "default none but the service's own may.",
    )
    web: bool | None = Field(
        None, description="Serve web pages (the one to try it at /, OpenAPI at /docs); by default on loopback alone."
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of the logs: text, or JSON lines.")
    otlp_endpoint: str = Field(
        "", description="OTLP collector (gRPC) for OpenTelemetry traces, such as http://127.0.0.1:4317; empty for none."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")

    # Validators of fields, not of the whole: those run only where every field is right, and all errors
    # shall be raised at once.
    @field_validator("allow_anonymous")
    @classmethod
    def _strangers_are_asked(cls, value: bool, info: ValidationInfo) -> bool:
        known = info.data
        asked = any(name not in known or known[name] for name in ("api_keys_file", "jwt_jwks_file"))
        if not (value or asked or is_loopback(known.get("host", "localhost"))):
            raise refused(
                f"RED_HOST {known['host']} is not loopback and nobody would be asked for a key: set "
                "RED_API_KEYS_FILE or RED_JWT_JWKS_FILE, or RED_ALLOW_ANONYMOUS=true"
            )
        return value

    @field_validator("model")
    @classmethod
    def _model_is_shipped(cls, value: str) -> str:
        if value not in shipped_models():
            raise refused(f"no model {value!r} comes with the package, only {', '.join(shipped_models())}")
        return value

    @field_validator("processes")
    @classmethod
    def _sources_need_one_process(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("sources"):
            raise refused("sources (RED_SOURCES) need one process: the next request may reach another one")
        return value

    @field_validator("providers")
    @classmethod
    def _providers_exist(cls, value: str) -> str:
        try:
            parse_providers(value)
        except ConfigurationError as error:
            raise refused(error.message) from error
        return value

    @field_validator("tls_client_ca")
    @classmethod
    def _tls_is_whole(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        known = info.data
        if "tls_cert" in known and "tls_key" in known:
            check_tls(known["tls_cert"], known["tls_key"], value)
        return value

    @property
    def shows_web(self) -> bool:
        """Whether web pages are served."""
        return is_loopback(self.host) if self.web is None else self.web


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigurationError: Variables are wrong; the message names all of them at once.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"RED_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError("; ".join(wrong)) from error
