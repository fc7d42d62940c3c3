"""What to run: YAML files, the models they must satisfy, and the one way to read them."""

from configs.bind import Bind, CamelsBox, OwnBox, PastedBoxes, Profile, SnapshotBox, Trained
from configs.count_evaluation import EvaluateCounts
from configs.counting import CataloguedBox, CataloguedHalos, Counts, FoundHalos
from configs.cutouts import Camels, Cutouts, OwnBoxes
from configs.diffusion import Diffusion, Sampling, Variational
from configs.field_evaluation import EvaluateFields
from configs.frozen import Frozen
from configs.generation import Generate
from configs.halo_box import PaintHalos
from configs.halo_evaluation import EvaluateHalos
from configs.halo_painting import CountLikelihood, HaloPainting, Inception, Wgan
from configs.inversion import Recurrent, Rim
from configs.lens_evaluation import EvaluateLenses
from configs.lensing import Lenses
from configs.loader import ConfigError, load, load_one_of, validate
from configs.location import home, resolve
from configs.maps import (
    CountGrids,
    CountShards,
    Fields,
    HaloCutouts,
    LensSystems,
    MapData,
    Multifield,
    PairShards,
    Parted,
    Patched,
    VdmBind,
)
from configs.nets import DiT, NetConfig, UNet
from configs.observing import Prepare
from configs.paint_job import Paint
from configs.provenance import provenance
from configs.reconstruction import Reconstruct
from configs.schema import Baryons, Box, Cosmology, Ensemble, Enthalpy, Lightcone, Painted, Pairs
from configs.serving import Replicas, Serve, ServeCounts, ServeInversions, ServeSamples
from configs.training import Evaluate, Optimizer, Painting, Regression, Stochastic, Train

__all__ = [
    "Baryons",
    "Bind",
    "Box",
    "Camels",
    "CamelsBox",
    "CataloguedBox",
    "CataloguedHalos",
    "ConfigError",
    "Cosmology",
    "CountGrids",
    "CountLikelihood",
    "CountShards",
    "Counts",
    "Cutouts",
    "DiT",
    "Diffusion",
    "Ensemble",
    "Enthalpy",
    "Evaluate",
    "EvaluateCounts",
    "EvaluateFields",
    "EvaluateHalos",
    "EvaluateLenses",
    "Fields",
    "FoundHalos",
    "Frozen",
    "Generate",
    "HaloCutouts",
    "HaloPainting",
    "Inception",
    "LensSystems",
    "Lenses",
    "Lightcone",
    "MapData",
    "Multifield",
    "NetConfig",
    "Optimizer",
    "OwnBox",
    "OwnBoxes",
    "Paint",
    "PaintHalos",
    "Painted",
    "Painting",
    "PairShards",
    "Pairs",
    "Parted",
    "PastedBoxes",
    "Patched",
    "Prepare",
    "Profile",
    "Reconstruct",
    "Recurrent",
    "Regression",
    "Replicas",
    "Rim",
    "Sampling",
    "Serve",
    "ServeCounts",
    "ServeInversions",
    "ServeSamples",
    "SnapshotBox",
    "Stochastic",
    "Train",
    "Trained",
    "UNet",
    "Variational",
    "VdmBind",
    "Wgan",
    "home",
    "load",
    "load_one_of",
    "provenance",
    "resolve",
    "validate",
]
