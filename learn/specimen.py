"""One held-out map as a checkpoint paints it, to look at while a run goes on."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from configs import Train
from learn.figures import maps_figure
from learn.predict import Predictor
from learn.sources import open_source


def specimen(config: Train, folder: Path) -> Figure:
    """The first validation map: input, painted, true and their difference, a row a channel."""
    source = open_source(config.data, "validation")
    batch = source.read([0])
    source.close()
    predictor = Predictor.load(folder)
    painted = predictor(batch.inputs.numpy(), batch.params.numpy())[0]
    return maps_figure(
        batch.inputs[0, 0].numpy(),
        painted,
        batch.targets[0].numpy(),
        source.about.box_size,
        channels=source.about.target_channels,
        title=f"first map of {next(iter(source.simulations))}, step {predictor.meta.step}",
    )
