"""Entry point of ``red-export``: says in a sentence where the extra ``export`` is missing, as beside the gateway."""

from __future__ import annotations

import sys

NEEDED = ("torch", "onnx", "onnxscript", "onnxslim", "skimage")
"""What the extra ``export`` of red-align-server brings, by the names that are imported."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line; by default those of this process.

    Returns:
        0 when all was written, else 1.
    """
    try:
        from export.command_line import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in NEEDED:
            raise
        print(
            f"red-export needs {missing}, which is not installed here: pip install './deploy/server[export]'",
            file=sys.stderr,
        )
        return 1
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
