from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from configs import (
    Bind,
    Box,
    ConfigError,
    Cosmology,
    Counts,
    Cutouts,
    DiT,
    Ensemble,
    Evaluate,
    EvaluateCounts,
    EvaluateFields,
    EvaluateHalos,
    EvaluateLenses,
    Generate,
    Paint,
    PaintHalos,
    Pairs,
    PairShards,
    Serve,
    Train,
    UNet,
    VdmBind,
    load,
    load_one_of,
    resolve,
    validate,
)
from configs.frozen import Frozen

BOX = """
cosmology: {omega_m: 0.3, omega_b: 0.049, h: 0.67, n_s: 0.96, sigma8: 0.8}
box_size: 32
n_particles: 64
seed: 1
"""


@pytest.fixture
def box_file(tmp_path: Path) -> Path:
    path = tmp_path / "box.yaml"
    path.write_text(BOX)
    return path


def test_a_file_becomes_a_model(box_file: Path) -> None:
    box = load(Box, box_file)
    assert (box.box_size, box.n_mesh, box.redshifts) == (32.0, 128, (0.0,))


def test_an_override_replaces_a_field(box_file: Path) -> None:
    box = load(Box, box_file, ["cosmology.sigma8=0.9", "redshifts=[2, 0.5]", "mesh_factor=3"])
    assert (box.cosmology.sigma8, box.redshifts, box.n_mesh) == (0.9, (2.0, 0.5), 192)


def test_numbers_in_exponent_form_are_numbers(box_file: Path) -> None:
    assert load(Box, box_file, ["box_size=1e2"]).box_size == 100.0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("n_step=3", "n_step: expected one of cosmology, box_size"),
        ("cosmology.w9=-1", "cosmology.w9: expected one of omega_m"),
        ("n_particles=many", "n_particles: expected a valid integer, got 'many'"),
        ("n_particles=6.5", "n_particles: expected a valid integer, got 6.5"),
        ("seed='1'", "seed: expected a valid integer, got '1'"),
        ("cosmology.h=67", "cosmology.h: expected less than 1.5, got 67"),
        ("box_size=null", "box_size: expected a valid number, got None"),
        ("redshifts=[0, 1]", "redshifts falling from below z_initial"),
        ("cosmology.omega_b=0.2999999", None),
        ("cosmology.omega_b=0.3", "cosmology.omega_b: expected less than 0.3"),
        ("spacing=time", "spacing: expected 'a', 'log_a' or 'growth', got 'time'"),
        ("no_equals_sign", "expected key=value, got 'no_equals_sign'"),
        ("=3", "expected key=value"),
        ("box_size=[1", "expected YAML"),
    ],
)
def test_a_wrong_field_is_one_line_that_names_it(box_file: Path, override: str, words: str | None) -> None:
    if words is None:
        load(Box, box_file, [override])
        return
    with pytest.raises(ConfigError) as caught:
        load(Box, box_file, [override])
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert str(box_file) in message or message.startswith("command line")


def test_a_missing_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "box.yaml"
    path.write_text(BOX.replace("box_size: 32\n", ""))
    with pytest.raises(ConfigError, match=r"box\.yaml: box_size: expected a value, found none"):
        load(Box, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.yaml: expected a YAML configuration"):
        load(Box, tmp_path / "absent.yaml")


@pytest.mark.parametrize("text", ["- a list", "just words", "a: [unclosed", "a: ${oc.env:NO_SUCH_VARIABLE_HERE}"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "box.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"box\.yaml"):
        load(Box, path)


def test_models_are_frozen(box_file: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(Box, box_file).seed = 2  # type: ignore[misc]


def test_a_resolved_configuration_loads_to_itself(box_file: Path) -> None:
    box = load(Box, box_file)
    assert validate(Box, json.loads(box.model_dump_json()), "round trip") == box


def test_baryons_are_part_of_matter() -> None:
    with pytest.raises(ValidationError, match="omega_b below omega_m"):
        Cosmology(omega_m=0.1, omega_b=0.2, h=0.7, n_s=1.0, sigma8=0.8)


def test_relative_paths_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKGLASS_HOME", str(tmp_path))
    config = Evaluate.model_validate_json('{"checkpoint": "a", "data": "/b", "out": "c/d"}')
    assert (config.checkpoint, config.data.folder, config.out) == (tmp_path / "a", Path("/b"), tmp_path / "c/d")


def test_a_ray_job_never_writes_into_its_throw_away_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "session" / "runtime_resources" / "working_dir_files" / "_ray_pkg_0"
    copy.mkdir(parents=True)
    monkeypatch.delenv("DARKGLASS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(copy)
    config = Evaluate.model_validate_json('{"checkpoint": "a", "data": "b", "out": "c"}')
    assert config.out == tmp_path / "darkglass" / "c"


FOLDERS: dict[str, type[Frozen]] = {
    "box": Box,
    "ensemble": Ensemble,
    "train": Train,
    "bind": Bind,
    "generate": Generate,
    "paint": Paint,
    "halos": PaintHalos,
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_shipped_file_loads(repository: Path, folder: str) -> None:
    files = sorted((repository / "configs" / folder).glob("*.yaml"))
    assert files
    for file in files:
        load(FOLDERS[folder], file)


def test_every_shipped_data_set_loads_as_its_product_says(repository: Path) -> None:
    products = {"maps": Pairs, "cutouts": Cutouts, "counts": Counts}
    files = sorted((repository / "configs/pairs").glob("*.yaml"))
    found = {file.stem: type(load_one_of(products, "product", file)) for file in files}
    assert found == {
        "demo": Pairs,
        "painter": Pairs,
        "halos": Cutouts,
        "camels": Cutouts,
        "counts": Counts,
        "counts_abacus": Counts,
    }


def test_every_shipped_judgement_loads_as_its_kind_says(repository: Path) -> None:
    kinds = {
        "painter": Evaluate,
        "fields": EvaluateFields,
        "halos": EvaluateHalos,
        "counts": EvaluateCounts,
        "lenses": EvaluateLenses,
    }
    files = sorted((repository / "configs/evaluate").glob("*.yaml"))
    found = {file.stem: type(load_one_of(kinds, "kind", file)) for file in files}
    for name in ("fields", "halos", "counts", "lenses"):
        judged = {file for file, kind in found.items() if kind is kinds[name]}
        assert judged == {file for file in found if file.startswith(name)}
        assert judged


def test_a_product_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("product: cubes\n")
    with pytest.raises(ConfigError, match="product: expected one of maps, cutouts, got 'cubes'"):
        load_one_of({"maps": Pairs, "cutouts": Cutouts}, "product", path)


def test_an_unknown_key_of_one_of_several_kinds_names_the_keys_of_that_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("product: cutouts\nsource: {kind: own, simulations: a, snapshots: 3}\nout: b\n")
    with pytest.raises(ConfigError, match=r"source.snapshots: expected one of simulations, .*, got an unknown key"):
        load(Cutouts, path)


TRAIN = "data: {0}\nout: b\nn_steps: 1\nbatch_size: 1\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            "{kind: multifield, folder: a, suite: T, set_name: LH, foo: 1}",
            "data.foo: expected one of .*suite",
        ),
        (
            "{kind: halos, folder: a, foo: 1}",
            "data.foo: expected one of kind, folder, .*constants, got an unknown",
        ),
        ("{kind: vdm_bind, folder: a, foo: 1}", "data.foo: expected one of .*scales"),
        ("{folder: a, foo: 1}", "data.foo: expected one of kind, folder, more, got an unknown key"),
        ("3", "data: expected a valid string, got 3"),
        ("{kind: cubes, folder: a}", "data.kind: expected one of 'shards', 'multifield', .*, got 'cubes'"),
        ("{kind: multifield, folder: a, suite: ../T, set_name: LH}", "data.suite: .* got '../T'"),
    ],
)
def test_a_wrong_data_set_of_maps_is_one_line_that_names_its_key(tmp_path: Path, data: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(TRAIN.format(data))
    with pytest.raises(ConfigError, match=words):
        load(Train, path)


def test_data_sets_of_maps_are_told_by_kind_and_a_path_is_a_folder_of_shards(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(TRAIN.format("{kind: vdm_bind, folder: /a, scales: [1, 2.5]}"))
    told = load(Train, path)
    assert told.data == VdmBind(kind="vdm_bind", folder=Path("/a"), scales=(1.0, 2.5))
    assert validate(Train, json.loads(told.model_dump_json()), "round trip") == told
    shards = PairShards(folder=Path("/c"), more=(Path("/d"),))
    assert load(Train, path, ["data={folder: /c, more: [/d]}"]).data == shards
    assert load(Train, path, ["data=/c"]).data == PairShards(folder=Path("/c"))


def test_the_shipped_service_loads_and_stays_on_loopback(repository: Path) -> None:
    assert load(Serve, repository / "configs/serve.yaml").host == "127.0.0.1"


MINIMAL = "data: maps\nout: run\nn_steps: 1\nbatch_size: 4\n"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("method=nope", "method: expected 'regression', 'stochastic', .* or 'rim', got 'nope'"),
        ("method={kind: nope}", "method.kind: expected one of 'regression', .* 'rim', got 'nope'"),
        ("net={kind: nope}", "net.kind: expected one of 'unet', 'dit', 'inception', 'recurrent', got 'nope'"),
        ("net={kind: inception, n_levels: 2}", "net.n_levels: expected one of kind, width, n_blocks"),
        ("optimizer={betas: [0.5, 1.0]}", "optimizer.betas.1: expected less than 1"),
        ("method={kind: regression, n_draws: 3}", "method.n_draws: expected one of residual, context"),
        ("method={kind: regression, context: 3}", "method.context: expected a valid array, got 3"),
        ("data={folder: maps, mor: []}", "data.mor: expected one of kind, folder, more, got an unknown key"),
        ("net={kind: dit}", "net.kind: unet with method.kind=regression, got dit"),
        ("net={kind: mlp}", "net.kind: expected one of 'unet', 'dit', 'inception', 'recurrent', got 'mlp'"),
        ("net={kind: dit, depth: 3}", "net.depth: expected one of kind, width, n_blocks, n_heads"),
        ("net={widht: 8}", "net.widht: expected one of kind, width, n_levels"),
        ("method={kind: diffusion, objective: x}", "method.objective: expected 'eps', 'v', 'edm' or 'flow', got 'x'"),
        ("method={kind: diffusion, sampler: {kind: x}}", "method.sampler.kind: expected 'ddpm', 'ddim', "),
        ("n_workers=0", "n_workers: expected greater than or equal to 1, got 0"),
        ("n_workers=[3, 1]", r"n_workers: \[least, most\] with least <= most, got \[3, 1\]"),
    ],
)
def test_what_is_wrong_in_a_choice_is_said_of_the_member_that_was_meant(
    tmp_path: Path, override: str, problem: str
) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(MINIMAL)
    with pytest.raises(ConfigError, match=problem):
        load(Train, path, [override])


def test_a_plain_value_stands_for_the_member_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(MINIMAL)
    plain, spelt = load(Train, path, ["method=stochastic"]), load(Train, path, ["method={kind: stochastic}"])
    assert plain == spelt
    assert plain.data == PairShards(folder=resolve(Path("maps")))


def test_a_network_is_a_unet_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(MINIMAL)
    assert load(Train, path).net == UNet()
    assert load(Train, path, ["net={width: 8}"]).net == UNet(width=8)
    told = load(Train, path, ["method=diffusion", "net={kind: dit, patch: 2}"])
    assert told.net == DiT(kind="dit", patch=2)
    assert told.net.stride == 2
    assert validate(Train, json.loads(told.model_dump_json()), "round trip") == told
