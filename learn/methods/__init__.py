"""What is learned and how a prediction is made from networks. `METHODS` is the one list of them."""

from learn.methods.diffusion import Diffusion
from learn.methods.method import Method, Metrics, Nets
from learn.methods.regression import Regression
from learn.methods.stochastic import Stochastic

METHODS: dict[str, type[Method]] = {
    "regression": Regression,
    "stochastic": Stochastic,
    "diffusion": Diffusion,
}

__all__ = ["METHODS", "Diffusion", "Method", "Metrics", "Nets", "Regression", "Stochastic"]
