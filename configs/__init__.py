"""What to run: YAML files, the models they must satisfy, and the one way to read them."""

from configs.loader import ConfigError, load, validate
from configs.location import home, resolve
from configs.provenance import provenance
from configs.schema import (
    Baryons,
    Box,
    Cosmology,
    Ensemble,
    Enthalpy,
    Evaluate,
    Frozen,
    Lightcone,
    Optimizer,
    Paint,
    Pairs,
    Serve,
    Train,
    UNet,
)

__all__ = [
    "Baryons",
    "Box",
    "ConfigError",
    "Cosmology",
    "Ensemble",
    "Enthalpy",
    "Evaluate",
    "Frozen",
    "Lightcone",
    "Optimizer",
    "Paint",
    "Pairs",
    "Serve",
    "Train",
    "UNet",
    "home",
    "load",
    "provenance",
    "resolve",
    "validate",
]
