"""A judgement of inference machines from its configuration to its page, its card and its command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lens_families import toy_machine, toy_systems
from pydantic import ValidationError

from configs import Evaluate, EvaluateLenses, LensSystems, load_one_of
from configs.lens_evaluation import BLANK, CLASSICAL, ENSEMBLE, MACHINE, OBSERVED, REFINED, TRUTH
from learn import checkpoint, release
from learn.__main__ import main
from learn.evaluate import of_checkpoint
from learn.lenses.card import inverter_card
from learn.lenses.evaluation import evaluate
from learn.lenses.figures import TITLES
from learn.lenses.findings import MADE_TO_FIT, NETWORK
from learn.lenses.inverter import Inverter
from learn.specimen import specimen

SMALL = {"n_refine": 2, "n_refined": 1, "n_refined_draws": 2, "n_draws": 4, "iterations": (1, 2), "batch": 2}
FIT = {"n_classical": 1, "n_particles": 4, "n_swarm": 1, "n_simplex": 1}


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> LensSystems:
    return toy_systems(tmp_path_factory.mktemp("systems"))


@pytest.fixture(scope="module")
def machine(systems: LensSystems, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_machine(tmp_path_factory.mktemp("machine") / "<b>bold", systems)


def asked(machine: Path, systems: LensSystems, out: Path, **changes: Any) -> EvaluateLenses:
    told = {"kind": "lenses", "checkpoint": machine, "data": systems, "out": out, **SMALL, **FIT}
    return EvaluateLenses.model_validate(told | changes)


@pytest.fixture(scope="module")
def judged(machine: Path, systems: LensSystems, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    learned = toy_machine(tmp_path_factory.mktemp("learned"), systems, forward="learned")
    changes = {"beside": {"learned operator": learned}, "ensemble": (learned,)}
    return evaluate(asked(machine, systems, tmp_path_factory.mktemp("judged"), **changes))


def rows_of(judged: dict[str, Any], data: str) -> dict[str, Any]:
    return {row["method"]: row for row in judged["rows"] if row["data"] == data}


def test_every_method_has_its_row_on_every_set(judged: dict[str, Any]) -> None:
    assert judged["sets"] == {"all": 4, "fitted": 1, "plain": 2, "crowded": 2}
    methods = {MACHINE, REFINED, ENSEMBLE, "learned operator", BLANK, OBSERVED, "adjoint", TRUTH}
    for data in ("all", "plain", "crowded"):
        assert set(rows_of(judged, data)) == methods
    assert set(rows_of(judged, "fitted")) == methods | {CLASSICAL}
    everything = rows_of(judged, "all")
    assert everything[BLANK]["r"]["value"] == 0
    assert everything[TRUTH]["source_mse"] is None
    assert everything[MACHINE]["seconds"]["value"] > 0
    assert everything[REFINED]["seconds"]["value"] > everything[MACHINE]["seconds"]["value"]
    assert rows_of(judged, "fitted")[CLASSICAL]["theta_bias"] is not None


def test_what_is_found_is_on_disk_and_on_the_page(judged: dict[str, Any]) -> None:
    out = Path(judged["config"]["out"])
    assert json.loads((out / "metrics.json").read_text()) == judged
    page = (out / "lenses.html").read_text()
    assert page.count("data:image/png;base64,") == len(TITLES)
    assert "&lt;b&gt;bold" in page
    assert "<b>bold" not in page
    for words in (*TITLES.values(), MADE_TO_FIT.capitalize(), "learned operator", "0.6900"):
        assert words in page
    assert [one["n_iterations"] for one in judged["course"]] == [1, 2]
    assert [one["of"] for one in judged["coverage"][NETWORK]][-1] == "source pixels"


def test_a_release_says_how_good_its_machine_is(
    judged: dict[str, Any], machine: Path, tmp_path: Path, systems: LensSystems
) -> None:
    out = release.export(machine, tmp_path / "release", evaluation=Path(judged["config"]["out"]) / "metrics.json")
    card = (out / "README.md").read_text()
    for words in ("On 4 test systems of plain, crowded", "| classical fit |", "families", "| Einstein radius |"):
        assert words in card
    assert "$" not in card
    home = Inverter.load(release.import_(out, tmp_path / "home"))
    assert home.n_parameters == Inverter.load(machine).n_parameters
    meta = checkpoint.load_meta(machine)
    with pytest.raises(ValueError, match="evaluation: expected that of the checkpoint"):
        inverter_card(meta, n_weights=7, evaluation=judged | {"subject": {}})
    with pytest.raises(ValueError, match="expected one of lenses, got fields"):
        inverter_card(meta, n_weights=7, evaluation=judged | {"config": {"kind": "fields"}})


def test_a_training_shows_a_system_of_each_family(machine: Path) -> None:
    figure = specimen(checkpoint.load_meta(machine).config, machine)
    assert len(figure.axes) == 2 * 6


def test_the_command_ends_with_json_and_refuses_in_a_line(
    machine: Path,
    systems: LensSystems,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "evaluate.yaml"
    path.write_text(asked(machine, systems, tmp_path / "judged", n_refine=0, n_classical=0).model_dump_json())
    for change, code in (("data.n_test=1", 0), ("data.n_source_pixels=16", 2), ("iterations=[3, 2]", 2)):
        monkeypatch.setattr(sys, "argv", ["learn", "evaluate", str(path), change])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert int(stopped.value.code or 0) == code
    printed = capfd.readouterr()
    assert json.loads(printed.out.splitlines()[-1])["rows"][0]["method"] == MACHINE
    assert "data.n_source_pixels: expected 24" in printed.err
    assert "iterations: rising numbers, got [3, 2]" in printed.err


def test_the_folder_of_a_machine_stands_for_its_judgement(machine: Path, systems: LensSystems) -> None:
    kinds = {"painter": Evaluate, "lenses": EvaluateLenses}
    found = load_one_of(kinds, "kind", machine, ["n_classical=3"], of_folder=of_checkpoint)
    assert isinstance(found, EvaluateLenses)
    assert (found.checkpoint, found.data, found.n_classical) == (machine, systems, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beside": {"blank": Path("elsewhere")}}, "beside: names other than"),
        ({"data": Path("pairs")}, "data: kind lenses, got another"),
        ({"n_draws": 1}, "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    machine: Path, systems: LensSystems, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=words):
        asked(machine, systems, tmp_path, **changes)
