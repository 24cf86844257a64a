"""What streams need, and what hosts and GPUs carry: the formulas of CAPACITY.md, with its tables.

`python deploy/capacity.py` prints the tables for the figures below; `--set gpu_ms_a_face=0.04 --set fps=25` puts others
in their place, and `--write CAPACITY.md` renews the tables of that file. Python's own library is enough.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

BEGIN, END = "<!-- tables of capacity.py -->", "<!-- end of the tables -->"
Row = tuple[str, ...]


def _given(value: float, unit: str, source: str, *, assumed: bool = False) -> float:
    """A figure's default with its unit, and where it is from: a document, or what measures it in place of a guess."""
    made: float = field(default=value, metadata={"unit": unit, "source": source, "assumed": assumed})
    return made


@dataclass(frozen=True)
class Figures:
    """What is known and assumed; every figure says in its metadata which of both it is."""

    fps: float = _given(30.0, "frames/s", "your cameras", assumed=True)
    faces: float = _given(1.0, "faces", "your pictures", assumed=True)
    gateway_ms: float = _given(
        2.95, "core ms a frame", "docs/benchmarks.md, a frame's budget: live frame 4.92 without its step of 1.97"
    )
    step_ms: float = _given(1.48, "core ms a face", "docs/benchmarks.md, network steps alone at 640x480")
    triton_client_ms: float = _given(0.48, "core ms a face", "docs/decisions/0022-triton-client.md, unary")
    gpu_ms_a_face: float = _given(
        0.1, "GPU ms a face in batches of 64", "deploy/gpu_check.sh, its row of batch 64", assumed=True
    )
    frame_bytes: float = _given(53_000, "bytes a frame", "a JPEG of 640x480 of quality 90: your own", assumed=True)
    answer_bytes: float = _given(871, "bytes a frame", "AlignStreamResponse with one face, 68 points")
    step_out_bytes: float = _given(51_264, "bytes a face", "the tensor contract: crop, points and memory, to Triton")
    step_in_bytes: float = _given(2_384, "bytes a face", "the tensor contract: points, confidence and memory, from it")
    stream_bytes: float = _given(4.6e6, "bytes a stream", "docs/benchmarks.md, memory a stream (at most)")
    sequence_bytes: float = _given(1568, "bytes a face", "the tensor contract: memory of 392 floats")
    full: float = _given(0.7, "of what there is", "room for bursts and for the loss of a host", assumed=True)
    host_cores: float = _given(16, "cores", "your host", assumed=True)
    host_bytes: float = _given(64e9, "bytes", "your host", assumed=True)
    host_bits: float = _given(25e9, "bits/s in each direction", "your host", assumed=True)
    triton_slots: float = _given(16_384, "faces a server", "--candidates of red-export repository", assumed=True)
    core_hour: float = _given(0.04, "price of a core for an hour", "your bill", assumed=True)
    gpu_hour: float = _given(0.8, "price of a GPU for an hour", "your bill", assumed=True)


def gateway_core_ms(figures: Figures, on_gpu: bool) -> float:
    """Processor time of a frame at its gateway, in milliseconds of one core.

    Args:
        figures: What is known.
        on_gpu: Steps are run by Triton on a GPU, not by the gateway itself.
    """
    return figures.gateway_ms + figures.faces * (figures.triton_client_ms if on_gpu else figures.step_ms)


def streams_of_cores(figures: Figures, cores: float, on_gpu: bool) -> float:
    """Streams that so many cores of gateways carry."""
    return cores * figures.full * 1000 / (gateway_core_ms(figures, on_gpu) * figures.fps)


def streams_of_gpus(figures: Figures, gpus: float) -> float:
    """Streams whose steps so many GPUs run."""
    return gpus * figures.full * 1000 / (figures.gpu_ms_a_face * figures.faces * figures.fps)


def streams_of_memory(figures: Figures, size: float) -> float:
    """Streams whose state a gateway's memory of so many bytes holds."""
    return size * figures.full / (figures.stream_bytes + figures.faces * figures.sequence_bytes)


def bytes_in(figures: Figures, on_gpu: bool) -> float:
    """Bytes that come to a gateway's host for a frame: the picture, and answers of Triton elsewhere."""
    return figures.frame_bytes + (figures.faces * figures.step_in_bytes if on_gpu else 0.0)


def bytes_out(figures: Figures, on_gpu: bool) -> float:
    """Bytes that leave it for a frame: the answer, and crops for Triton elsewhere."""
    return figures.answer_bytes + (figures.faces * figures.step_out_bytes if on_gpu else 0.0)


def streams_of_network(figures: Figures, bits: float, on_gpu: bool) -> float:
    """Streams whose frames go through a network interface, in the direction that is short of room first."""
    most = max(bytes_in(figures, on_gpu), bytes_out(figures, on_gpu))
    return bits / 8 * figures.full / (most * figures.fps)


def streams_of_slots(figures: Figures, servers: float) -> float:
    """Streams whose faces so many Triton servers admit."""
    return servers * figures.triton_slots / figures.faces


def limits(figures: Figures, on_gpu: bool) -> dict[str, float]:
    """Streams that each part of one host carries; with a GPU the host has one, and Triton runs on it."""
    found = {
        "cores": streams_of_cores(figures, figures.host_cores, on_gpu),
        "memory": streams_of_memory(figures, figures.host_bytes),
        # Steps stay on the host.
        "network": streams_of_network(figures, figures.host_bits, on_gpu=False),
    }
    if on_gpu:
        found |= {"GPU": streams_of_gpus(figures, 1), "places in Triton": streams_of_slots(figures, 1)}
    return found


@dataclass(frozen=True)
class Need:
    """What streams need: units of hardware, bits a second, bytes."""

    streams: float
    gpus: int
    cores: int
    hosts: int
    tritons: int
    bits_in: float
    bits_to_triton: float
    memory: float


def need(figures: Figures, streams: float, on_gpu: bool) -> Need:
    """Hardware for so many streams; gateways and GPUs are on hosts of their own.

    Args:
        figures: What is known.
        streams: How many.
        on_gpu: Triton on GPUs runs the steps.
    """
    per_host = min(
        streams_of_cores(figures, figures.host_cores, on_gpu),
        streams_of_memory(figures, figures.host_bytes),
        streams_of_network(figures, figures.host_bits, on_gpu),
    )
    gpus = math.ceil(streams / streams_of_gpus(figures, 1)) if on_gpu else 0
    frames = streams * figures.fps
    return Need(
        streams,
        gpus,
        math.ceil(streams / streams_of_cores(figures, 1, on_gpu)),
        math.ceil(streams / per_host),
        max(gpus, math.ceil(streams / streams_of_slots(figures, 1))) if on_gpu else 0,
        frames * figures.frame_bytes * 8,
        frames * figures.faces * figures.step_out_bytes * 8 if on_gpu else 0.0,
        streams * (figures.stream_bytes + figures.faces * figures.sequence_bytes),
    )


def price_of_frames(figures: Figures, frames: float, on_gpu: bool) -> tuple[float, float]:
    """What so many frames cost: cores, GPUs; of hardware that is as full as ``full`` says."""
    hours = frames / figures.full / 3.6e6
    gpu = hours * figures.gpu_ms_a_face * figures.faces * figures.gpu_hour if on_gpu else 0.0
    return hours * gateway_core_ms(figures, on_gpu) * figures.core_hour, gpu


def tables(figures: Figures) -> str:
    """All tables of CAPACITY.md, as Markdown."""
    return "\n\n".join(make(figures) for make in (_figures, _host, _gpus, _streams, _price))


def _table(head: Row, rows: Sequence[Row]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def _count(value: float) -> str:
    return f"{math.floor(value + 1e-9):,}"


def _figures(figures: Figures) -> str:
    rows = [
        (
            f"`{one.name}`",
            f"{getattr(figures, one.name):,.10g}",
            one.metadata["unit"],
            ("**assumed**; replace it by " if one.metadata["assumed"] else "measured: ") + one.metadata["source"],
        )
        for one in fields(figures)
    ]
    return "### Figures\n\n" + _table(("figure", "value", "unit", "from"), rows)


def _host(figures: Figures) -> str:
    rows = []
    for name, on_gpu in (("without a GPU, embedded engine", False), ("with one GPU, Triton beside the gateway", True)):
        found = limits(figures, on_gpu)
        first = min(found, key=lambda part: found[part])
        parts = ", ".join(f"{part} {_count(value)}" for part, value in sorted(found.items(), key=lambda item: item[1]))
        rows.append((name, parts, f"{first}, at {_count(found[first])} streams"))
    return "### One host\n\n" + _table(("host", "streams that each part carries", "is full first"), rows)


def _gpus(figures: Figures) -> str:
    rows = []
    for gpus in (1, 10, 1000):
        wanted = need(figures, streams_of_gpus(figures, gpus), on_gpu=True)
        rows.append(
            (
                f"{gpus:,}",
                _count(wanted.streams),
                f"{wanted.cores:,} in {wanted.hosts:,} host{'s' * (wanted.hosts > 1)}",
                f"{wanted.bits_in / 1e9:,.1f}",
                f"{wanted.bits_to_triton / 1e9:,.1f}",
                f"{wanted.memory / 1e9:,.1f}",
            )
        )
    head = ("GPUs", "streams", "gateways' cores", "Gbit/s of frames", "Gbit/s to Triton", "GB of gateways' memory")
    return "### What GPUs carry, and what they need beside them\n\n" + _table(head, rows)


def _streams(figures: Figures) -> str:
    rows = []
    for streams in (100, 10_000, 1_000_000):
        for name, on_gpu in (("embedded", False), ("Triton", True)):
            wanted = need(figures, streams, on_gpu)
            rows.append(
                (
                    f"{streams:,}",
                    name,
                    f"{wanted.gpus:,}",
                    f"{wanted.cores:,} in {wanted.hosts:,} host{'s' * (wanted.hosts > 1)}",
                    f"{wanted.bits_in / 1e9:,.1f}",
                    f"{wanted.memory / 1e9:,.1f}",
                )
            )
    head = ("streams", "engine", "GPUs", "gateways' cores", "Gbit/s of frames", "GB of gateways' memory")
    return "### What streams need\n\n" + _table(head, rows)


def _price(figures: Figures) -> str:
    rows = []
    for name, on_gpu in (("embedded", False), ("Triton on GPUs", True)):
        cores, gpus = price_of_frames(figures, 1e6, on_gpu)
        rows.append((name, f"{cores:.4f}", f"{gpus:.4f}", f"{cores + gpus:.4f}"))
    return "### What a million frames cost\n\n" + _table(("engine", "cores", "GPUs", "together"), rows)


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in {one.name for one in fields(Figures)}:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(one.name for one in fields(Figures))}")
    number = float(value)
    if not number > 0 or math.isinf(number):
        raise argparse.ArgumentTypeError(f"{name} must be a number above 0")
    return name, number


def renewed(text: str, figures: Figures) -> str:
    """A document with new tables between its marks.

    Raises:
        ValueError: It has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n\n{tables(figures)}\n\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=_setting, action="append", default=[], metavar="FIGURE=VALUE")
    parser.add_argument("--write", type=Path, metavar="FILE", help="renew the tables of this file")
    options = parser.parse_args(arguments)
    figures = replace(Figures(), **dict(options.set))
    if options.write:
        options.write.write_text(renewed(options.write.read_text(), figures))
    else:
        print(tables(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
