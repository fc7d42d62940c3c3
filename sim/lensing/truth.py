"""The truth about simulated lenses: named numbers, from which masses, lights and cameras are built again.

Knows what the numbers are called and what they mean; nothing of how they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SOURCE_KINDS = ("sersic", "clumpy", "spiral", "bulge_disc", "image")
PSF_KINDS = ("gaussian", "moffat", "airy", "kernel")


class Quantity(NamedTuple):
    """Its keyword in the header of a FITS file, its unit, its meaning."""

    card: str
    unit: str
    meaning: str


TRUTH: Mapping[str, Quantity] = {
    "index": Quantity("INDEX", "", "of the system in its family and seed"),
    "attempt": Quantity("ATTEMPT", "", "draws that were rejected before this one"),
    "z_lens": Quantity("Z_LENS", "", "redshift of the lens"),
    "z_source": Quantity("Z_SRC", "", "redshift of the source"),
    "sigma_v": Quantity("SIGMA_V", "km/s", "velocity dispersion; 0: not drawn"),
    "theta_e": Quantity("THETA_E", "arcsec", "Einstein radius of the power law"),
    "slope": Quantity("SLOPE", "", "of the power law; 2: isothermal"),
    "q": Quantity("AXRATIO", "", "axis ratio of the mass"),
    "phi": Quantity("PHI", "rad", "angle of its major axis, from x to y"),
    "x": Quantity("LENS_X", "arcsec", "centre of the lens"),
    "y": Quantity("LENS_Y", "arcsec", "centre of the lens"),
    "gamma": Quantity("GAMMA", "", "external shear"),
    "phi_gamma": Quantity("PHI_GAM", "rad", "direction of the shear"),
    "kappa_s": Quantity("KAPPA_S", "", "rho_s r_s / Sigma_crit of the NFW halo"),
    "r_s": Quantity("R_S", "arcsec", "scale radius of the NFW halo"),
    "n_subhalos": Quantity("N_SUBHAL", "", "number of SIS subhalos"),
    "theta_e_los": Quantity("TH_E_LOS", "arcsec", "Einstein radius of the SIS in another plane"),
    "x_los": Quantity("X_LOS", "arcsec", "its centre"),
    "y_los": Quantity("Y_LOS", "arcsec", "its centre"),
    "z_los": Quantity("Z_LOS", "", "its redshift"),
    "between_los": Quantity("B_LOS", "", "D_ij D_s / (D_j D_is) of the two planes"),
    "source_kind": Quantity("SRC_KIND", "", "0 sersic 1 clumpy 2 spiral 3 bulge+disc 4 image"),
    "source_magnitude": Quantity("SRC_MAG", "mag", "of the source before lensing"),
    "source_x": Quantity("SRC_X", "arcsec", "centre of the source"),
    "source_y": Quantity("SRC_Y", "arcsec", "centre of the source"),
    "source_r_e": Quantity("SRC_R_E", "arcsec", "half-light radius of the source or its disc"),
    "source_n": Quantity("SRC_N", "", "Sersic index of the source or its disc"),
    "source_q": Quantity("SRC_Q", "", "axis ratio of the source"),
    "source_phi": Quantity("SRC_PHI", "rad", "angle of its major axis"),
    "bulge_share": Quantity("BUL_SHAR", "", "share of the light in the bulge"),
    "bulge_r_e": Quantity("BUL_R_E", "arcsec", "half-light radius of the bulge"),
    "bulge_n": Quantity("BUL_N", "", "Sersic index of the bulge"),
    "bulge_q": Quantity("BUL_Q", "", "axis ratio of the bulge"),
    "clump_share": Quantity("CLU_SHAR", "", "share of the light in clumps"),
    "n_clumps": Quantity("N_CLUMPS", "", "number of clumps"),
    "n_arms": Quantity("N_ARMS", "", "number of spiral arms"),
    "arm_contrast": Quantity("ARM_CONT", "", "contrast of the arms over the disc"),
    "winding": Quantity("WINDING", "rad", "angle of an arm for a factor e in radius"),
    "source_image": Quantity("SRC_IMG", "", "which image, of a source of that kind"),
    "source_turn": Quantity("SRC_TURN", "", "quarter turns of the image; from 4 on mirrored"),
    "lens_magnitude": Quantity("LENS_MAG", "mag", "of the light of the lens; infinite: none"),
    "lens_r_e": Quantity("LENS_R_E", "arcsec", "half-light radius of the lens"),
    "lens_n": Quantity("LENS_N", "", "Sersic index of the lens"),
    "lens_q": Quantity("LENS_Q", "", "axis ratio of the light of the lens"),
    "lens_phi": Quantity("LENS_PHI", "rad", "angle of its major axis"),
    "instrument": Quantity("INSTNUM", "", "which of the instruments of the family"),
    "pixel_size": Quantity("PIXSCALE", "arcsec", "side of a pixel"),
    "source_field": Quantity("SRC_FOV", "arcsec", "side of the field of the source's own image"),
    "psf_kind": Quantity("PSF_KIND", "", "0 gaussian 1 moffat 2 airy 3 kernel"),
    "psf_fwhm": Quantity("PSF_FWHM", "arcsec", "of the true point spread function"),
    "psf_beta": Quantity("PSF_BETA", "", "of a Moffat profile"),
    "psf_e1": Quantity("PSF_E1", "", "ellipticity of a Moffat profile"),
    "psf_e2": Quantity("PSF_E2", "", "ellipticity of a Moffat profile"),
    "assumed_fwhm": Quantity("ASM_FWHM", "arcsec", "of the PSF that is handed out"),
    "assumed_e1": Quantity("ASM_E1", "", "of the PSF that is handed out"),
    "assumed_e2": Quantity("ASM_E2", "", "of the PSF that is handed out"),
    "zero_point": Quantity("MAGZERO", "mag", "magnitude of one electron/s"),
    "exposure_time": Quantity("EXPTIME", "s", "of all exposures together"),
    "n_reads": Quantity("N_READS", "", "how often the detector was read"),
    "read_noise": Quantity("RDNOISE", "electron", "of one read"),
    "sky_magnitude": Quantity("SKYMAG", "mag", "of a square arcsec of sky"),
    "correlation": Quantity("NOISCORR", "pixel", "blur of the noise by resampling"),
    "cosmic_rays": Quantity("COSMRAYS", "", "mean number in an image"),
    "ray_charge": Quantity("RAYCHARG", "electron", "mean number that a cosmic ray leaves"),
    "n_images": Quantity("N_IMAGES", "", "of the source's centre, by the smooth lens"),
    "magnification": Quantity("MAGNIF", "", "lensed flux in the field over unlensed flux"),
}
"""What is known of every system. What a system has not is 0; of subhalos and clumps there are tables beside."""

NINE = {
    "b": "theta_e",
    "q": "q",
    "phi": "phi",
    "x0": "x",
    "y0": "y",
    "gamma": "gamma",
    "gamma_phi": "phi_gamma",
    "kappa_s": "kappa_s",
    "r_s": "r_s",
}
"""The parameters of a lens as lens inversion calls them, and what they are called here."""

SUBHALO = ("theta_e", "x", "y")
CLUMP = ("share", "sigma", "x", "y")
"""Columns of the tables: angles in arcsec; shares of the light in clumps; clumps from the centre of the source."""


@dataclass(frozen=True)
class System:
    """One system: the numbers of `TRUTH`, subhalos (s, 3) and clumps (c, 4) that are as many in all of a family."""

    numbers: Mapping[str, float]
    subhalos: Array
    clumps: Array


@dataclass(frozen=True)
class Truths:
    """Of a batch: numbers (B,), subhalos (B, s, 3), clumps (B, c, 4), of which those that are not there are 0."""

    numbers: Mapping[str, Array]
    subhalos: Array
    clumps: Array

    @classmethod
    def of(cls, systems: Sequence[System]) -> Truths:
        """Of at least one system."""
        numbers = {name: np.array([one.numbers[name] for one in systems], np.float64) for name in TRUTH}
        return cls(numbers, np.stack([one.subhalos for one in systems]), np.stack([one.clumps for one in systems]))

    def __len__(self) -> int:
        return len(self.subhalos)

    def __getitem__(self, name: str) -> Array:
        return self.numbers[name]

    def take(self, which: NDArray[np.intp] | slice) -> Truths:
        """Some of the systems, in the order of `which`."""
        numbers = {name: values[which] for name, values in self.numbers.items()}
        return Truths(numbers, self.subhalos[which], self.clumps[which])

    def with_numbers(self, **columns: Array) -> Truths:
        """With other numbers (B,) of these names."""
        return Truths({**self.numbers, **columns}, self.subhalos, self.clumps)

    def nine(self) -> Array:
        """The parameters (B, 9) of `NINE`, in its order."""
        return np.stack([self.numbers[name] for name in NINE.values()], axis=1)


def joined(parts: Sequence[Truths]) -> Truths:
    """One batch after the other, at least one."""
    numbers = {name: np.concatenate([part[name] for part in parts]) for name in TRUTH}
    subhalos, clumps = (np.concatenate([getattr(part, key) for part in parts]) for key in ("subhalos", "clumps"))
    return Truths(numbers, subhalos, clumps)
