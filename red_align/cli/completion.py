"""``red-align completion SHELL``: a script that completes commands, options and files, made by shtab."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from red_align.cli.parser import Parser, align_parser, one_of
from red_align.errors import MissingExtra

SHELLS = ("bash", "zsh", "fish")
FILES = {"--output", "--overlay", "--ca"}
FOLDERS = {"--model"}
_HOW = """\
bash:  red-align completion bash > ~/.local/share/bash-completion/completions/red-align
zsh:   red-align completion zsh > ~/.zfunc/_red-align      (with fpath+=(~/.zfunc) before compinit in ~/.zshrc)
fish:  red-align completion fish > ~/.config/fish/completions/red-align.fish
Then open a new shell.
"""
_PREAMBLE = {
    "bash": '_red_align_clip() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}\n',
    "zsh": "_red_align_clip() {{ _alternative 'commands:command:({words})' 'files:clip:_files' }}\n",
    "fish": "",
}


def completion(arguments: Sequence[str]) -> int:
    """Print the script."""
    from red_align.cli.main import COMMANDS, SERVER_COMMANDS

    parser = Parser("red-align completion", "Print a script by which a shell completes red-align.", _HOW)
    parser.add_argument("shell", metavar="SHELL", type=one_of("shell", SHELLS), help=", ".join(SHELLS))
    shell = parser.parse(arguments).shell
    print(script(shell, (*COMMANDS, *SERVER_COMMANDS)))
    return 0


def script(shell: str, commands: Sequence[str]) -> str:
    """The script.

    Args:
        shell: One of SHELLS.
        commands: Words that stand before other arguments.

    Raises:
        MissingExtra: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise MissingExtra('completion needs shtab: pip install "red-align[completion]"') from error
    words, parser = " ".join(commands), align_parser()
    for action in parser._actions:
        names = set(action.option_strings)
        if names & FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif names & FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.dest == "clip":
            action.complete = {  # type: ignore[attr-defined]
                "bash": "_red_align_clip",
                "zsh": "_red_align_clip",
                "fish": f"(printf '%s\\n' {words}; __fish_complete_path (commandline -ct))",
            }
    _without_metavars(parser)
    text: str = shtab.complete(parser, shell, preamble=_PREAMBLE[shell].format(words=words))
    return text


def _without_metavars(parser: argparse.ArgumentParser) -> None:
    """Help texts are one line in a completion: what is in brackets is left out."""
    for action in parser._actions:
        if action.help and action.help != argparse.SUPPRESS:
            action.help = action.help.partition(" (")[0].partition(";")[0]
