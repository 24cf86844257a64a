"""``red-align doctor``: what is installed, which engine and model, codecs, GPU, and how fast a step is here."""

from __future__ import annotations

import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from red_align import __version__
from red_align.cli.parser import Parser, add_engine_options
from red_align.errors import RedAlignError

if TYPE_CHECKING:
    from red_align.engine.base import Engine

NEEDED = ("numpy", "onnxruntime", "av", "opencv-python-headless", "pillow", "pi-heif", "simplejpeg", "orjson")
EXTRAS = {
    "client": ("grpcio", "protobuf"),
    "triton": ("tritonclient",),
    "parquet": ("pyarrow",),
    "pandas": ("pandas",),
    "completion": ("shtab",),
}
"""Packages of each extra that tell whether it is there."""
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg2video", "mpeg4", "mjpeg", "prores", "wmv3")
ENCODERS = ("libx264",)
STEPS = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        name: Of what was looked at.
        value: What was found.
        fault: Whether clips cannot be tracked, or not written, with it.
    """

    name: str
    value: str
    fault: bool = False


def doctor(arguments: Sequence[str]) -> int:
    """Print what was found; gives 1 where something that is needed is missing."""
    parser = Parser("red-align doctor", "What is installed, what runs the network, and how fast it is here.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_engine_options(parser)
    options = parser.parse(arguments)
    findings = list(_findings(options.providers, options.precision, options.model))
    faults = [finding.name for finding in findings if finding.fault]
    if options.json:
        import orjson

        found = {finding.name: finding.value for finding in findings}
        print(orjson.dumps(found | {"faults": faults}, option=orjson.OPT_INDENT_2).decode())
        return 1 if faults else 0
    for finding in findings:
        print(f"{'!' if finding.fault else ' '} {finding.name:<24}{finding.value}")
    print(f"\n{', '.join(faults)}: see the lines with '!'" if faults else "\nAll that is needed is here.")
    return 1 if faults else 0


def _findings(providers: str, precision: str | None, model: str | None) -> Iterator[Finding]:
    yield Finding("red-align", __version__)
    yield Finding("Python", f"{platform.python_version()} on {platform.platform()}")
    from red_align.machine import usable_cores

    yield Finding("cores", str(usable_cores()))
    for package in NEEDED:
        found = _version(package)
        yield Finding(package, found or f"missing: pip install {package}", fault=not found)
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if not _version(package)]
        have = ", ".join(f"{package} {_version(package)}" for package in packages)
        yield Finding(f"extra {extra}", f'not installed: pip install "red-align[{extra}]"' if missing else have)
    server = _version("red-align-server")
    yield Finding("server", server or "not installed: pip install red-align-server")
    yield from _codecs()
    yield Finding("GPU", _gpu())
    yield from _cameras()
    yield from _engine(providers, precision, model)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _codecs() -> Iterator[Finding]:
    try:
        from av import library_versions
        from av.codec import codecs_available
    except ImportError as error:
        yield Finding("codecs", f"FFmpeg does not load: {error}", fault=True)
        return
    ffmpeg = ", ".join(f"{name} {'.'.join(map(str, number))}" for name, number in sorted(library_versions.items())[:2])
    yield Finding("FFmpeg", ffmpeg)
    missing = [name for name in DECODERS if not _decodes(name)]
    have = ", ".join(name for name in DECODERS if name not in missing)
    yield Finding("reads", have + (f"; not {', '.join(missing)}" if missing else ""), fault="h264" in missing)
    writes = [name for name in ENCODERS if name in codecs_available]
    yield Finding("writes overlays with", ", ".join(writes) or "nothing: no libx264", fault=not writes)


def _decodes(name: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return bool(Codec(name, "r").is_decoder)
    except UnknownCodecError:
        return False


def _gpu() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "none seen (no nvidia-smi)"
    asked = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi does not answer: {error}"
    return "; ".join(done.stdout.strip().splitlines()) or "none"


def _cameras() -> Iterator[Finding]:
    if sys.platform == "linux":
        found = sorted(int(path.name[5:]) for path in Path("/dev").glob("video*") if path.name[5:].isdigit())
        yield Finding("cameras", ", ".join(map(str, found)) or "none")


def _engine(providers: str, precision: str | None, model: str | None) -> Iterator[Finding]:
    try:
        import onnxruntime

        from red_align.engine.default import load_engine
        from red_align.engine.providers import int8_instructions, present_providers

        instructions = int8_instructions()
        yield Finding("ONNX Runtime", f"{onnxruntime.__version__}, providers {', '.join(present_providers())}")
        yield Finding("int8 instructions", "unknown" if instructions is None else ", ".join(instructions) or "none")
        engine = load_engine(providers, precision=precision, model=model)  # type: ignore[arg-type]
    except (RedAlignError, ImportError, OSError) as error:
        yield Finding("engine", str(error), fault=True)
        return
    info = engine.info
    yield Finding("model", f"{info.preset} from run {info.training_run}, {info.scheme.name}, {info.precision}")
    yield Finding("runs on", ", ".join(info.providers))
    try:
        first, then = _step_ms(engine)
        yield Finding("a step of one face", f"{then:.2f} ms, the first {first:.0f} ms; median of {STEPS}")
    except RedAlignError as error:
        yield Finding("a step of one face", str(error), fault=True)
    finally:
        engine.close()


def _step_ms(engine: Engine) -> tuple[float, float]:
    """Milliseconds of the first step, and the median of the following ones."""
    import numpy as np

    from red_align.contract import CROP_SIZE
    from red_align.engine.base import StepRequest

    crop = np.random.default_rng(0).integers(0, 255, (CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    times = []
    for number in range(STEPS + 1):
        began = time.perf_counter()
        (answer,) = engine.run([StepRequest(crop, prior, sequence="doctor", start=number == 0)])
        times.append(1000 * (time.perf_counter() - began))
        if isinstance(answer, RedAlignError):
            raise answer
    engine.end("doctor")
    return times[0], statistics.median(times[1:])
