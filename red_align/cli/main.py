"""``red-align CLIP -o out.json`` and its other commands; ``serve``, ``config`` and ``key`` are the server's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

ENTRY_POINTS = "red_align.commands"
"""Group of entry points: subcommands of other distributions, such as red-align-server."""
COMMANDS = {
    "info": "red_align.cli.info:info",
    "doctor": "red_align.cli.doctor:doctor",
    "view": "red_align.cli.view:view",
    "completion": "red_align.cli.completion:completion",
}
"""Modules and functions of the commands; all else is a clip."""
SERVER_COMMANDS = ("serve", "config", "key")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point.

    Args:
        arguments: Of the command line; those of the process where not given.

    Returns:
        Exit status: 0 done, 1 an error was reported, 2 wrong usage, 3 an incomplete clip.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _command(given)
    except BrokenPipeError:
        # What the standard output still holds has no reader; without this Python would complain when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except (OSError, ImportError) as error:
        print(f"red-align: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        from red_align.cli.reports import sentence
        from red_align.errors import RedAlignError

        if not isinstance(error, RedAlignError):
            raise
        print(f"red-align: {sentence(error)}", file=sys.stderr)
        return 1


def _command(given: list[str]) -> int:
    name = given[0] if given else ""
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        run: Callable[[Sequence[str]], int] = entry.load()
        return run(given[1:])
    if name in COMMANDS and not Path(name).exists():
        module, _, function = COMMANDS[name].partition(":")
        run = getattr(import_module(module), function)
        return run(given[1:])
    if name in SERVER_COMMANDS and not Path(name).exists():
        print(f"red-align: '{name}' comes with the server: pip install red-align-server", file=sys.stderr)
        return 2
    if not given or {"--help", "-h", "--version"} & set(given):  # Without what only work needs.
        from red_align.cli.parser import align_parser

        align_parser().parse(given)
    from red_align.cli.align import align

    return align(given, (*COMMANDS, *SERVER_COMMANDS))


if __name__ == "__main__":
    sys.exit(main())
