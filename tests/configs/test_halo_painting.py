"""Configurations of models that count halos: what does not fit together is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import ConfigError, CountLikelihood, Counts, EvaluateCounts, Inception, Train, UNet, Wgan, load
from configs.tuning import Tune

TRAIN = """\
data: {kind: counts, folder: a, patch: 24}
out: b
method: wgan
net: {kind: inception}
n_steps: 1
batch_size: 1
"""
COUNTS = "product: counts\nsource: {kind: own, simulations: a}\nout: b\ncell_size: 2\nlog10_mass_edges: [12, 13]\n"
JUDGE = "kind: counts\ncheckpoint: a\ndata: {kind: counts, folder: a}\nout: b\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text)
    return path


def test_the_shipped_files_say_what_they_are_for(repository: Path) -> None:
    nb = load(Train, repository / "configs/train/counts_nb.yaml")
    wgan = load(Train, repository / "configs/train/counts_wgan.yaml")
    occupation = load(Train, repository / "configs/train/counts_occupation.yaml")
    assert isinstance(nb.method, CountLikelihood)
    assert isinstance(occupation.method, CountLikelihood)
    assert (nb.method.likelihood, occupation.method.likelihood) == ("negative_binomial", "occupation")
    assert nb.net == occupation.net
    assert isinstance(wgan.method, Wgan)
    assert nb.net == wgan.net == Inception(kind="inception", width=6, n_blocks=2)
    assert nb.inception.margin == nb.data.margin == 4
    tune = load(Tune, repository / "configs/tune/counts.yaml")
    assert "optimizer.lr" in tune.space.distributions


def test_a_plain_network_is_a_unet_and_halos_need_another(tmp_path: Path) -> None:
    assert load(Train, written(tmp_path, "data: a\nout: b\nn_steps: 1\nbatch_size: 1\n")).net == UNet()
    assert load(Train, written(tmp_path, TRAIN)).method == Wgan()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("net={width: 8}", "net.kind: inception with method.kind=counts or wgan alone, got unet"),
        ("method=regression", "net.kind: unet with method.kind=regression, got inception"),
        ("data=a", "data.kind: counts or count_grids with method.kind=wgan"),
        ("data.margin=3", "data.margin: 4 with net.n_blocks=2, got 3"),
        ("net.n_blocks=3", "data.margin: 6 with net.n_blocks=3, got 4"),
        ("data.patch=12", "data.patch: at least 13 with method.critic_levels=2, got 12"),
        ("compile=true", "compile: false with method.kind=wgan"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, override: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(Train, written(tmp_path, TRAIN), [override])


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("log10_mass_edges=[13, 12]", "log10_mass_edges: rising from 8 to 17"),
        ("log10_mass_edges=[12, 12]", "log10_mass_edges: rising from 8 to 17"),
        ("log10_mass_edges=[12]", "log10_mass_edges: expected Tuple should have at least 2 items"),
        ("split=[1, 1, 1]", "split: three shares"),
        ("source={kind: catalogs, boxes: []}", "source.boxes: expected Tuple should have at least 1 item"),
        ("source={kind: dream}", "source.kind: expected one of 'own', 'catalogs'"),
    ],
)
def test_counts_that_cannot_be_made_are_refused(tmp_path: Path, override: str, problem: str) -> None:
    path = written(tmp_path, COUNTS)
    assert load(Counts, path).channels == ("halos_12_13",)
    with pytest.raises(ConfigError, match=problem):
        load(Counts, path, [override])


def test_two_boxes_of_one_name_are_refused(tmp_path: Path) -> None:
    box = "{name: a, snapshot: s, catalog: c, sigma8: 0.8}"
    with pytest.raises(ConfigError, match="boxes: each name once, got a, a"):
        load(Counts, written(tmp_path, COUNTS), [f"source={{kind: catalogs, boxes: [{box}, {box}]}}"])


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("k_min=1.0", "k_min: below k_max=1, got 1"),
        ("data={kind: counts, folder: a, patch: 4}", "data.patch: none, since whole boxes are judged, got 4"),
        ("data=a", "data: kind counts or count_grids, got another"),
        ("others=[{name: x, data: a}]", "others.x: kind counts or count_grids"),
        (
            "others=[{name: held out, data: {kind: counts, folder: a}}]",
            "others: each name once and none called held out",
        ),
        ("beside={painter: c}", "beside: names other than painter, local bias, mean rate, truth, got painter"),
    ],
)
def test_judgements_that_cannot_be_made_are_refused(tmp_path: Path, override: str, problem: str) -> None:
    path = written(tmp_path, JUDGE)
    assert load(EvaluateCounts, path).others == ()
    with pytest.raises(ConfigError, match=problem):
        load(EvaluateCounts, path, [override])
