"""The training loop: ``python -m red.training.train --data ROOT --out runs/edge`` (resumes when a checkpoint is there).

Stage ``stills`` learns detection, regression, spatial recurrence and identity together; stage ``temporal``
then learns f_tRNN on sequences, with the rest at a low rate.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from red.data.batches import StillRecipe, TrainingSet, still_batches
from red.data.labels import by_machine, by_people
from red.models.edge.network import RedNetwork
from red.models.presets import PRESETS
from red.training.checkpoint import HELD, NAME, load_checkpoint, load_weights, save_checkpoint
from red.training.precision import maps_in_bfloat16, supported
from red.training.running import Watch, trim_log
from red.training.still_stage import IDENTITY, still_loss
from red.training.temporal_stage import sequence_loss
from red.training.validate import summary
from red_align.datasets.labelled_faces import LabelledFace, read_faces
from red_align.datasets.protocol import Draws, draw

log = logging.getLogger("red.training.train")
LOG = "log.jsonl"
HOLD = 0.6
"""Share of the still stage at the full rate."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; ``argv`` is that of the process where not given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="root with 300w/{train,val} and ytf/{train,val}")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="edge")
    parser.add_argument("--scheme", default="ibug68")
    parser.add_argument("--stills", type=int, default=5000, help="steps of the still stage")
    parser.add_argument("--temporal", type=int, default=500, help="steps of the temporal stage")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--temporal-rate", type=float, default=4e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=500, help="steps between validations")
    parser.add_argument("--save-minutes", type=float, default=10.0, help="minutes between checkpoints")
    parser.add_argument("--init", type=Path, default=None, help="weights to begin from (a checkpoint of this preset)")
    parser.add_argument("--limit", type=int, default=None, help="faces read of each set, for a quick try")
    parser.add_argument("--strict", action="store_true", help="refuse bad data instead of skipping it")
    parser.add_argument("--identity", type=float, default=IDENTITY, help="weight of the identity loss")
    parser.add_argument("--no-batch-norm", action="store_true", help="biases instead (for comparison)")
    parser.add_argument(
        "--bfloat16", choices=("auto", "yes", "no"), default="no", help="feature maps; auto: where the processor has it"
    )
    return parser.parse_args(argv)


class Trainer:
    """One run: its data, network, optimiser and averaged weights."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        sets = read_training_sets(args.data, args.limit, args.strict)
        people = sorted({f.person for s in sets for f in s.faces if f.person})
        persons = {name: i for i, name in enumerate(people)}
        self.recipe = StillRecipe(sets, args.scheme, persons, args.batch)
        self.val = read_validation(args.data, args.limit)
        preset = replace(
            PRESETS[args.preset], scheme=args.scheme, identities=len(persons), batch_norm=not args.no_batch_norm
        )
        torch.manual_seed(args.seed)
        self.network = RedNetwork(preset).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if args.init is not None:
            load_weights(args.init, self.network)
        self.average = deepcopy(self.network).requires_grad_(False)
        if args.bfloat16 == "yes" or (args.bfloat16 == "auto" and supported()):
            maps_in_bfloat16(self.network)
        self.optimiser = torch.optim.AdamW(parameter_groups(self.network), lr=args.rate)
        self.step = 0
        self.started = time.monotonic()
        self.watch = Watch(args.save_minutes)
        self.sums: dict[str, float] = {}
        self.summed = 0

    @property
    def total(self) -> int:
        """Steps of both stages."""
        return int(self.args.stills + self.args.temporal)

    def rate(self) -> float:
        """Learning rate of this step; each stage has its own course."""
        if self.step < self.args.stills:
            return self._course(self.step, self.args.stills, self.args.rate, self.hold)
        return self._course(self.step - self.args.stills, self.args.temporal, self.args.temporal_rate, 0)

    @property
    def hold(self) -> int:
        """Still steps before the rate falls."""
        return int(HOLD * self.args.stills)

    @staticmethod
    def _course(step: int, steps: int, peak: float, hold: int) -> float:
        """Warm-up, then a constant rate, so that a run can be made longer, then half a cosine down."""
        warm = min(1.0, (step + 1) / min(200, max(1, steps // 10)))
        fall = max(0, step - hold) / max(1, steps - hold)
        return float(peak * warm * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * fall))))

    def run(self) -> None:
        """Train to the end, from wherever the checkpoint stands."""
        self.args.out.mkdir(parents=True, exist_ok=True)
        self.resume()
        if self.step < self.args.stills:
            batches = still_batches(self.recipe, self.args.seed, self.step)
            while self.step < self.args.stills and not self.watch.asked:
                self.network.train()
                self.update(*still_loss(self.network, next(batches), self.args.identity))
        if self.step == self.args.stills:  # Time is learned on top of the averaged weights.
            self.network.load_state_dict(self.average.state_dict())
        while self.step < self.total and not self.watch.asked:
            self.network.eval()  # Batch norm keeps its statistics: a batch of one motion would bend them.
            rng = np.random.default_rng([self.args.seed, self.step])
            self.update(*sequence_loss(self.network, self.recipe, rng, self.args.identity))

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one, as if nothing had happened."""
        self.step, progress = load_checkpoint(self.args.out, self.network, self.average, self.optimiser)
        self.sums, self.summed = dict(progress.get("sums", {})), int(progress.get("summed", 0))
        self.started = time.monotonic() - 60.0 * float(progress.get("minutes", 0.0))
        trim_log(self.args.out / LOG, self.step)

    @property
    def minutes(self) -> float:
        """Minutes of training so far, those before a resume included."""
        return (time.monotonic() - self.started) / 60

    def update(self, loss: Tensor, parts: dict[str, float]) -> None:
        """One step of the optimiser and of the average; now and then validate and save."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        # The average follows the short temporal stage ten times faster, or it would hardly see it.
        slowest = 0.999 if self.step < self.args.stills else 0.99
        keep = min(slowest, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if kept.dtype.is_floating_point:
                    kept.lerp_(new, 1 - keep)
                else:
                    kept.copy_(new)
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.summed += 1
        self.step += 1
        if self.step % self.args.every == 0 or self.step in (self.args.stills, self.total):
            self.report()
        elif self.watch.due:
            self.save(NAME)
        if self.step == self.hold:  # From here a longer run can go on.
            self.save(HELD)

    def report(self) -> None:
        """Validate the averaged weights, write a line of the log and the checkpoint."""
        line: dict[str, object] = {
            "step": self.step,
            "stage": "stills" if self.step <= self.args.stills else "temporal",
            "minutes": round(self.minutes, 1),
            "loss": {k: round(v / self.summed, 4) for k, v in self.sums.items()},
        }
        line |= {name: summary(self.average, data) for name, data in self.val.items()}
        self.sums, self.summed = {}, 0
        with (self.args.out / LOG).open("a") as out:
            out.write(json.dumps(line) + "\n")
        log.info("%s", json.dumps(line))
        self.save(NAME)

    def save(self, name: str) -> None:
        """Write a checkpoint of this name."""
        path = self.args.out / name
        progress = {"sums": self.sums, "summed": self.summed, "minutes": self.minutes}
        save_checkpoint(path, self.network, self.average, self.optimiser, self.step, vars(self.args), progress)
        self.watch.reset()


def parameter_groups(network: RedNetwork) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels alone; not for what begins as the identity."""
    decay: list[Tensor] = []
    plain: list[Tensor] = []
    for name, parameter in network.named_parameters():
        free = parameter.ndim < 2 or "from_centres" in name or "from_prior" in name
        (plain if free else decay).append(parameter)
    return [{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]


def read_training_sets(root: Path, limit: int | None, strict: bool) -> list[TrainingSet]:
    """300-W style faces (tight labels) and, where there is one, a set with identities (loose labels)."""
    people = _read(root / "300w" / "train", limit, strict, False)
    sets = [TrainingSet([by_people(face) for face in people], 0.65, 1.0)]
    if (root / "ytf" / "train").is_dir():
        machine = _read(root / "ytf" / "train", limit, strict, True)
        sets.append(TrainingSet([by_machine(face) for face in machine], 0.35, 0.5))
    return sets


def read_validation(root: Path, limit: int | None) -> dict[str, Draws]:
    """The validation draws: roll known, as in the service, and axis-aligned."""
    tight = _read(root / "300w" / "val", limit, False, False)
    sets = {"300w": draw(tight, upright=True), "300w_axis": draw(tight, upright=False)}
    if (root / "ytf" / "val").is_dir():
        sets["ytf"] = draw(_read(root / "ytf" / "val", limit, False, True), upright=True, draws=1)
    return sets


def _read(folder: Path, limit: int | None, strict: bool, with_person: bool) -> list[LabelledFace]:
    faces = read_faces(folder, limit=limit, strict=strict, with_person=with_person)
    if not faces:
        raise FileNotFoundError(f"{folder} holds no labelled face")
    log.info("%s: %d faces", folder, len(faces))
    return faces


def main() -> None:
    """Entry point."""
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    trainer = Trainer(args)
    trainer.watch.listen()
    trainer.run()


if __name__ == "__main__":
    main()
