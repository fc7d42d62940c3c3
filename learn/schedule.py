"""How the learning rate and the memory of the averaged weights change: functions of the step alone."""

from __future__ import annotations

import math

from configs import Optimizer

LAST_LR = 0.02  # of the peak, where the cosine ends


def learning_rate(config: Optimizer, step: int, n_steps: int) -> float:
    """Linear warm-up times cosine decay."""
    warm = min(1.0, (step + 1) / (config.n_warmup + 1))
    cosine = (1 + math.cos(math.pi * step / n_steps)) / 2
    return config.lr * warm * (LAST_LR + (1 - LAST_LR) * cosine)


def ema_decay(decay: float, step: int) -> float:
    """`decay`, smaller at first so that the random initial weights are forgotten."""
    return min(decay, (1 + step) / (10 + step))
