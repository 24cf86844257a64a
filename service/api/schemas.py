"""JSON schemas for OpenAPI: those of answers made from red_align.media.shapes, and the service's own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, Field, TypeAdapter, create_model

import red_align.formats
from red_align.formats.schema import SCHEMA_NAMES
from red_align.media.shapes import AlignValues, EndValues, FrameValues, VideoValues


@cache
def model_of(shape: type[Any]) -> type[BaseModel]:
    """A pydantic model of a typed dictionary.

    Args:
        shape: A TypedDict; ``Annotated[..., "text"]`` gives a field's description.

    Returns:
        The model, named ``...Model`` for ``...Values``; keys that may be absent are None by default.
    """
    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(shape, include_extras=True).items():
        optional = get_origin(hint) is NotRequired
        kind, *texts = get_args(get_args(hint)[0] if optional else hint)
        description = Field(None, description=texts[0]) if optional else Field(description=texts[0])
        fields[name] = (_modelled(kind) | None if optional else _modelled(kind), description)
    title = shape.__name__.removesuffix("Values") + "Model"
    return create_model(title, __doc__=shape.__doc__, **fields)


def _modelled(kind: Any) -> Any:
    """A type with models in the place of typed dictionaries."""
    if is_typeddict(kind):
        return model_of(kind)
    if get_origin(kind) is list:
        return list[_modelled(get_args(kind)[0])]  # type: ignore[misc]
    return kind


AlignModel = model_of(AlignValues)


class ModelModel(BaseModel):
    """The loaded model."""

    preset: str
    training_run: str
    engine: Literal["embedded", "triton"]
    precision: str = Field(description="fp32, fp16 or int8")
    providers: list[str] = Field(description="Execution providers that run the network; none for engine triton")


class LimitsModel(BaseModel):
    """Bounds of what a request may bring."""

    max_faces: int
    max_upload_bytes: int
    max_frame_pixels: int
    max_message_bytes: int
    max_parallel: int


class TrackingModel(BaseModel):
    """How faces are searched for and followed."""

    detect_every: int = Field(description="Frames between two searches while faces are followed, with room for more")
    search_every: int = Field(description="Frames between two searches while no face is followed")
    search_turned_every: int = Field(
        description="Frames between two searches of the frame turned, by 90 degrees to one side, to the other, and by "
        "180 in turn, while no face is found; faces turned by more than 60 degrees are found by these alone. 0: never"
    )
    reacquire_s: float = Field(description="Seconds after its loss within which a face found again keeps its track_id")


class FeaturesModel(BaseModel):
    """What faces may have beside their points."""

    names: list[str] = Field(description="Values of `features`")
    points: list[int] = Field(description="Values of `points`")
    smooth: list[str] = Field(description="Values of `smooth`; look_ahead for clips alone")
    coefficients: list[str] = Field(description="Names of an expression's coefficients")


class ContourModel(BaseModel):
    """A line of a face."""

    name: str = Field(description="Such as jaw.")
    points: list[int] = Field(description="Indices of the points that it joins, in order.")
    closed: bool = Field(description="Whether its last point joins its first.")


class InfoModel(BaseModel):
    """What this service is."""

    version: str
    contract_version: int
    model: ModelModel
    scheme: str
    num_points: int
    mean_shape: list[float] = Field(description="Mean face in pixels of the 128x128 crop: x0, y0, x1, y1, ...")
    contours: list[ContourModel] = Field(description="Which points lines join.")
    limits: LimitsModel
    tracking: TrackingModel
    features: FeaturesModel


class StateModel(BaseModel):
    """Health or readiness."""

    status: str


class ErrorInfoModel(BaseModel):
    """An error with what belongs to it, such as the name of a limit."""

    code: str = Field(description="Name of a google.rpc.Code.")
    reason: str = Field(description="Stable word for programs.")
    message: str
    metadata: dict[str, str]


class ErrorModel(BaseModel):
    """The body of every error."""

    error: ErrorInfoModel


class HeaderLine(BaseModel):
    """The first line of NDJSON."""

    type: Literal["header"]
    scheme: str = Field(description="Name of the point scheme.")
    video: model_of(VideoValues)  # type: ignore[valid-type]


class FrameLine(model_of(FrameValues)):  # type: ignore[misc]
    """The line of a frame; ``error`` for one that has no points but a reason."""

    type: Literal["frame", "error"]


class EndLine(model_of(EndValues)):  # type: ignore[misc]
    """The last line."""

    type: Literal["end"]


def published_schema(name: str) -> dict[str, Any]:
    """The JSON Schema that is published under a name; the library's files must be the same.

    Args:
        name: ``align`` or ``ndjson``.
    """
    kinds: dict[str, Any] = {"align": AlignModel, "ndjson": HeaderLine | FrameLine | EndLine}
    titles = {"align": "A JSON answer of RED Align", "ndjson": "A line of an NDJSON answer of RED Align"}
    schema: dict[str, Any] = TypeAdapter(kinds[name]).json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": titles[name]}
    return {**schema, **head, "description": schema.get("description", "")}


def write_schemas() -> None:
    """Write the library's files anew: ``python -m service.api.schemas``."""
    folder = Path(red_align.formats.__file__).with_name("schemas")
    for name in SCHEMA_NAMES:
        text = json.dumps(published_schema(name), indent=2, ensure_ascii=False)
        (folder / f"{name}.schema.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write_schemas()
