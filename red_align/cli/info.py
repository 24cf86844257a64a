"""``red-align info``: the model, who runs it, and what this machine could run it on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from red_align import __version__
from red_align.cli.parser import Parser, add_engine_options
from red_align.engine.default import load_engine
from red_align.engine.providers import int8_instructions, present_providers


def info(arguments: Sequence[str]) -> int:
    """Load the model as asked, and print what runs."""
    parser = Parser("red-align info", "The model, and what it runs on here.")
    add_engine_options(parser)
    options = parser.parse(arguments)
    for name, value in _values(options):
        print(f"{name:<22}{value}")
    return 0


def _values(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    import onnxruntime

    engine = load_engine(options.providers, precision=options.precision, model=options.model)
    model, instructions = engine.info, int8_instructions()
    engine.close()
    yield "red-align", __version__
    yield "model", f"{model.preset} from run {model.training_run}, {model.scheme.name}, {model.precision}"
    yield "runs on", ", ".join(model.providers)
    yield "ONNX Runtime", onnxruntime.__version__
    yield "providers present", ", ".join(present_providers())
    yield "int8 instructions", "unknown" if instructions is None else ", ".join(instructions) or "none"
