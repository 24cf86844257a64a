"""The options of ``red-align``, and a parser that refuses what it does not know with the nearest right word."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from red_align import __version__
from red_align.features.options import FEATURES, Smoothing
from red_align.formats.names import FORMATS
from red_align.names import unknown

PRECISIONS = ("fp32", "fp16", "int8")
EPILOG = """\
examples:
  red-align clip.mp4 -o out.json                          one clip, all points
  red-align clip.mp4 -o out.csv -o out.mp4                OpenFace's columns, and an overlay
  red-align recordings/ -o 'out/{stem}.parquet'           every clip of a folder
  red-align 0 -o camera.ndjson                            camera 0, until CTRL-C
  red-align clip.mp4 -o out.json --server gpu-host:8081   on a server

commands, each with its own --help:
  red-align view CLIP     one HTML page with player and timeline
  red-align doctor        what is installed, and how fast a step is here
  red-align info          the model, and what runs it
  red-align completion    completion for bash, zsh and fish
  red-align serve, config, key   of the server (pip install red-align-server)

exit status: 0 done, 1 an error was reported, 2 wrong usage, 3 a clip was not whole
"""


class Parser(argparse.ArgumentParser):
    """Takes options and clips in any order, and tells the nearest option where it knows one not."""

    def __init__(self, prog: str, description: str, epilog: str | None = None, usage: str | None = None) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            allow_abbrev=False,  # What `--str` means today would be ambiguous with the next option.
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all arguments; ends the process with status 2 where one is wrong."""
        options, rest = self.parse_known_intermixed_args(list(arguments))
        wrong = next((word for word in rest if word.startswith("-") and word != "-"), rest[0] if rest else None)
        if wrong is not None:
            name = wrong.partition("=")[0]
            self.error(unknown("option", name, self.option_names()) if name.startswith("-") else f"what is '{wrong}'?")
        return options

    def option_names(self) -> list[str]:
        """All options, such as ``--stride``."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]

    def error(self, message: str) -> NoReturn:
        """End with the usage, what is wrong, and status 2."""
        message = message.replace("the following arguments are required: CLIP", "give a clip: a video or picture")
        super().error(message)


def one_of(kind: str, names: Sequence[str]) -> Callable[[str], str]:
    """A type of options that take one of some words, and tell the nearest.

    Args:
        kind: What it names, such as "format".
        names: The words.
    """

    def checked(value: str) -> str:
        if value not in names:
            raise argparse.ArgumentTypeError(unknown(kind, value, names))
        return value

    return checked


def at_least_one(value: str) -> int:
    """A type of options that take a number from 1."""
    if not value.isdigit() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"'{value}' is not a whole number of 1 or more")
    return int(value)


def add_engine_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The options that choose the engine, for all commands that load one."""
    parser.add_argument(
        "--providers",
        default="cpu",
        help="execution providers of ONNX Runtime by preference: cpu, cuda, tensorrt, openvino, coreml, directml "
        "(default cpu; 'cuda,cpu': what CUDA does not take runs on the CPU)",
    )
    parser.add_argument(
        "--precision",
        type=one_of("precision", PRECISIONS),
        choices=PRECISIONS,
        help="of which the model's folder has a variant",
    )
    parser.add_argument("--model", help="folder of red.onnx and red_acquire.onnx (default: the one in the package)")


def add_tracking_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """How clips are tracked."""
    parser.add_argument("--max-faces", type=at_least_one, default=1, metavar="N", help="faces to follow (default 1)")
    parser.add_argument("--stride", type=at_least_one, default=1, metavar="N", help="every N-th frame (default 1)")


def align_parser() -> Parser:
    """The parser of ``red-align CLIP``."""
    parser = Parser(
        "red-align",
        "Facial landmarks of videos, pictures and cameras.",
        EPILOG,
        "red-align [OPTION ...] CLIP [CLIP ...]",
    )
    parser.add_argument(
        "clip",
        nargs="+",
        metavar="CLIP",
        help="video, picture, folder, pattern such as 'takes/*.mp4', '-' (standard input), number of a camera, or rtsp://...",
    )
    parser.add_argument("--version", action="version", version=f"red-align {__version__}", help="print the version")
    _add_output_options(parser.add_argument_group("output"))
    tracking = parser.add_argument_group("tracking")
    add_tracking_options(tracking)
    tracking.add_argument(
        "--parallel",
        type=at_least_one,
        default=1,
        metavar="N",
        help="parts of a long video to follow side by side (default 1; not with an overlay)",
    )
    _add_feature_options(parser.add_argument_group("features"))
    add_engine_options(parser.add_argument_group("engine, on this machine"))
    server = parser.add_argument_group("server")
    server.add_argument("--server", metavar="URL", help="track there: grpc://HOST:8081, grpcs://HOST:8081 (TLS)")
    server.add_argument("--key", help="API key of the server (or the environment variable RED_ALIGN_KEY)")
    server.add_argument("--ca", metavar="FILE", help="PEM file of the authority that vouches for the server")
    return parser


def _add_feature_options(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--features", default="", metavar="NAMES", help=f"beside the points: {', '.join(FEATURES)}; several with commas"
    )
    parser.add_argument(
        "--points", type=int, default=0, metavar="N", help="5, 7, 51 or 68 points of each face (default 68)"
    )
    parser.add_argument(
        "--smooth",
        type=one_of("smoothing", list(Smoothing)),
        choices=list(Smoothing),
        metavar="HOW",
        default="none",
        help="steadier points: look_ahead (no delay of points, for clips) or one_euro (default none)",
    )
    parser.add_argument(
        "--focal-px", type=float, default=0.0, metavar="PX", help="of the camera (default: the frame's longer side)"
    )


def _add_output_options(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help="file to write, in the format of its suffix; may be given several times. {stem}, {name}, {suffix}, "
        "{parent} and {index} of the clip stand in it; '-' or none: JSON to stdout",
    )
    parser.add_argument(
        "--format",
        type=one_of("format", list(FORMATS)),
        choices=list(FORMATS),
        metavar="NAME",
        help=f"{', '.join(FORMATS)} (default: by the suffix)",
    )
    parser.add_argument("--overlay", metavar="FILE", help="also write the clip with points and lines: .mp4, .png, ...")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--json-logs", action="store_true", help="progress, warnings and errors as lines of JSON")
