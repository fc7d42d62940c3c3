"""What a person may ask for: every field of every configuration, with its unit and its bounds.

Knows nothing of YAML, of files or of what is computed from a field. Base units: comoving Mpc/h, km/s, Msun/h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location

Interval = tuple[float, float]


class Cosmology(Frozen):
    """Flat, without photons: matter, of which neutrinos may be a part, and dark energy with w = w0 + wa (1 - a)."""

    omega_m: float = Field(gt=0.05, lt=1.0, description="matter density at z=0, over critical")
    omega_b: float = Field(gt=0.0, lt=0.3, description="baryon density at z=0, over critical")
    h: float = Field(gt=0.3, lt=1.5, description="H0 / (100 km/s/Mpc)")
    n_s: float = Field(gt=0.5, lt=1.5, description="slope of the primordial power spectrum")
    sigma8: float = Field(gt=0.1, lt=2.0, description="linear rms of the density in 8 Mpc/h spheres at z=0")

    m_nu: float = Field(0.0, ge=0.0, le=2.0, description="sum of the masses of three equal neutrinos [eV]")
    w0: float = Field(-1.0, gt=-3.0, lt=-0.33, description="equation of state of dark energy today")
    wa: float = Field(0.0, gt=-3.0, lt=1.0, description="how fast it changes: w = w0 + wa (1 - a)")

    @model_validator(mode="after")
    def baryons_are_matter(self) -> Self:
        if self.omega_b >= self.omega_m:
            raise ValueError(f"omega_b below omega_m={self.omega_m}, got {self.omega_b}")
        neutrinos = self.m_nu / 93.03 / self.h**2
        if self.omega_b + neutrinos >= self.omega_m:
            cold = f"{self.omega_b} and about {neutrinos:.3f} of neutrinos"
            raise ValueError(f"omega_b and neutrinos below omega_m={self.omega_m}, got {cold}")
        if self.w0 + self.wa >= 0:
            raise ValueError(f"w0 + wa below 0, or dark energy rules early times, got {self.w0} + {self.wa}")
        return self

    @property
    def baryon_fraction(self) -> float:
        return self.omega_b / self.omega_m


class Lightcone(Frozen):
    """Mass planes on the past light cone of an observer at z=0, and the convergence of galaxies behind them."""

    field_deg: float = Field(gt=0, le=90, description="side of the square field, flat sky [degree]")
    n_pixels: int = Field(ge=8, le=16384, description="pixels along one side of the convergence map")
    plane_depth: float = Field(gt=0, description="comoving thickness of a plane; a whole number of them fills the box")
    plane_pixels: int = Field(ge=8, le=16384, description="pixels along one side of a plane, which shows the whole box")
    z_source: float = Field(1.0, gt=0, le=10, description="source redshift, or the z0 of `distribution`")
    distribution: Literal["plane", "smail"] = Field(
        "plane", description="all sources at z_source, or n(z) ~ z^2 exp(-(z / z_source)^1.5) (Smail et al. 1994)"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="seed of the shifts and turns that hide the repeated box")


class Box(Frozen):
    """One dark-matter-only simulation."""

    cosmology: Cosmology
    box_size: float = Field(gt=0, description="side of the periodic box [Mpc/h]")
    n_particles: int = Field(ge=4, le=4096, description="particles along one side")
    mesh_factor: int = Field(2, ge=1, le=4, description="force mesh cells per particle along one side")
    seed: int = Field(ge=0, lt=2**63, description="seed of the initial white noise: the same seed is the same universe")
    z_initial: float = Field(49.0, gt=0, description="redshift of the initial conditions")
    redshifts: tuple[float, ...] = Field(
        (0.0,), description="output redshifts, from high to low; the last ends the run"
    )
    n_steps: int = Field(20, ge=1, le=10000, description="steps from z_initial to the last output")
    spacing: Literal["a", "log_a", "growth"] = Field("a", description="the steps are uniform in this time variable")
    integrator: Literal["fastpm", "bullfrog"] = Field("bullfrog", description="coefficients of a kick-drift-kick step")
    lpt_order: Literal[1, 2] = Field(2, description="order of the Lagrangian perturbation theory at z_initial")
    assignment: Literal["cic", "tsc"] = Field("cic", description="mass assignment and force interpolation")
    gradient: Literal["four_point", "spectral"] = Field("four_point", description="how the potential becomes a force")
    laplacian: Literal["spectral", "seven_point", "thirteen_point"] = Field(
        "spectral", description="what Poisson's equation inverts: k^2, or a difference of second or fourth order"
    )
    deconvolve: bool = Field(False, description="divide the force by the windows of assignment and interpolation")
    fixed_amplitude: bool = Field(False, description="every mode starts with the rms amplitude (Angulo & Pontzen 2016)")
    paired_phase: bool = Field(False, description="add pi to every phase: the partner of the run with the same seed")
    power_table: Location | None = Field(
        None, description="text file of k [h/Mpc] and linear P(k) at z=0 [(Mpc/h)^3], used as it is instead of CAMB's"
    )
    initial_conditions: Location | None = Field(
        None, description="snapshot at z_initial to start from: Gadget binary, HDF5 or Abacus; seed is then unused"
    )
    snapshots: bool = Field(True, description="write the particles at each output redshift")
    spectra: bool = Field(False, description="measure P(k) at each output redshift while running")
    map_pixels: int | None = Field(
        None, ge=8, le=16384, description="pixels of surface density maps along the three axes at each output redshift"
    )
    lightcone: Lightcone | None = Field(None, description="mass planes and convergence maps, made while running")

    @model_validator(mode="after")
    def redshifts_fall(self) -> Self:
        falling = all(a > b for a, b in zip((self.z_initial, *self.redshifts), self.redshifts, strict=False))
        if not self.redshifts or not falling or self.redshifts[-1] < 0:
            raise ValueError(f"redshifts falling from below z_initial={self.z_initial} to >= 0, got {self.redshifts}")
        return self

    @model_validator(mode="after")
    def planes_fill_the_box(self) -> Self:
        if self.lightcone is not None:
            n_planes = self.box_size / self.lightcone.plane_depth
            if n_planes < 1 or abs(n_planes - round(n_planes)) > 1e-6:
                depth = self.lightcone.plane_depth
                raise ValueError(f"lightcone.plane_depth: a whole fraction of box_size={self.box_size}, got {depth}")
            if self.redshifts[-1] > 0:
                raise ValueError(
                    f"redshifts: an end at 0, where the light cone's observer is, got {self.redshifts[-1]}"
                )
        return self

    @property
    def n_mesh(self) -> int:
        return self.n_particles * self.mesh_factor


class Ensemble(Frozen):
    """Many boxes that differ in seed and in what `vary` names (a scrambled Sobol design), or a set of CAMELS."""

    box: Box = Field(description="the template: each member takes its own seed and varied parameters")
    n_boxes: int = Field(ge=1, le=100_000, description="how many simulations")
    seed: int = Field(ge=0, lt=2**31, description="seed of the design and of the seeds of the boxes")
    vary: dict[Literal["omega_m", "omega_b", "h", "n_s", "sigma8", "m_nu", "w0", "wa"], Interval] = Field(
        default_factory=dict, description="cosmological parameter -> [low, high]"
    )
    camels: Literal["CV", "1P", "LH", "SB35"] | None = Field(
        None, description="the set of CAMELS whose first n_boxes these are, instead of `vary`"
    )
    camels_table: Location | None = Field(
        None, description="published CosmoAstroSeed table of that set; None: a design of our own over its ranges"
    )
    out: Location = Field(description="folder of the simulations, one folder each")
    n_retries: int = Field(2, ge=0, le=10, description="how often a failed box is tried again")
    n_ranks: int | None = Field(None, ge=1, description="actors that share one box; None: as few as memory allows")
    checkpoint_minutes: float = Field(
        10.0, gt=0, description="a box writes a checkpoint this often, and resumes from it"
    )

    @model_validator(mode="after")
    def intervals_rise(self) -> Self:
        refuse_empty_intervals("vary", self.vary)
        if self.camels is not None and self.vary:
            raise ValueError(f"vary: nothing beside camels={self.camels}, got {', '.join(self.vary)}")
        if self.camels_table is not None and self.camels is None:
            raise ValueError(f"camels: the set that camels_table={self.camels_table.name} is of, got None")
        return self


class Baryons(Frozen):
    """Component-wise baryonification (Schneider et al. 2019, 2025; Giri & Schneider 2021). Masses in Msun/h."""

    log10_m_c: float = Field(13.6, ge=11, le=16, description="log10 of the halo mass below which gas is ejected")
    mu: float = Field(0.9, gt=0, le=2, description="how fast the gas slope changes with halo mass")
    theta_ej: float = Field(6.4, ge=1, le=12, description="ejection radius over R200c at peak height 1")
    theta_co: float = Field(0.04, gt=0, le=1, description="core radius of the hot gas over R200c")
    gamma: float = Field(1.5, gt=0, le=5, description="inner shape of the outer gas truncation")
    delta: float = Field(7.0, gt=3, le=12, description="outer slope of the gas truncation")
    n_star: float = Field(0.03, gt=0, le=0.2, description="normalisation of the stellar fraction")
    log10_m_star: float = Field(11.4, ge=10, le=13, description="log10 of the mass where the stellar fraction peaks")
    tau: float = Field(-1.376, ge=-3, lt=0, description="low-mass slope of the stellar fraction")
    eta: float = Field(0.1, ge=0, le=1, description="high-mass slope of the total stellar fraction")
    eta_delta: float = Field(0.22, ge=0, le=1, description="extra high-mass slope of the central galaxy")
    inner_gas: float = Field(0.1, ge=0, le=1, description="cold inner gas over the mass of the central galaxy at z=0")
    scatter: float = Field(0.15, ge=0, le=1, description="halo-to-halo scatter of log10 m_c [dex]")
    scatter_central: float = Field(0.16, ge=0, le=1, description="halo-to-halo scatter of the central galaxy [dex]")
    scatter_c: float = Field(0.14, ge=0, le=1, description="halo-to-halo scatter of the concentration [dex]")


class Enthalpy(Frozen):
    """Baryons by an effective potential, for tests out of distribution (Dai et al. 2018; Dai & Seljak 2020)."""

    cell: float = Field(0.2, gt=0, le=10, description="largest cell of the mesh of the potential [Mpc/h]")
    smoothing: float = Field(0.3, ge=0, le=10, description="Gaussian radius of the density that matters [Mpc/h]")
    alpha: float = Field(0.003, ge=0, le=100, description="strength of the displacement [(Mpc/h)^2]")
    gamma: float = Field(0.75, gt=0, le=3, description="power of the density that the potential is")
    k_large: float = Field(0.3, ge=0, description="wave number of scales too large to feel the potential [h/Mpc]")
    k_small: float = Field(6.0, gt=0, description="wave number of scales too small to feel it [h/Mpc]")
    star_density: float = Field(100.0, gt=0, description="smoothed density over the mean above which there are stars")
    star_slope: float = Field(0.5, gt=0, le=4, description="how fast the stellar share of baryons rises with density")
    star_share: float = Field(0.5, ge=0, lt=1, description="largest share of baryons in stars")


class Painted(Frozen):
    """Boxes that `simulate` wrote, and how they are given baryons."""

    simulations: Location = Field(description="folder that `simulate` wrote")
    redshift: float = Field(0.0, ge=0, description="which output of the simulations")
    linking_length: float = Field(0.2, gt=0, le=1, description="friends-of-friends, in mean particle separations")
    min_particles: int = Field(50, ge=20, description="smallest halo that hosts baryons")
    center: Literal["densest", "most_bound"] = Field("densest", description="which member is the centre of a halo")
    repair: bool = Field(True, description="give halos back what the mesh of the run softened, on both sides")
    model: Literal["baryonification", "enthalpy"] = Field("baryonification", description="what makes the other side")
    baryons: Baryons = Field(default_factory=Baryons, description="the fiducial baryon model")
    enthalpy: Enthalpy = Field(default_factory=Enthalpy, description="the second model, for tests out of distribution")
    vary: dict[str, Interval] = Field(
        default_factory=dict, description="baryon parameter -> [low, high], a Sobol design"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the design and of the scatter, and of the split")

    @model_validator(mode="after")
    def varies_baryons(self) -> Self:
        refuse_empty_intervals("vary", self.vary)
        if self.vary and self.model != "baryonification":
            raise ValueError(
                f"vary: nothing with model={self.model}, which has no baryon parameters, got {list(self.vary)}"
            )
        unknown = sorted(set(self.vary) - set(Baryons.model_fields))
        if unknown:
            raise ValueError(f"vary: names of baryon parameters ({', '.join(Baryons.model_fields)}), got {unknown[0]}")
        return self


class Pairs(Painted):
    """Paired maps, dark-matter-only -> total, gas, stars, of every simulation of an ensemble."""

    product: Literal["maps"] = Field("maps", description="maps: the whole box seen along its axes")
    out: Location = Field(description="folder of the shards and of manifest.json")
    n_pixels: int = Field(ge=8, le=8192, description="pixels along one side of a map, which shows the whole box")
    axes: tuple[Literal[0, 1, 2], ...] = Field((0, 1, 2), description="lines of sight")
    n_slabs: int = Field(1, ge=1, le=64, description="maps along each line of sight, each box_size / n_slabs deep")
    split: tuple[float, float, float] = Field(
        (0.75, 0.125, 0.125), description="train, validation, test shares of simulations"
    )
    split_seed: int | None = Field(
        None, ge=0, lt=2**31, description="seed of the split; None: `seed`. Sets with one are parted alike"
    )
    n_retries: int = Field(2, ge=0, le=10, description="how often a failed simulation is tried again")

    @model_validator(mode="after")
    def splits_a_whole(self) -> Self:
        refuse_bad_split(self.split)
        return self


def refuse_empty_intervals(key: str, vary: Mapping[Any, Interval]) -> None:
    """ValueError unless every interval of `vary` rises."""
    for name, (low, high) in vary.items():
        if not low < high:
            raise ValueError(f"{key}.{name}: [low, high] with low < high, got [{low}, {high}]")


def refuse_bad_split(split: Sequence[float]) -> None:
    """ValueError unless the shares are those of a whole."""
    if abs(sum(split) - 1) > 1e-6 or min(split) < 0:
        raise ValueError(f"split: three shares >= 0 that sum to 1, got {tuple(split)}")
