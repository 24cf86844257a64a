"""``red-align CLIP ...``: clips one after another, each to its files."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from red_align.cli.clips import STDIN, Clip, UnknownClip, find_clips
from red_align.cli.outputs import BadPattern, Output, plan_outputs
from red_align.cli.parser import Parser, align_parser
from red_align.cli.reports import BarReport, JsonReport, Report, set_up_logs
from red_align.cli.sources import Choices, Here, There, expected_frames, opened
from red_align.errors import RedAlignError
from red_align.features.options import FeatureOptions
from red_align.formats.files import open_file
from red_align.formats.names import OVERLAY

DONE, FAILED, INCOMPLETE = 0, 1, 3
"""Exit statuses; 2 is the parser's."""
KEY_VARIABLE = "RED_ALIGN_KEY"


def align(arguments: Sequence[str], commands: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.
        commands: Words that are commands, of which one may have been meant.

    Returns:
        Exit status: of several clips the worst, where a failure is worse than an incomplete clip.
    """
    parser = align_parser()
    options = parser.parse(arguments)
    clips = _clips(parser, options, commands)
    set_up_logs(options.json_logs)
    report = JsonReport() if options.json_logs else BarReport(options.quiet, len(clips) > 1)
    try:
        plans = plan_outputs(clips, options.output, options.format, options.overlay)
        features = FeatureOptions.of(options.features, options.points, options.smooth, options.focal_px)
    except BadPattern as error:
        parser.error(str(error))
    except RedAlignError as error:
        report.failed(None, error)
        return FAILED
    overlays = any(output.format.name == OVERLAY for plan in plans for output in plan)
    choices = Choices(options.max_faces, options.stride, 1 if overlays else options.parallel, features)
    statuses = set()
    try:
        with _place(options) as place:
            for clip, plan in zip(clips, plans, strict=True):
                statuses.add(_align_one(clip, plan, place, choices, report))
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except (RedAlignError, ImportError, OSError) as error:
        report.failed(None, error)
        return FAILED
    return next((status for status in (FAILED, INCOMPLETE) if status in statuses), DONE)


def _clips(parser: Parser, options: argparse.Namespace, commands: Sequence[str]) -> list[Clip]:
    if options.server and (options.providers != "cpu" or options.precision or options.model):
        parser.error("--providers, --precision and --model are of this machine's engine: leave them out with --server")
    if (options.key or options.ca) and not options.server:
        parser.error("--key and --ca are for a server: give its address by --server")
    try:
        clips = find_clips(options.clip, commands)
        if sum(clip.name == STDIN for clip in clips) > 1:
            raise UnknownClip("'-' is there twice, and the standard input holds one clip")
        if len(clips) > 1 and any(clip.is_live for clip in clips):
            raise UnknownClip("a camera or stream does not end by itself: give it alone")
    except UnknownClip as error:
        parser.error(str(error))
    return clips


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[Here | There]:
    """Where clips are tracked."""
    if options.server:
        from red_align.client.client import Client

        key = options.key or os.environ.get(KEY_VARIABLE, "")
        with Client(options.server, key=key, ca=options.ca) as client:
            yield There(client)
        return
    from red_align.engine.default import load_engine

    engine = load_engine(options.providers, precision=options.precision, model=options.model)
    with contextlib.closing(engine):
        yield Here(engine)


def _align_one(clip: Clip, plan: Sequence[Output], place: Here | There, choices: Choices, report: Report) -> int:
    """Track one clip; gives the exit status that it would have alone."""
    try:
        with opened(clip, place, choices) as results, contextlib.ExitStack() as stack:
            report.begin(clip.name, expected_frames(clip, choices.stride))
            files = [
                stack.enter_context(open_file(out.path, out.format, results.scheme, results.features)) for out in plan
            ]
            for file in files:
                file.begin(results.video)
            for result in results:
                for file in files:
                    file.frame(result, results)
                report.frame()
            for file in files:
                file.finish(results.end)
        end = results.end
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except (RedAlignError, ImportError, OSError) as error:
        report.failed(clip.name, error)
        return FAILED
    report.end(clip.name, end, place.ran)
    return DONE if end.complete else INCOMPLETE
