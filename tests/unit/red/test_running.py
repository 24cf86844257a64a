"""What a long run relies on: when it saves, a log that fits the checkpoint, and a resume that is the same run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from red.training.checkpoint import NAME
from red.training.running import Watch, trim_log
from red.training.train import LOG, Trainer, arguments
from tests.support.faces import write_training_data
from tests.unit.red.test_training import command_line


def test_a_checkpoint_is_due_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("red.training.running.time.monotonic", lambda: now)
    watch = Watch(minutes=10)
    now += 599
    assert not watch.due
    now += 1
    assert watch.due
    watch.reset()
    assert not watch.due


def test_whoever_is_asked_to_stop_saves_at_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    watch = Watch(minutes=10)
    try:
        watch.listen()
        assert not watch.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert watch.asked
        assert watch.due
    finally:
        signal.signal(signal.SIGTERM, before)


def test_lines_newer_than_the_checkpoint_and_torn_ones_leave_the_log(tmp_path: Path) -> None:
    path = tmp_path / LOG
    trim_log(path, 5)
    assert not path.exists()
    lines = [json.dumps({"step": step}) for step in (2, 5, 6)]
    path.write_text("\n".join([*lines, '{"step": 7, "sta']))
    trim_log(path, 5)
    assert path.read_text().splitlines() == lines[:2]


def trained(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[int, ...] = ()) -> Path:
    """A run of three and two steps that is asked to stop after each of these steps, and goes on."""
    command_line(monkeypatch, data, out, "--temporal", "2", "--save-minutes", "1000")
    for stop in (*stops, None):
        trainer = Trainer(arguments())
        update = trainer.update

        def watched(loss, parts, trainer=trainer, update=update, stop=stop):  # type: ignore[no-untyped-def]
            trainer.watch.asked = trainer.step + 1 == stop
            update(loss, parts)

        monkeypatch.setattr(trainer, "update", watched)
        trainer.run()
        assert trainer.step == (stop or trainer.total)
    return out


@pytest.mark.slow
def test_a_run_that_was_stopped_is_bit_for_bit_the_run_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_training_data(tmp_path / "data")
    whole = trained(data, tmp_path / "whole", monkeypatch)
    pieces = trained(data, tmp_path / "pieces", monkeypatch, stops=(1, 4))
    one, other = (torch.load(out / NAME, weights_only=True) for out in (whole, pieces))
    for part in ("network", "average"):
        assert all(torch.equal(value, other[part][name]) for name, value in one[part].items())
    logs = [[json.loads(line) for line in (out / LOG).read_text().splitlines()] for out in (whole, pieces)]
    for line in (*logs[0], *logs[1]):
        del line["minutes"]
    assert logs[0] == logs[1]
