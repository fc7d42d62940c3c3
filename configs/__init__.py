"""What to run: YAML files, the models they must satisfy, and the one way to read them."""

from configs.bind import Bind, CamelsBox, OwnBox, Profile, SnapshotBox, Trained
from configs.cutouts import Camels, Cutouts, OwnBoxes
from configs.diffusion import Diffusion, Sampling, Variational
from configs.field_evaluation import EvaluateFields
from configs.frozen import Frozen
from configs.generation import Generate
from configs.halo_evaluation import EvaluateHalos
from configs.loader import ConfigError, load, load_one_of, validate
from configs.location import home, resolve
from configs.maps import Fields, HaloCutouts, MapData, Multifield, PairShards, Parted, VdmBind
from configs.nets import DiT, NetConfig, UNet
from configs.provenance import provenance
from configs.schema import Baryons, Box, Cosmology, Ensemble, Enthalpy, Lightcone, Paint, Painted, Pairs, Serve
from configs.training import Evaluate, Optimizer, Painting, Regression, Stochastic, Train

__all__ = [
    "Baryons",
    "Bind",
    "Box",
    "Camels",
    "CamelsBox",
    "ConfigError",
    "Cosmology",
    "Cutouts",
    "DiT",
    "Diffusion",
    "Ensemble",
    "Enthalpy",
    "Evaluate",
    "EvaluateFields",
    "EvaluateHalos",
    "Fields",
    "Frozen",
    "Generate",
    "HaloCutouts",
    "Lightcone",
    "MapData",
    "Multifield",
    "NetConfig",
    "Optimizer",
    "OwnBox",
    "OwnBoxes",
    "Paint",
    "Painted",
    "Painting",
    "PairShards",
    "Pairs",
    "Parted",
    "Profile",
    "Regression",
    "Sampling",
    "Serve",
    "SnapshotBox",
    "Stochastic",
    "Train",
    "Trained",
    "UNet",
    "Variational",
    "VdmBind",
    "home",
    "load",
    "load_one_of",
    "provenance",
    "resolve",
    "validate",
]
