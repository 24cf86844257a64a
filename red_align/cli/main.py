"""``red-align CLIP -o out.json``, ``red-align info``; the server's ``serve``, ``config``, ``key`` are entry points."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from red_align.errors import InvalidRequest, RedAlignError
from red_align.media.live.urls import is_live_url

COMMANDS = "red_align.commands"
"""Group of entry points: subcommands of other distributions, such as red-align-server."""
SERVER_COMMANDS = ("serve", "config", "key")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point.

    Args:
        arguments: Of the command line; those of the process where not given.

    Returns:
        Exit status: 0 done, 1 an error that was reported, 2 wrong usage, 3 an incomplete clip.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _command(given)
    except RedAlignError as error:
        print(f"red-align: {error.message}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # What the standard output still holds has no reader; without this Python would complain when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"red-align: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _command(given: list[str]) -> int:
    name = given[0] if given else ""
    for entry in entry_points(group=COMMANDS, name=name):
        run: Callable[[Sequence[str]], int] = entry.load()
        return run(given[1:])
    if name == "info" and not Path(name).exists():
        from red_align.cli.info import info

        return info(given[1:])
    if name in SERVER_COMMANDS and not Path(name).exists():
        print(f"red-align: '{name}' comes with the server: pip install red-align-server", file=sys.stderr)
        return 2
    return _align(given)


def _align(given: list[str]) -> int:
    from red_align.cli.info import add_engine_options

    parser = argparse.ArgumentParser(
        prog="red-align",
        description="Facial landmarks of a video or image, on this machine. 'red-align info' says what the network "
        "runs on here, 'red-align serve' starts the service.",
    )
    parser.add_argument("clip", help="video, image or animated image; or rtsp://, rtmp://, or http(s):// of HLS")
    parser.add_argument("-o", "--output", type=Path, help=".json, .ndjson or .csv; '-' or none: JSON to stdout")
    parser.add_argument("--overlay", type=Path, help="write a video (or, for an image, a picture) with the points")
    parser.add_argument("--format", choices=("json", "ndjson", "csv"), help="default: by the output's name, else json")
    parser.add_argument("--max-faces", type=int, default=1, help="faces to follow at once (default 1)")
    parser.add_argument("--stride", type=int, default=1, help="answer every stride-th frame only (default 1)")
    add_engine_options(parser)
    parser.add_argument(
        "--parallel",
        type=int,
        default=1,
        help="parts of a long video to follow side by side (default 1; not with --overlay)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(given)
    if min(options.stride, options.max_faces, options.parallel) < 1:
        parser.error("--stride, --max-faces and --parallel must be 1 or more")
    if not is_live_url(options.clip) and not Path(options.clip).is_file():
        parser.error(f"no file {options.clip}")
    for out in (options.output, options.overlay):
        if out is not None and out != Path("-"):
            _check_writable(out)
    from red_align.cli.align import AlignJob, align_clip

    job = AlignJob(
        options.clip,
        options.output if options.output != Path("-") else None,
        options.format or _format_of(options.output),
        options.overlay,
        options.max_faces,
        options.stride,
        providers=options.providers,
        precision=options.precision,
        model=options.model,
        parallel=options.parallel,
        quiet=options.quiet,
    )
    logging.basicConfig(level=logging.WARNING, format="red-align: %(message)s")
    return 0 if align_clip(job) else 3


def _check_writable(out: Path) -> None:
    """Before any work."""
    if out.is_dir():
        raise InvalidRequest(f"{out} is a folder, and cannot be written as a file")
    if not out.parent.is_dir():
        raise InvalidRequest(f"there is no folder {out.parent} to write {out.name} in")


def _format_of(output: Path | None) -> str:
    suffix = output.suffix.lower() if output else ""
    return {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}.get(suffix, "json")


if __name__ == "__main__":
    sys.exit(main())
