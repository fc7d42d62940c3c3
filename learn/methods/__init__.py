"""What is learned and how a prediction is made from networks. `METHODS` is the one list of them."""

from learn.methods.counts import Counts
from learn.methods.diffusion import Diffusion
from learn.methods.method import Method, Metrics, Nets
from learn.methods.regression import Regression
from learn.methods.rim import Rim
from learn.methods.stochastic import Stochastic
from learn.methods.variational import Variational
from learn.methods.wgan import Wgan

METHODS: dict[str, type[Method]] = {
    "regression": Regression,
    "stochastic": Stochastic,
    "diffusion": Diffusion,
    "variational": Variational,
    "counts": Counts,
    "wgan": Wgan,
    "rim": Rim,
}

__all__ = [
    "METHODS",
    "Counts",
    "Diffusion",
    "Method",
    "Metrics",
    "Nets",
    "Regression",
    "Rim",
    "Stochastic",
    "Variational",
    "Wgan",
]
