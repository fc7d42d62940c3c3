"""What to run: YAML files, the models they must satisfy, and the one way to read them."""

from configs.cutouts import Camels, Cutouts, OwnBoxes
from configs.loader import ConfigError, load, load_one_of, validate
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
    Painted,
    Pairs,
    Serve,
    Train,
    UNet,
)

__all__ = [
    "Baryons",
    "Box",
    "Camels",
    "ConfigError",
    "Cosmology",
    "Cutouts",
    "Ensemble",
    "Enthalpy",
    "Evaluate",
    "Frozen",
    "Lightcone",
    "Optimizer",
    "OwnBoxes",
    "Paint",
    "Painted",
    "Pairs",
    "Serve",
    "Train",
    "UNet",
    "home",
    "load",
    "load_one_of",
    "provenance",
    "resolve",
    "validate",
]
