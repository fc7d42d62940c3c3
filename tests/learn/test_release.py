"""A release: the program answers as the Predictor, the way back changes nothing, and no altered byte comes in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from untrained import write_checkpoint

from configs import Regression, Stochastic, Train, UNet, home
from learn import checkpoint, release
from learn.__main__ import main
from learn.methods.noise import draw
from learn.predict import Predictor
from learn.program import arguments, shapes_of_noise
from learn.release import HASHED, SUMS, export, import_

REPOSITORY = Path(release.__file__).parents[1]
FILES = sorted((*HASHED, SUMS))


@pytest.fixture(scope="module")
def trained(toy_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that must not be written to."""
    net = UNet(width=4, n_levels=2, n_embedding=8)
    config = Train(data=toy_pairs, out=home() / "out" / "painter", net=net, n_steps=8, batch_size=4)
    return write_checkpoint(tmp_path_factory.mktemp("model") / "final", config, method=Regression(context=(1.0,)))


@pytest.fixture(scope="module")
def released(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its release, that must not be written to."""
    return export(trained, tmp_path_factory.mktemp("release") / "painter")


@pytest.fixture
def copied(released: Path, tmp_path: Path) -> Path:
    return shutil.copytree(released, tmp_path / "copied")


def asked(folder: Path, n_maps: int, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps and parameters that a model may be asked about."""
    maps, params, *_ = arguments(checkpoint.load_meta(folder), n_maps, height, width, seed=5)
    return maps.numpy(), params.numpy() * np.linspace(0.5, 2, params.shape[1], dtype=np.float32)


def assert_program_answers(folder: Path, program: Path, *, seed: int) -> None:
    predictor, module = Predictor.load(folder), torch.export.load(program).module()
    for n_maps, height, width in ((1, 16, 16), (3, 8, 24)):
        maps, params = asked(folder, n_maps, height, width)
        noise = draw(shapes_of_noise(predictor.meta, height, width), torch.full((n_maps,), seed))
        with torch.inference_mode():
            got = module(torch.from_numpy(maps), torch.from_numpy(params), *noise).numpy()
        expected = predictor(maps, params, seed=seed)
        scale = expected.max((0, 2, 3), keepdims=True)
        np.testing.assert_allclose(got / scale, expected / scale, rtol=0, atol=1e-5)


def test_the_program_answers_as_the_predictor_at_any_size(trained: Path, released: Path) -> None:
    assert_program_answers(trained, released / "program.pt2", seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "reflect"])
def test_the_program_of_a_painter_that_draws_takes_its_noise(toy_train: Train, tmp_path: Path, padding: str) -> None:
    net = toy_train.net.model_copy(update={"padding": padding, "patch": 2})
    method = Stochastic(n_noise=3, context=(1.0,))
    folder = write_checkpoint(tmp_path / "final", toy_train, method=method, net=net)
    out = export(folder, tmp_path / "release")
    assert_program_answers(folder, out / "program.pt2", seed=11)
    assert "program(maps, params, *noise)" in (out / "README.md").read_text()


def test_the_way_back_predicts_the_same_to_the_last_bit(trained: Path, released: Path, tmp_path: Path) -> None:
    back = import_(released, tmp_path / "back")
    assert sorted(path.name for path in back.iterdir()) == ["meta.json", "weights.safetensors"]
    before, after = Predictor.load(trained), Predictor.load(back)
    np.testing.assert_array_equal(after(*asked(trained, 2, 16, 16)), before(*asked(trained, 2, 16, 16)))
    assert checkpoint.load_weights(back, after.meta, "raw") == {}
    same = {"config", "weights_sha256"}
    assert after.meta.model_dump(exclude=same) == before.meta.model_dump(exclude=same)


def test_a_release_without_its_program_is_half_as_large_and_as_good(
    trained: Path, released: Path, tmp_path: Path
) -> None:
    small = export(trained, tmp_path / "small", program=False)
    assert sorted(path.name for path in small.iterdir()) == sorted({*HASHED, SUMS} - {"program.pt2"})
    assert "program.pt2" not in (small / "README.md").read_text()
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in (small, released)]
    assert sizes[0] < 0.6 * sizes[1]
    maps, params = asked(trained, 2, 8, 16)
    expected = Predictor.load(trained)(maps, params)
    np.testing.assert_array_equal(Predictor.load(import_(small, tmp_path / "imported"))(maps, params), expected)
    np.testing.assert_array_equal(Predictor.load(small)(maps, params), expected)
    (small / "program.pt2").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"SHA256SUMS: expected one hash each of README\.md, meta\.json, program\.pt2"):
        import_(small, tmp_path / "again")


def test_a_release_says_nothing_of_the_machine(trained: Path, released: Path) -> None:
    tree = json.loads((released / "meta.json").read_text())
    config = checkpoint.load_meta(trained).config
    assert tree["config"]["out"] == "out/painter"
    assert tree["config"]["data"]["folder"] == config.data.where.name
    assert "secret" not in json.dumps(tree)
    for path in released.iterdir():
        content = path.read_bytes()
        assert not any(os.fsencode(place) in content for place in (config.data.where.parent, home(), REPOSITORY))
        assert path.stat().st_mode & 0o777 == (released / "meta.json").stat().st_mode & 0o777


def test_sha256sum_agrees(released: Path) -> None:
    assert sorted(path.name for path in released.iterdir()) == FILES
    done = subprocess.run(["sha256sum", "--strict", "-c", SUMS], cwd=released, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b": OK")) == (0, len(HASHED))


@pytest.mark.parametrize("name", HASHED)
def test_one_altered_byte_is_refused_by_name(copied: Path, tmp_path: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: expected sha256 .*damaged or replaced"):
        import_(copied, tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copied"]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copied: Path, tmp_path: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        import_(copied, tmp_path / "back")


@pytest.mark.parametrize("kind", ["file", "folder", "link", "linked weights", "fifo"])
def test_whatever_else_there_is_is_refused_by_name(copied: Path, tmp_path: Path, kind: str) -> None:
    other = copied / "resume.pt"
    if kind == "file":
        other.write_bytes(b"x")
    elif kind == "folder":
        other.mkdir()
    elif kind == "link":
        other.symlink_to(copied / "README.md")
    else:
        other = copied / "weights.safetensors"
        other.rename(tmp_path / "elsewhere")
        if kind == "fifo":
            os.mkfifo(other)
        else:
            other.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=rf"{other.name}: expected plain files .* alone"):
        import_(copied, tmp_path / "back")


@pytest.mark.parametrize("line", ["{hash}  ../README.md", "{hash}  other", "", "{hash}  meta.json", "{first}\n{first}"])
def test_other_lines_of_hashes_are_refused(copied: Path, tmp_path: Path, line: str) -> None:
    lines = (copied / SUMS).read_text().splitlines()
    (copied / SUMS).write_text("\n".join([line.format(hash="0" * 64, first=lines[0]), *lines[1:]]) + "\n")
    with pytest.raises(ValueError, match=rf"{SUMS}: expected one hash each"):
        import_(copied, tmp_path / "back")


def test_a_release_that_is_too_large_is_refused_before_it_is_read(copied: Path, tmp_path: Path) -> None:
    os.truncate(copied / "program.pt2", 2**31 + 1)  # sparse
    with pytest.raises(ValueError, match=r"program\.pt2: expected at most 2147483648 bytes"):
        import_(copied, tmp_path / "back")
    os.truncate(copied / "program.pt2", 10)
    with pytest.raises(ValueError, match=r"copied: expected at most 20000 bytes"):
        import_(copied, tmp_path / "back", max_bytes=20_000)
    os.truncate(copied / "meta.json", 2**25)
    with pytest.raises(ValueError, match=r"meta\.json: expected at most"):
        import_(copied, tmp_path / "back")


def signed(folder: Path) -> Path:
    """The release with the hashes that its files have now."""
    lines = (f"{checkpoint.sha256(folder / name)}  {name}\n" for name in HASHED)
    (folder / SUMS).write_text("".join(lines))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net": {"width": 512, "n_levels": 6}}, r"weights\.safetensors: expected .* of shape \[512\], got \[4\]"),
        ({"net": {"width": 4, "n_levels": 3, "n_embedding": 8}}, r"weights\.safetensors: expected ema\..*, got None"),
    ],
)
def test_weights_of_another_network_are_refused_before_it_takes_memory(
    copied: Path, tmp_path: Path, change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = json.loads((copied / "meta.json").read_text())
    tree["config"] |= change
    (copied / "meta.json").write_text(json.dumps(tree))
    monkeypatch.setattr(release.Predictor, "load", lambda _: pytest.fail("a network was made"))
    with pytest.raises(ValueError, match=words):
        import_(signed(copied), tmp_path / "back")


def test_a_pickle_in_the_place_of_weights_is_not_opened(copied: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, copied / "weights.safetensors")
    with pytest.raises(ValueError, match=r"weights\.safetensors: expected safetensors"):
        import_(signed(copied), tmp_path / "back")


def test_nothing_is_overwritten_but_an_older_release(trained: Path, released: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    for there in (mine, trained):
        with pytest.raises(ValueError, match="or an older release to replace, got something else"):
            export(trained, there)
        with pytest.raises(ValueError, match="expected no such folder yet"):
            import_(released, there)
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]
    release.refuse_occupied(released)
    shutil.copytree(released, mine, dirs_exist_ok=True)
    with pytest.raises(ValueError, match="got something else"):
        release.refuse_occupied(mine)


def test_a_failed_export_leaves_nothing(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no program")

    monkeypatch.setattr(release, "exported", fails)
    with pytest.raises(RuntimeError, match="no program"):
        export(trained, tmp_path / "release")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_print_where_the_files_are_or_one_line_of_what_is_wrong(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps({"rows": [], "split": "test", "simulations": [], "checkpoint": {"step": 8}}))
    for typed, words in (
        (["export", str(trained), "--out", str(tmp_path / "a"), "--evaluation", str(metrics)], "expected that of"),
        (["export", str(tmp_path / "absent"), "--out", str(tmp_path / "a")], "absent: expected a checkpoint"),
        (["import", str(trained), "--out", str(tmp_path / "a")], "resume.pt: expected plain files"),
    ):
        assert run(typed, monkeypatch) == 2
        written = capsys.readouterr().err
        assert words in written
        assert written.count("\n") == 1
    assert run(["export", str(trained), "--out", str(tmp_path / "a")], monkeypatch) == 0
    assert run(["import", str(tmp_path / "a"), "--out", str(tmp_path / "b")], monkeypatch) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert Predictor.load(tmp_path / "b").meta.step == 7


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `python -m learn` with these arguments."""
    monkeypatch.setattr("sys.argv", ["learn", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)
