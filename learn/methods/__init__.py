"""What is learned and how a prediction is made from a network. `METHODS` is the one list of them."""

from learn.methods.method import Method, Metrics
from learn.methods.regression import Regression

METHODS: dict[str, type[Method]] = {"regression": Regression}

__all__ = ["METHODS", "Method", "Metrics", "Regression"]
