"""What gives baryons to a halo, of each kind of `configs.Bind.sampler`. `open_sampler` is the one list."""

from __future__ import annotations

from configs import Profile, Trained
from learn import checkpoint
from learn.samplers.profile import MeanProfile
from learn.samplers.sampler import Frame, Sampler
from learn.samplers.trained import HaloSampler
from learn.sources import HaloSource


def open_sampler(config: Trained | Profile) -> Sampler:
    """The sampler that `config` names; FileNotFoundError or ValueError names what is missing or of another kind."""
    return MeanProfile.fit(config) if isinstance(config, Profile) else HaloSampler.load(config.folder, config.device)


def frame_of(config: Trained | Profile) -> Frame:
    """What that sampler is shown, without opening it; errors as those of `open_sampler`."""
    if isinstance(config, Profile):
        return MeanProfile.framed(config, HaloSource(config.data, "train"))
    meta = checkpoint.load_meta(config.folder)
    return Frame.of(meta, meta.weights_sha256)


__all__ = ["Frame", "HaloSampler", "MeanProfile", "Sampler", "frame_of", "open_sampler"]
