"""``python -m export.main CHECKPOINT OUT``: write both graphs and prove parity; writes nothing that fails."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from export.onnx_files import write_onnx
from export.parity import FRAMES, MAX_POINT_PX, SEQUENCES, TABLE_HEAD, check_parity, moving_faces
from red.checkpoint import load_network


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 when parity holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="folder for red.onnx, red_acquire.onnx, weights.bin")
    parser.add_argument("--run", default=None, help="name of the training run; default: the checkpoint's folder")
    options = parser.parse_args(arguments)
    network = load_network(options.checkpoint)
    run = options.run or options.checkpoint.resolve().parent.name
    with tempfile.TemporaryDirectory() as temp:
        paths = write_onnx(network, Path(temp), run)
        table = check_parity(network, Path(temp), moving_faces(FRAMES, SEQUENCES))
        print(TABLE_HEAD)
        for name, parity in table.items():
            print(parity.row(name))
        # Not max(): a NaN that is not the first value would get lost in it.
        worst = float(np.max([p.points_px for p in table.values()]))
        if not worst < MAX_POINT_PX:
            print(f"refused: points differ by {worst:.4f} px, the limit is {MAX_POINT_PX}", file=sys.stderr)
            return 1
        options.out.mkdir(parents=True, exist_ok=True)
        for path in [*paths, *(p for p in Path(temp).iterdir() if p not in paths)]:
            shutil.copyfile(path, options.out / path.name)
            print(f"{options.out / path.name}: {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
