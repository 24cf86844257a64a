"""``red-align CLIP -o out.json``, ``red-align serve``, ``config``, ``key``; each imports what it needs when called."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from red_align.errors import RedAlignError


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; gives the exit status: 0 done, 1 a told error, 2 wrong usage, 3 an incomplete clip."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        for name, command in (("serve", _serve), ("config", _config), ("key", _key)):
            if given[:1] == [name]:
                return command(given[1:])
        return _align(given)
    except RedAlignError as error:
        print(f"red-align: {error.message}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def _serve(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="red-align serve", description="Serve REST and gRPC (settings: RED_...).")
    parser.parse_args(given)
    import asyncio

    from service.config.settings import read_settings
    from service.observability.logs import configure_logs
    from service.observability.tracing import configure_tracing, end_tracing
    from service.server import serve

    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format)
    configure_tracing(settings.otlp_endpoint)

    def told(http: int, rpc: int) -> None:
        scheme = "https" if settings.tls_cert else "http"
        print(f"red-align is ready: {scheme}://{settings.host}:{http}  grpc://{settings.host}:{rpc}", flush=True)

    try:
        asyncio.run(serve(settings, told))
    finally:
        end_tracing()
    return 0


def _config(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="red-align config", description="The settings in effect, secrets hidden.")
    parser.parse_args(given)
    from service.config.settings import read_settings

    settings = read_settings()
    for name, field in type(settings).model_fields.items():
        print(f"# {field.description}\nRED_{name.upper()}={_shown(getattr(settings, name))}")
    return 0


def _shown(value: object) -> str:
    """As the variable would be written; a secret that is set is ******** (str of pydantic's SecretStr)."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _key(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="red-align key", description="A new API key, and the line that admits it.")
    parser.add_argument("tenant", help="whom the key is for")
    options = parser.parse_args(given)
    from service.security.credentials import hash_of, new_key

    key = new_key()
    print(f"{options.tenant} {hash_of(key)}")
    print(f"The key, which is not stored anywhere: {key}", file=sys.stderr)
    return 0


def _align(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="red-align",
        description="Facial landmarks of a video or image, on this machine. 'red-align serve' starts the service.",
    )
    parser.add_argument("clip", type=Path, help="video, image or animated image")
    parser.add_argument("-o", "--output", type=Path, help=".json, .ndjson or .csv; '-' or none: JSON to stdout")
    parser.add_argument("--overlay", type=Path, help="write a video (or, for an image, a picture) with the points")
    parser.add_argument("--format", choices=("json", "ndjson", "csv"), help="default: by the output's name, else json")
    parser.add_argument("--max-faces", type=int, default=1, help="faces to follow at once (default 1)")
    parser.add_argument("--stride", type=int, default=1, help="answer every stride-th frame only (default 1)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(given)
    if options.stride < 1 or options.max_faces < 1:
        parser.error("--stride and --max-faces must be 1 or more")
    if not options.clip.is_file():
        parser.error(f"no file {options.clip}")
    import asyncio

    from red_align.cli.align import AlignJob, align_clip
    from service.config.settings import read_settings

    job = AlignJob(
        options.clip,
        options.output if options.output != Path("-") else None,
        options.format or _format_of(options.output),
        options.overlay,
        options.max_faces,
        options.stride,
        quiet=options.quiet,
    )
    logging.basicConfig(level=logging.WARNING, format="red-align: %(message)s")
    complete = asyncio.run(align_clip(job, read_settings()))
    return 0 if complete else 3


def _format_of(output: Path | None) -> str:
    suffix = output.suffix.lower() if output else ""
    return {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}.get(suffix, "json")


if __name__ == "__main__":
    sys.exit(main())
