"""One run of the paper's training: its data, its network, and the loop over stages and steps."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from red.data.batches import StillRecipe, still_batches
from red.models.paper.network import PaperNetwork
from red.models.paper.preset import PaperPreset
from red.models.paper.vgg import load_vgg
from red.training.paper.checkpoint import Progress, load, save
from red.training.paper.data import read_clips, read_training_sets
from red.training.paper.sequences import sequence_loss, some_sequences
from red.training.paper.stages import STAGES, Stage, set_stage, still_loss
from red.training.paper.validate import nme, read_validation

log = logging.getLogger(__name__)
Loss = tuple[Tensor, dict[str, float]]


class Trainer:
    """Runs the stages in their order, from wherever the folder's checkpoint stands."""

    def __init__(self, args: argparse.Namespace, preset: PaperPreset) -> None:
        self.args = args
        self.device = torch.device(args.device)
        sets = read_training_sets(args.data, args.people, args.limit, args.strict)
        people = sorted({f.person for s in sets for f in s.faces if f.person})
        if args.steps_identity and not people:
            raise FileNotFoundError(f"{args.data / args.people} has no persons; --steps-identity 0 does without")
        persons = {name: number for number, name in enumerate(people)}
        self.recipe = StillRecipe(sets, args.scheme, persons, args.batch, tracked_share=0.0)
        self.clips = read_clips(args.data / "300vw", args.clip_frames, args.frames, args.strict)
        self.val = read_validation(args.data / "300w" / "val", args.limit)
        preset = replace(preset, scheme=args.scheme, identities=len(people), batch_norm=not args.no_batch_norm)
        torch.manual_seed(args.seed)
        self.network = PaperNetwork(preset).to(self.device)
        if args.vgg is not None:
            load_vgg(self.network.f_enc, args.vgg)
        self.progress = Progress()
        self.sums: dict[str, float] = {}
        self.summed = 0
        self.started = time.monotonic()

    def run(self) -> None:
        """Train to the end."""
        self.args.out.mkdir(parents=True, exist_ok=True)
        self.progress, state = load(self.args.out, self.network)
        for number in range(self.progress.stage, len(STAGES)):
            if number > self.progress.stage:
                self.progress = Progress(number, 0, self.progress.step)
                state = None
            stage, steps = STAGES[number], self.steps(STAGES[number])
            if self.progress.stage_step < steps:
                log.info("stage %s: %d steps, trains %s", stage.name, steps, ", ".join(stage.trained))
                self.train(stage, steps, state)

    def steps(self, stage: Stage) -> int:
        """Steps of a stage."""
        return int(getattr(self.args, f"steps_{stage.name}"))

    def train(self, stage: Stage, steps: int, state: dict[str, object] | None) -> None:
        """One stage, or what is left of it; ``state`` is its optimiser's."""
        optimiser = torch.optim.AdamW(set_stage(self.network, stage), lr=self.args.rate, weight_decay=5e-4)
        if state is not None:
            optimiser.load_state_dict(state)
        next_loss = self.losses(stage)
        while self.progress.stage_step < steps:
            # Everything random depends on seed and step alone, so that a run goes on as if it had not stopped.
            torch.manual_seed(self.args.seed + self.progress.step)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                loss, parts = next_loss()
            self.update(optimiser, loss, rate(self.args.rate, self.progress.stage_step, steps))
            self.summed += 1
            for name, value in parts.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
            self.progress.stage_step += 1
            self.progress.step += 1
            if self.progress.stage_step == steps or self.progress.stage_step % self.args.every == 0:
                self.report(stage)
                save(self.args.out, self.network, optimiser, self.progress)

    def losses(self, stage: Stage) -> Callable[[], Loss]:
        """What gives the loss of this step; batches of stills are made ahead."""
        seed = self.args.seed
        if stage.temporal:
            stills = self.recipe.sets[0].faces

            def of_sequences() -> Loss:
                rng = np.random.default_rng([seed, self.progress.step])
                moving = some_sequences(self.clips, stills, self.args.sequences, self.args.frames, rng)
                return sequence_loss(self.network, moving, self.args.frames, rng)

            return of_sequences
        recipe = self.recipe
        if not stage.regression:  # Crops without a face teach the confidence alone.
            recipe = replace(recipe, background_share=0.0)
        if stage.identity:  # Half of the batch has a person.
            recipe = replace(recipe, sets=[replace(s, share=1.0) for s in recipe.sets])
        batches = still_batches(recipe, seed, self.progress.step, self.args.threads)
        return lambda: still_loss(self.network, next(batches), stage)

    def update(self, optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
        """One step of the optimiser; gradients that are not finite are left out."""
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], 5.0)
        if torch.isfinite(norm):
            optimiser.step()

    def report(self, stage: Stage) -> None:
        """A line of the log: mean losses since the line before, and errors on 300w/val where it is there."""
        line: dict[str, object] = {
            "step": self.progress.step,
            "stage": stage.name,
            "stage_step": self.progress.stage_step,
            "minutes": round((time.monotonic() - self.started) / 60, 1),
            "loss": {name: round(value / self.summed, 4) for name, value in self.sums.items()},
        }
        if self.val is not None:
            line["nme"] = nme(self.network, self.val)
        self.sums, self.summed = {}, 0
        with (self.args.out / "log.jsonl").open("a") as out:
            out.write(json.dumps(line) + "\n")
        log.info("%s", json.dumps(line))


def rate(peak: float, step: int, steps: int) -> float:
    """Warm-up over a twentieth of the stage, at most 500 steps, then half a cosine down to a hundredth (ours)."""
    warm = min(1.0, (step + 1) / max(1, min(500, steps // 20)))
    return float(peak * warm * (0.01 + 0.99 * 0.5 * (1.0 + np.cos(np.pi * step / steps))))
