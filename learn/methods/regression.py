"""The painter as a regression: one answer to every map. Knows nothing of the training loop or of files."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from configs import Train
from learn.data import About, Batch
from learn.methods.method import Metrics, Nets
from learn.methods.painting import NET, Painter
from learn.methods.power import agreement, log_pk_loss
from learn.normalize import Normalizer

HUBER = 0.5  # where the pixel loss turns from square to linear, in standard deviations of log10(1 + x / x0)


class Regression:
    """Huber loss of pixels and a squared error of ln P(k), auto and cross."""

    is_stochastic: ClassVar[bool] = False

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        self.painter = Painter(config, normalizer, about)
        self.log_pk_weight = self.painter.config.log_pk_weight
        self.scale = normalizer.targets

    def build(self) -> dict[str, nn.Module]:
        """A new U-Net, drawn from torch's current random state."""
        return self.painter.build()

    def phases(self, _step: int) -> tuple[str]:
        """The one network."""
        return (NET,)

    def loss(self, _phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """Pixel loss + log_pk_weight * that of the spectra, each a mean over maps."""
        return self._loss(self.painter.paint(nets, batch.inputs, batch.params), batch)

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """The loss and its parts; of each channel the mean |ln P / P_true| and the mean r(k)."""
        painted = self.painter.paint(nets, batch.inputs, batch.params)
        loss, parts = self._loss(painted, batch)
        return {"loss": loss, **parts, **agreement(painted, batch.targets)}

    def predict(self, nets: Nets, inputs: Tensor, params: Tensor, _seeds: Tensor) -> Tensor:
        """Dark matter (B, I, H, W) and parameters (B, p) -> total, gas, stars (B, 3, H, W), Msun/h/(Mpc/h)^2."""
        return self.painter.paint(nets, inputs, params)

    def _loss(self, painted: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        pixels = functional.huber_loss(self.scale.forward(painted), self.scale.forward(batch.targets), delta=HUBER)
        power = log_pk_loss(painted, batch.targets)
        return pixels + self.log_pk_weight * power, {"pixels": pixels.detach(), "log_pk": power.detach()}
