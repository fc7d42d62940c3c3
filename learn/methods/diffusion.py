"""Samples of fields by diffusion, given parameters and input maps, if there are any.

The network sees the noisy fields beside the input maps, the parameters and the noise level, and answers what the
objective asks for. Everything is in the normalised logarithms of the fields; nothing is clamped there before the end.
Knows nothing of the training loop or of files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from configs import Diffusion as Config
from configs import Train
from learn.data import About, Batch
from learn.methods.method import Metrics, Nets
from learn.methods.noise import Streams
from learn.methods.objectives import Times, objective_of
from learn.methods.paths import level
from learn.methods.samplers import SAMPLERS, Step, plan, run
from learn.nets.denoiser import denoiser
from learn.normalize import Normalizer

NET = "denoiser"
N_LEVELS = 8  # noise levels at which each held-out map is judged


class Condition:
    """What a sample is to agree with: normalised inputs (B, I, ...) and parameters (B, p) with a flag, or hidden."""

    def __init__(self, inputs: Tensor, params: Tensor, shown: Tensor) -> None:
        flag = shown.to(params.dtype)[:, None]
        self.inputs = inputs * flag.reshape(-1, *(1,) * (inputs.ndim - 1))
        self.params = torch.cat((params * flag, flag), dim=1)  # (B, p + 1)


class Diffusion:
    """Denoising of fields from any level of noise, and samplers that walk down the levels."""

    is_stochastic: ClassVar[bool] = True

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        assert isinstance(config.method, Config)
        self.config, self.net_config, self.about = config.method, config.net, about
        self.normalizer, self.objective = normalizer, objective_of(config.method)

    def build(self) -> dict[str, nn.Module]:
        """A new network, drawn from torch's current random state."""
        n_in, n_out = len(self.about.input_channels), len(self.about.target_channels)
        n_params = len(self.about.param_names) + 1
        joint = self.config.joint
        return {NET: denoiser(self.net_config, n_in + n_out, n_out, n_params, self.about.n_dims, joint=joint)}

    def phases(self, _step: int) -> tuple[str]:
        """The one network."""
        return (NET,)

    def loss(self, _phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """Mean squared error of the answer, at a noise level and with noise of each map's own seed."""
        streams = Streams(batch.seeds)
        t, hidden = self.objective.times.drawn(streams.uniform()), streams.uniform() < self.config.dropout
        return self._errors(nets, batch, t, ~hidden, streams)[0], {}

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """The loss, and the error of x0 as one of the velocity: the same measure for every objective.

        Nothing is hidden; the noise levels are a few, evenly spread.
        """
        streams, shown = Streams(batch.seeds), torch.ones_like(batch.seeds, dtype=torch.bool)
        angles = math.pi / 2 * (torch.arange(N_LEVELS, dtype=torch.float64, device=shown.device) + 0.5) / N_LEVELS
        times = self.objective.path.time_of(torch.tan(angles))
        errors = [self._errors(nets, batch, t.expand(len(batch)), shown, streams) for t in times]
        loss, velocity = (torch.stack(column).mean() for column in zip(*errors, strict=True))
        return {"loss": loss, "velocity": velocity}

    def predict(self, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor) -> Tensor:
        """A sample a seed (B, C, ...) for inputs (B, I, ...), all in their physical units; I may be 0.

        No pixel is brighter than the brightest of training, where the normaliser knows it.
        """
        streams, scale = Streams(seeds), self.normalizer.targets
        shape = (len(self.about.target_channels), *inputs.shape[2:])
        sample = self.sample(nets, inputs, params, streams.normal(shape), streams)
        return scale.inverse(scale.bounded(sample), inputs[:, :1])

    def sample(self, nets: Nets, inputs: Tensor, params: Tensor, start: Tensor, streams: Streams) -> Tensor:
        """The normalised sample that the white noise `start` (B, C, ...) becomes."""
        seen, told = self._normalised(inputs, params)
        shown = torch.ones(len(start), dtype=torch.bool, device=start.device)
        conditions = {"shown": Condition(seen, told, shown)}
        if self.config.sampler.guidance != 1:
            conditions["hidden"] = Condition(seen, told, ~shown)

        def estimate(xt: Tensor, signal: float, noise: float) -> Tensor:
            shares = (xt.new_full((len(xt),), share) for share in (signal, noise))
            return self._guided(nets, xt, conditions, *shares)

        steps = self.steps(nets)
        return run(steps, estimate, steps[0].start[1] * start, lambda: streams.normal(tuple(start.shape[1:])))

    def steps(self, nets: Nets | None = None) -> list[Step]:
        """The steps of the sampler; `nets` have a say in them where they learn how noise is scheduled."""
        told, path = self.config.sampler, self.objective.path
        times = self.times(nets).grid(told.n_steps, told.noise_range)
        levels = list(zip(path.signal(times).tolist(), path.noise(times).tolist(), strict=True))
        return plan(SAMPLERS[self.config.sampler.kind], levels)

    def times(self, _nets: Nets | None = None) -> Times:
        """The noise levels of training and of sampling."""
        return self.objective.times

    def _guided(
        self, nets: Nets, xt: Tensor, conditions: Mapping[str, Condition], signal: Tensor, noise: Tensor
    ) -> Tensor:
        """The estimate of the field, pulled away from the one that knows no condition (Ho & Salimans 2022, eq. 6)."""
        answers = {name: self._answer(nets, xt, condition, signal, noise) for name, condition in conditions.items()}
        answer = answers["shown"]
        if "hidden" in answers:
            answer = answers["hidden"] + self.config.sampler.guidance * (answer - answers["hidden"])
        return self.objective.field(answer, xt, spread(signal, xt), spread(noise, xt))

    def _errors(self, nets: Nets, batch: Batch, t: Tensor, shown: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
        """Mean squared errors of the answer at times t (B,), and of the x0 it stands for over the share of noise."""
        x0 = self.normalizer.targets.forward(batch.targets, batch.inputs[:, :1])
        eps, path = streams.normal(tuple(x0.shape[1:])), self.objective.path
        signal, noise = (share.to(x0.dtype) for share in (path.signal(t), path.noise(t)))
        much, less = spread(signal, x0), spread(noise, x0)
        xt, condition = much * x0 + less * eps, Condition(*self._normalised(batch.inputs, batch.params), shown)
        answer = self._answer(nets, xt, condition, signal, noise)
        field = self.objective.field(answer, xt, much, less)
        wrong = (field - x0) * torch.hypot(much, less) / less
        miss = answer - self.objective.answer(x0, eps, much, less)
        return (self._weights(field) * miss.square()).mean(), wrong.square().mean()

    def _weights(self, field: Tensor) -> Tensor:
        """Of the pixels of estimates (B, C, ...) in the loss, 1 on average over a map.

        They depend on xt alone, through the estimate, so the best estimate stays the mean of what xt may be of.
        """
        weights = 1 + self.config.bright * field.detach().square()
        return weights / weights.flatten(1).mean(1).reshape(-1, *(1,) * (field.ndim - 1))

    def _answer(self, nets: Nets, xt: Tensor, condition: Condition, signal: Tensor, noise: Tensor) -> Tensor:
        """The answer to xt (B, C, ...)."""
        seen = torch.cat((xt, condition.inputs), dim=1)
        said: Tensor = nets[NET](seen, condition.params, level(signal, noise))
        return self.objective.completed(said.float(), xt, spread(signal, xt), spread(noise, xt))

    def _normalised(self, inputs: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.normalizer.inputs.forward(inputs), self.normalizer.params.forward(params)


def spread(shares: Tensor, fields: Tensor) -> Tensor:
    """A number a map (B,), to be multiplied with fields (B, ...)."""
    return shares.reshape(-1, *(1,) * (fields.ndim - 1))
