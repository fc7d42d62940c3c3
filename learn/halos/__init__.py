"""What gives baryons to a halo, of each kind of `configs.Bind.sampler`. `open_sampler` is the one list."""

from __future__ import annotations

from configs import Profile, Trained
from learn.halos.profile import MeanProfile
from learn.halos.sampler import Frame, Sampler
from learn.halos.trained import HaloSampler, identity
from learn.sources.halos import HaloSource


def open_sampler(config: Trained | Profile) -> Sampler:
    """The sampler that `config` names; FileNotFoundError or ValueError names what is missing or of another kind."""
    if isinstance(config, Profile):
        return MeanProfile.fit(config)
    return HaloSampler.load(config.folder, config.device, sampling=config.sampling)


def frame_of(config: Trained | Profile) -> Frame:
    """What that sampler is shown, without opening it; errors as those of `open_sampler`."""
    if isinstance(config, Profile):
        return MeanProfile.framed(config, HaloSource(config.data, "train"))
    meta = HaloSampler.read_meta(config.folder)
    return Frame.of(meta, identity(meta, config.sampling))


__all__ = ["Frame", "HaloSampler", "MeanProfile", "Sampler", "frame_of", "open_sampler"]
