"""The JSON Schemas that are published: those of the shapes, and what writers write fits them."""

from __future__ import annotations

import json

import jsonschema
import pytest

from red_align.formats.names import FORMATS, OVERLAY
from red_align.formats.schema import SCHEMA_NAMES, schema_bytes
from service.api.rest.align import FormatName
from service.api.schemas import published_schema
from tests.unit.red_align.formats.made import five_frames
from tests.unit.red_align.formats.test_round_trips import written


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_the_published_file_is_made_from_the_shapes(name: str) -> None:
    made = json.dumps(published_schema(name), indent=2, ensure_ascii=False) + "\n"
    assert schema_bytes(name).decode() == made, "write it anew: python -m service.api.schemas"
    jsonschema.Draft202012Validator.check_schema(json.loads(made))


def test_answers_fit_their_schema_and_others_do_not() -> None:
    whole, line = (jsonschema.Draft202012Validator(json.loads(schema_bytes(name))) for name in SCHEMA_NAMES)
    answer = json.loads(written("json", five_frames()))
    whole.validate(answer)
    for text in written("ndjson", five_frames()).splitlines():
        line.validate(json.loads(text))
    del answer["frames"][0]["faces"][0]["box"]
    assert not whole.is_valid(answer)
    assert not line.is_valid({"type": "header"})


def test_rest_serves_all_formats_but_overlays() -> None:
    assert set(FormatName.__args__) == set(FORMATS) - {OVERLAY}  # type: ignore[attr-defined]
