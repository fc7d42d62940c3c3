"""What a person may ask of a model: what it learns, on what, where and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from configs.diffusion import Diffusion, Variational
from configs.frozen import Frozen, Location
from configs.halo_painting import CountLikelihood, HaloPainting, Inception, Wgan
from configs.inversion import Recurrent, Rim
from configs.maps import MapData, Patched
from configs.method import Method
from configs.nets import NetConfig, UNet


class Painting(Method):
    """What painters have in common: how the answer of the network becomes fields."""

    residual: bool = Field(True, description="fields are the dark matter times exp(answer); else the answer itself")
    context: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), description="radii of Gaussians [Mpc/h]: the dark matter smoothed by each is a further input"
    )
    conserve_mass: bool = Field(True, description="total matter has the mass of the dark matter, map by map")
    log_pk_weight: float = Field(0.1, ge=0, description="weight of the log P(k) term beside the pixel loss")


class Regression(Painting):
    """One answer to every map."""

    kind: Literal["regression"] = "regression"


class Stochastic(Painting):
    """As many answers as are drawn, trained by the continuous ranked probability score."""

    kind: Literal["stochastic"] = "stochastic"
    n_noise: int = Field(8, ge=1, le=256, description="channels of noise a level of the network")
    n_draws: int = Field(2, ge=2, le=16, description="answers to a map that are compared in a training step")
    pools: tuple[Annotated[int, Field(ge=1, le=16384)], ...] = Field(
        (1, 4, 16), min_length=1, description="sides [pixel] of the squares whose mean is scored"
    )


METHODS = {
    "regression": Regression,
    "stochastic": Stochastic,
    "diffusion": Diffusion,
    "variational": Variational,
    "counts": CountLikelihood,
    "wgan": Wgan,
    "rim": Rim,
}
Kind = Literal["regression", "stochastic", "diffusion", "variational", "counts", "wgan", "rim"]
OneMethod = Regression | Stochastic | Diffusion | Variational | CountLikelihood | Wgan | Rim


def method_of_a_name(value: OneMethod | Kind) -> OneMethod:
    """A plain name as the configuration of that method with its defaults."""
    return METHODS[value]() if isinstance(value, str) else value


if TYPE_CHECKING:  # what a field holds, whatever was written
    MethodConfig = OneMethod
else:
    MethodConfig = Annotated[Annotated[OneMethod, Field(discriminator="kind")] | Kind, AfterValidator(method_of_a_name)]


class Optimizer(Frozen):
    """AdamW with warm-up and cosine decay."""

    lr: float = Field(1e-3, gt=0, le=1, description="peak learning rate")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="decoupled weight decay")
    n_warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), description="decay of the averages of the gradient and of its square"
    )
    lr_factors: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        default_factory=dict, description="network -> its learning rate over `lr`; 1 where it is not named"
    )
    ema: float = Field(
        0.99, ge=0, lt=1, description="decay of the moving average of the weights, which is what predicts"
    )


Workers = Annotated[int, Field(ge=1, le=4096)]


class Train(Frozen):
    """Training of one model."""

    method: MethodConfig = Field(default_factory=Regression, description="what is learned")
    data: MapData = Field(description="the maps, or a folder of pair shards")
    out: Location = Field(description="folder of checkpoints, metrics and TensorBoard files")
    storage: str | None = Field(
        None, description="where checkpoints are kept as well: a URI such as s3://bucket/folder, or a shared folder"
    )
    start_from: Location | None = Field(
        None, description="checkpoint whose weights and normaliser the run starts from: fine-tuning"
    )
    net: NetConfig = Field(default_factory=UNet)
    optimizer: Optimizer = Field(default_factory=Optimizer)
    n_steps: int = Field(ge=1, description="optimiser steps")
    batch_size: int = Field(ge=1, le=65536, description="maps a step over all workers together")
    n_accumulate: int = Field(1, ge=1, le=1024, description="parts of a worker's share that are in memory in turn")
    seed: int = Field(
        0, ge=0, lt=2**31, description="seed of the weights, of the order of the data and of its augmentation"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the networks; auto: bfloat16 on a GPU that has it; losses and spectra stay in float32"
    )
    compile: bool = Field(False, description="compile the networks with torch.compile")
    n_loaders: int = Field(0, ge=0, le=64, description="processes a worker that read ahead; 0: the worker reads")
    n_together: int = Field(
        1,
        ge=1,
        le=256,
        description="steps whose maps are read together: what is made on the way is faster so",
    )
    validate_every: int = Field(50, ge=1, description="steps between two validations, each with a checkpoint")
    n_workers: Workers | tuple[Workers, Workers] = Field(
        1, description="data-parallel workers; [least, most]: as many as the cluster has at the time"
    )
    n_cpus: int = Field(1, ge=1, le=1024, description="cores a worker")
    use_gpu: bool = Field(False, description="one GPU a worker")
    n_failures: int = Field(2, ge=0, description="how many worker failures a run survives")
    wandb_project: str = Field("darkglass", description="Weights & Biases project; offline unless WANDB_API_KEY is set")

    @model_validator(mode="after")
    def workers_have_work(self) -> Self:
        least, most = self.worker_range
        if least > most:
            raise ValueError(f"n_workers: [least, most] with least <= most, got [{least}, {most}]")
        if most > self.batch_size:
            raise ValueError(f"n_workers: at most one a map of the batch of {self.batch_size}, got {most}")
        return self

    @model_validator(mode="after")
    def painters_are_unets(self) -> Self:
        if isinstance(self.method, Painting) and not isinstance(self.net, UNet):
            raise ValueError(f"net.kind: unet with method.kind={self.method.kind}, got {self.net.kind}")
        return self

    @model_validator(mode="after")
    def lenses_are_inverted_by_steps(self) -> Self:
        if isinstance(self.method, Rim) != isinstance(self.net, Recurrent):
            raise ValueError(f"net.kind: recurrent with method.kind=rim alone, got {self.net.kind}")
        return self

    @model_validator(mode="after")
    def halos_are_counted_in_patches(self) -> Self:
        if isinstance(self.method, HaloPainting) != isinstance(self.net, Inception):
            raise ValueError(f"net.kind: inception with method.kind=counts or wgan alone, got {self.net.kind}")
        if isinstance(self.method, HaloPainting):
            refuse_bad_patches(self)
        return self

    @property
    def unet(self) -> UNet:
        """The network of a painter."""
        assert isinstance(self.net, UNet)
        return self.net

    @property
    def inception(self) -> Inception:
        """The network of a model that counts halos."""
        assert isinstance(self.net, Inception)
        return self.net

    @property
    def recurrent(self) -> Recurrent:
        """The network of an inference machine."""
        assert isinstance(self.net, Recurrent)
        return self.net

    @property
    def worker_range(self) -> tuple[int, int]:
        """The least and the most workers."""
        return self.n_workers if isinstance(self.n_workers, tuple) else (self.n_workers, self.n_workers)


def refuse_bad_patches(config: Train) -> None:
    """ValueError unless what is shown of a cube is what its halos need, and the critic has enough of it."""
    if not isinstance(config.data, Patched):
        raise ValueError(f"data.kind: counts or count_grids with method.kind={config.method.kind}")
    if config.data.patch is not None and config.data.margin != config.inception.margin:
        margin, n_blocks = config.inception.margin, config.inception.n_blocks
        raise ValueError(f"data.margin: {margin} with net.n_blocks={n_blocks}, got {config.data.margin}")
    if not isinstance(config.method, Wgan):
        return
    if config.data.patch is not None and config.data.patch < config.method.least_patch:
        least, levels = config.method.least_patch, config.method.critic_levels
        raise ValueError(f"data.patch: at least {least} with method.critic_levels={levels}, got {config.data.patch}")
    if config.compile:
        raise ValueError("compile: false with method.kind=wgan, whose penalty is a gradient of a gradient, got true")


class Evaluate(Frozen):
    """Judgement, on held-out simulations, of a checkpoint or of the maps that any other emulator made."""

    kind: Literal["painter"] = Field("painter", description="painter: maps that are painted on dark matter")
    checkpoint: Location | None = Field(None, description="folder with weights.safetensors and meta.json")
    predictions: Location | None = Field(
        None, description="folder of painted maps instead: {simulation}.npy, float32, (maps, C, P, P) or (draws, ...)"
    )
    data: MapData = Field(description="the maps, or a folder of pair shards")
    out: Location = Field(description="folder of evaluation.html, metrics.json and the figures")
    split: Literal["train", "validation", "test"] = Field("test", description="which simulations")
    baselines: MapData | None = Field(
        None, description="maps whose training split the baselines are fitted on, where it is not that of `data`"
    )
    n_bins: int = Field(16, ge=4, le=256, description="bins in log k")
    n_draws: int = Field(16, ge=4, le=1024, description="answers to a map of a stochastic painter")
    smoothing: float = Field(
        0.5, gt=0, le=10, description="radius of the Gaussian under which peaks and contours are taken [Mpc/h]"
    )
    save_predictions: Location | None = Field(None, description="folder for the painted maps, as `predictions` reads")

    @model_validator(mode="after")
    def judges_one(self) -> Self:
        if (self.checkpoint is None) == (self.predictions is None):
            got = "neither" if self.checkpoint is None else "both (checkpoint=null leaves it out)"
            raise ValueError(f"a checkpoint or predictions, got {got}")
        if self.save_predictions is not None and self.save_predictions == self.predictions:
            raise ValueError(f"save_predictions: another folder than predictions, got {self.predictions}")
        return self
