"""Where the numbers and pictures of a run go: metrics.jsonl, TensorBoard files and Weights & Biases.

Weights & Biases is offline unless WANDB_API_KEY is set; WANDB_MODE, where set, decides. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import numpy as np
import wandb
from matplotlib.figure import Figure
from matplotlib.image import imread
from torch.utils.tensorboard import SummaryWriter

from configs import Train, provenance
from learn.specimen import specimen
from learn.train import Progress

METRICS = "metrics.jsonl"
FIGURE_DPI = 70


class Tracker:
    """Three logs of one run, one writer: only rank 0 makes one. Use it as a context manager."""

    def __init__(self, out: Path, config: Train, *, name: str | None = None, start_step: int = 0) -> None:
        out.mkdir(parents=True, exist_ok=True)
        forget_after(out / METRICS, start_step)
        self._lines = (out / METRICS).open("a")
        self._tensorboard = SummaryWriter(str(out / "tensorboard"), purge_step=start_step + 1 if start_step else None)
        self._wandb = wandb.init(
            project=config.wandb_project,
            name=name or out.name,
            id=run_id(out, config),
            dir=out,
            config=config.model_dump(mode="json") | provenance(),
            mode=None if "WANDB_MODE" in os.environ else "online" if "WANDB_API_KEY" in os.environ else "offline",
            resume="allow" if "WANDB_API_KEY" in os.environ else None,
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the numbers of a step."""
        self._lines.write(json.dumps({"step": step, "time": time.time(), **metrics}) + "\n")
        self._lines.flush()
        for key, value in metrics.items():
            self._tensorboard.add_scalar(key, value, step)
        self._wandb.log(dict(metrics), step=step)

    def show(self, step: int, figure: Figure) -> None:
        """Keep a picture of a step."""
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=FIGURE_DPI, format="png")
        drawn.seek(0)
        pixels = (imread(drawn, format="png")[..., :3] * 255).round().astype(np.uint8)  # (H, W, RGB)
        self._tensorboard.add_image("specimen", pixels, step, dataformats="HWC")
        self._wandb.log({"specimen": wandb.Image(pixels)}, step=step)

    def keep(self, folder: Path) -> None:
        """Keep the model in `folder` as an artifact of the run."""
        artifact = wandb.Artifact(f"model-{self._wandb.id}", type="model")
        artifact.add_dir(str(folder), policy="immutable")
        self._wandb.log_artifact(artifact)

    def close(self) -> None:
        """Flush and end all three."""
        self._lines.close()
        self._tensorboard.close()
        self._wandb.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def tracked(steps: Iterator[Progress], config: Train, *, start_step: int = 0) -> Iterator[Progress]:
    """The steps of a run that starts after `start_step`, each logged, with the rate in maps a second, as it passes."""
    with Tracker(config.out, config, start_step=start_step) as tracker:
        before = time.monotonic()
        for progress in steps:
            now = time.monotonic()
            tracker.log(progress.step, progress.metrics | {"train/maps_per_s": config.batch_size / (now - before)})
            if progress.checkpoint is not None:
                tracker.show(progress.step, specimen(config, progress.checkpoint))
            if progress.step == config.n_steps:
                tracker.keep(config.out / "final")
            before = time.monotonic()
            yield progress


def forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run is going to take again."""
    if path.is_file():
        kept = [line for line in path.read_text().splitlines(keepends=True) if json.loads(line)["step"] <= step]
        partial = path.with_suffix(".partial")
        partial.write_text("".join(kept))
        os.replace(partial, path)


def run_id(out: Path, config: Train) -> str:
    """The same for a run and its continuation, another for another folder or configuration."""
    return hashlib.sha256(f"{out.absolute()}{config.model_dump_json()}".encode()).hexdigest()[:12]
