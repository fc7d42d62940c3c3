from __future__ import annotations

from dataclasses import replace

import camb
import numpy as np
import pytest
from camb.sources import SplinedSourceWindow
from scipy.integrate import quad

from configs import Box, Cosmology, Lightcone
from sim import limber
from sim.convergence import convergence
from sim.cosmology import particle_mass
from sim.efficiency import Sources, sources_of
from sim.lightcone import Plane, contrast_of, planes, turned
from sim.power import nonlinear_power
from sim.units import HUBBLE, SPEED_OF_LIGHT

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
PLANE, SMAIL = Sources(PLANCK, 1.0, False, 1.0), Sources(PLANCK, 0.5, True, 2.2)
CONE = Lightcone(field_deg=6.0, n_pixels=256, plane_depth=32.0, plane_pixels=64, z_source=0.2)
BOX = Box(cosmology=PLANCK, box_size=64.0, n_particles=32, seed=3, lightcone=CONE)
ELL = np.array([30.0, 300.0, 3000.0])


def decaying(slope: float) -> limber.Power:
    """P = k^slope a^2: the growth of P cancels the (1 + z)^2 of the kernel."""
    return lambda k, z: k**slope / (1 + z) ** 2


@pytest.mark.parametrize(("slope", "beta"), [(0.0, 1 / 3), (-1.0, 1 / 12), (-2.0, 1 / 30)])
def test_power_laws_have_closed_forms(slope: float, beta: float) -> None:
    """C(l) = (3/2 omega_m (H0/c)^2)^2 l^n chi_s^(1-n) B(1-n, 3), B the beta function."""
    strength = (1.5 * PLANCK.omega_m * (HUBBLE / SPEED_OF_LIGHT) ** 2) ** 2
    expected = strength * ELL**slope * PLANE.chi ** (1 - slope) * beta
    np.testing.assert_allclose(limber.limber(ELL, PLANE, decaying(slope), nearest=1e-6), expected, rtol=1e-6)


@pytest.mark.slow
def test_camb_has_the_same_shear_power() -> None:
    """CAMB's own line-of-sight integral over the same linear P(k, z), for the same n(z)."""
    z, n = SMAIL.distribution
    theirs = camb.CAMBparams()
    theirs.set_cosmology(H0=67.36, ombh2=0.0493 * 0.6736**2, omch2=0.2659 * 0.6736**2, mnu=0, num_massive_neutrinos=0)
    theirs.set_for_lmax(1000, nonlinear=False)
    theirs.set_matter_power(redshifts=np.linspace(2.3, 0, 12).tolist(), kmax=20, nonlinear=False)
    theirs.Want_CMB = False
    theirs.SourceWindows = [SplinedSourceWindow(source_type="lensing", z=z[1::16], W=n[1::16])]
    results = camb.get_results(theirs)
    found = results.get_source_cls_dict(lmax=900, raw_cl=True)["W1xW1"]
    table = results.get_matter_power_interpolator(nonlinear=False, hubble_units=True, k_hunit=True)
    ell = np.array([30, 100, 300, 900])
    ours = limber.limber(ell + 0.5, SMAIL, lambda k, at: table.P(at, k), nearest=20)
    np.testing.assert_allclose(ours, found[ell], rtol=0.005)


def test_nonlinear_power_between_its_redshifts_and_beyond_its_table() -> None:
    power = limber.nonlinear(PLANCK, 1.0)
    k = np.array([0.01, 0.3, 5.0])
    for z in (0.03, 0.53):
        np.testing.assert_allclose(power(k, z), nonlinear_power(PLANCK, z)(k), rtol=2e-3)
    near, *far = power(np.array([10.0, 20.0, 40.0, 80.0]), 0.5)
    np.testing.assert_allclose(far[2] / far[1], far[1] / far[0], rtol=1e-6)
    np.testing.assert_allclose(far[1] / far[0], far[0] / near, rtol=0.1)


def test_a_whole_repetition_in_equal_layers_is_the_projected_box() -> None:
    """Layers of one box, summed with equal weights, have the power of the box seen as one plane: P(k) / L."""
    box = BOX.model_copy(update={"lightcone": CONE.model_copy(update={"plane_depth": 8.0})})
    layers = [plane for plane in planes(box) if plane.repetition == 2]
    same = [replace(plane, near=300.0, far=308.0, a=0.9) for plane in layers]
    power = decaying(-1.5)
    total = sum(limber._between(ELL, one, two, 64.0, power) for one in same for two in same)
    np.testing.assert_allclose(total / 64, power(ELL / 304, 1 / 0.9 - 1) / 64, rtol=1e-6)


def test_one_layer_has_the_power_of_a_top_hat() -> None:
    """Integral of P sinc^2(k d / 2) dk / 2 pi along the line of sight, where the box is much deeper than the layer."""
    layer = Plane(0, 300.0, 304.0, 0.9, 4, 0, 16, turned(0, 0))
    k = np.array([0.5, 2.0, 8.0])

    def along(k_along: float, across: float) -> float:
        return np.hypot(k_along, across) ** -1.5 * np.sinc(2 * k_along / np.pi) ** 2 / np.pi

    expected = [quad(along, 0, 16 * np.pi, args=(across,), limit=200)[0] for across in k]
    found = limber._between(k * 302, layer, layer, 64.0, lambda k, _: k**-1.5)
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_planes_together_have_limbers_power() -> None:
    expected = limber.expected(ELL[1:], BOX, decaying(-1.5), smoothed=False)
    integral = limber.limber(ELL[1:], sources_of(BOX), decaying(-1.5), nearest=1e-3)
    np.testing.assert_allclose(expected.signal, integral, rtol=0.01)


def test_noise_of_random_particles_is_as_expected() -> None:
    """With the smoothing by both CIC and sampling, where the map is wider than a pixel of the planes."""
    cone = CONE.model_copy(update={"plane_pixels": 128, "plane_depth": 64.0})
    box = BOX.model_copy(update={"lightcone": cone})
    rng, mass = np.random.default_rng(4), particle_mass(BOX)
    edges = np.array([400.0, 600, 1000, 1200, 2000, 2200])
    found = []
    for _ in range(10):
        contrasts = []
        for plane in planes(box):
            pos = (rng.random((32**3, 3)) * 64).astype(np.float32)
            contrasts.append(contrast_of([(pos, mass)], plane, box))
        found.append(limber.measured(convergence(box, contrasts), 6.0, edges))
    ell, cl = found[0].ell[::2], np.mean([each.cl for each in found], axis=0)[::2]
    noise, bare = (limber.expected(ell, box, decaying(0.0), smoothed=smoothed).noise for smoothed in (True, False))
    np.testing.assert_allclose(cl / noise, 1, atol=0.08)
    assert noise[-1] < 0.5 * bare[-1]


@pytest.mark.parametrize("taper", [0.0, 0.1, 0.3])
def test_measured_power_of_white_noise(taper: float) -> None:
    n, field = 128, 3.0
    kappa = np.random.default_rng(5).normal(size=(n, n))
    found = limber.measured(kappa, field, np.array([300.0, 2000, 7000]), taper=taper)
    np.testing.assert_allclose(found.cl, (np.deg2rad(field) / n) ** 2, rtol=0.06)


def test_a_wave_on_the_sky_is_in_its_bin() -> None:
    """The convergence is cos(l x): its variance of 1/2 is the sum of C(l) over modes, each 1 / side^2."""
    n, side = 128, np.deg2rad(3.0)
    x = np.arange(n) / n
    kappa = np.cos(2 * np.pi * 10 * x)[:, None] * np.ones(n)
    found = limber.measured(kappa, 3.0, np.array([500.0, 1100, 1300, 3000]), taper=0)
    np.testing.assert_allclose(found.cl * found.n_modes / side**2, [0, 0.5, 0], atol=1e-12)
    assert 1100 < found.ell[1] < 1300
