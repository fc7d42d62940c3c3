"""Checkpoints that are kept elsewhere: whole or not there, byte for byte, in a folder and in an S3 bucket alike."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pyarrow import fs

from configs import Train
from learn import checkpoint
from learn.restore import restored, stored
from learn.storage import Storage, reason, shown
from learn.train import Progress, fit

SECRET = "very-secret"
STEPS = ["step_000002", "step_000004", "step_000006"]


@pytest.fixture(scope="session")
def s3_options() -> Iterator[str]:
    """Options of URIs of an S3 server on this machine with a bucket `models`; skips without a `moto_server`.

    That of this environment, or of MOTO_SERVER, but no other that happens to be on the PATH: old ones lack multipart.
    """
    server = os.environ.get("MOTO_SERVER", str(Path(sys.executable).with_name("moto_server")))
    if not Path(server).is_file():
        pytest.skip(f"no {server}: name the command of another environment by MOTO_SERVER")
    port = free_port()
    options = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([server, "-H", "127.0.0.1", "-p", str(port)], **quiet) as process:
        try:
            wait_until_up(port)
            filesystem, _ = fs.FileSystem.from_uri(f"s3://someone:{SECRET}@models?allow_bucket_creation=true&{options}")
            filesystem.create_dir("models")
            yield options
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_up(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("moto_server does not answer")


@pytest.fixture(params=["folder", "file", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for checkpoints."""
    if request.param == "s3":
        return f"s3://someone:{SECRET}@models/{uuid4().hex}?{request.getfixturevalue('s3_options')}"
    folder = tmp_path / "kept"
    return f"file://{folder}" if request.param == "file" else str(folder)


@pytest.fixture
def trained(toy_train: Train) -> Train:
    """A finished run with checkpoints at steps 2, 4 and 6."""
    list(fit(toy_train))
    return toy_train


@pytest.fixture
def folders(trained: Train) -> list[Path]:
    return checkpoint.steps(trained.out)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def push_all(place: Storage, folders: list[Path]) -> None:
    for folder in folders:
        place.push(folder, folder.name)


def test_what_was_pushed_comes_back_byte_for_byte_in_order(uri: str, folders: list[Path], tmp_path: Path) -> None:
    place = Storage.of(uri)
    assert (place.names(), place.latest()) == ([], None)
    push_all(place, [folders[2], folders[0], folders[1]])
    assert place.names() == STEPS
    assert place.latest() == STEPS[-1]
    for folder in folders:
        pulled = place.pull(folder.name, tmp_path / "back" / folder.name)
        assert content(pulled) == content(folder)
    assert {path.name for path in (tmp_path / "back").iterdir()} == set(STEPS)


def test_a_push_killed_half_way_is_not_seen_and_can_be_repeated(
    uri: str, folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Storage.of(uri)
    place.push(folders[0], "step_000002")
    for method in ("_upload", "_publish"):
        with monkeypatch.context() as patched:
            patched.setattr(Storage, method, dies_after(1 if method == "_upload" else 0, getattr(Storage, method)))
            for name in ("step_000002", "step_000004"):
                with pytest.raises(KeyboardInterrupt):
                    place.push(folders[1], name)
        assert place.names() == ["step_000002"]
        assert content(place.pull("step_000002", tmp_path / method)) == content(folders[0])
    place.push(folders[1], "step_000004")
    assert content(place.pull("step_000004", tmp_path / "whole")) == content(folders[1])


def dies_after(n_calls: int, function: Callable[..., None]) -> Callable[..., None]:
    calls: list[object] = []

    def dying(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) > n_calls:
            raise KeyboardInterrupt
        function(*arguments)

    return dying


def test_prune_keeps_the_newest_and_what_is_spared(uri: str, folders: list[Path]) -> None:
    place = Storage.of(uri)
    push_all(place, folders)
    place.prune(2)
    assert place.names() == STEPS[1:]
    place.prune(1, spare=["step_000004"])
    assert place.names() == STEPS[1:]
    place.prune(1)
    assert place.names() == STEPS[2:]
    left = place.filesystem.get_file_info(fs.FileSelector(place.root, recursive=True))
    assert len([entry for entry in left if entry.type == fs.FileType.File]) == 4  # weights, meta, resume, marker
    with pytest.raises(ValueError, match="keep: expected at least 1, got 0"):
        place.prune(0)


def test_only_what_a_dead_writer_left_long_ago_is_swept(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Storage.of(str(tmp_path / "kept"))
    place.push(folders[0], "step_000002")
    with monkeypatch.context() as patched:
        patched.setattr(Storage, "_publish", dies_after(0, Storage._publish))
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                place.push(folders[1], "step_000004")
    old, young = sorted((tmp_path / "kept").glob("step_000004.*"))
    for path in old.iterdir():
        os.utime(path, (1e9, 1e9))
    (tmp_path / "kept" / "notes").mkdir()
    place.prune(3)
    assert (old.exists(), young.exists(), (tmp_path / "kept" / "notes").exists()) == (False, True, True)
    assert place.names() == ["step_000002"]


def test_two_writers_of_one_name_do_not_mix(uri: str, folders: list[Path], tmp_path: Path) -> None:
    writers = [threading.Thread(target=push_often, args=(Storage.of(uri), folder)) for folder in folders[:2]]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    place = Storage.of(uri)
    assert place.names() == ["step_000009"]
    pulled = content(place.pull("step_000009", tmp_path / "back"))
    assert pulled in (content(folders[0]), content(folders[1]))


def push_often(place: Storage, folder: Path) -> None:
    for _ in range(4):
        place.push(folder, "step_000009")


@pytest.mark.parametrize("file", [checkpoint.WEIGHTS, checkpoint.RESUME])
def test_a_damaged_checkpoint_is_refused_and_what_was_there_stays(
    uri: str, folders: list[Path], tmp_path: Path, file: str
) -> None:
    place = Storage.of(uri)
    place.push(folders[0], "step_000002")
    marker = place._marker("step_000002")
    with place.filesystem.open_output_stream(f"{place.root}/{marker.folder}/{file}") as sink:
        sink.write(b"other bytes")
    target = shutil.copytree(folders[1], tmp_path / "here" / "step_000002")
    with pytest.raises(ValueError, match=f"{file}: expected sha256 .*: damaged or replaced") as caught:
        place.pull("step_000002", target)
    assert SECRET not in str(caught.value)
    assert content(target) == content(folders[1])
    assert [path.name for path in target.parent.iterdir()] == ["step_000002"]


def test_a_checkpoint_whose_meta_signs_other_weights_is_refused(uri: str, folders: list[Path], tmp_path: Path) -> None:
    mixed = shutil.copytree(folders[0], tmp_path / "mixed")
    shutil.copyfile(folders[1] / checkpoint.WEIGHTS, mixed / checkpoint.WEIGHTS)
    place = Storage.of(uri)
    place.push(mixed, "step_000002")
    with pytest.raises(ValueError, match="expected sha256"):
        place.pull("step_000002", tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    "file",
    ["../escaped.txt", "a/b", "..", "", "/etc/passwd", "a\\b"],
    ids=["up", "down", "dots", "none", "root", "dos"],
)
def test_a_marker_cannot_name_a_file_outside(tmp_path: Path, folders: list[Path], file: str) -> None:
    place = Storage.of(str(tmp_path / "kept"))
    place.push(folders[0], "step_000002")
    path = tmp_path / "kept" / "step_000002.json"
    path.write_text(path.read_text().replace(checkpoint.RESUME, file.replace("\\", "\\\\")))
    with pytest.raises(ValueError, match="expected plain names of files"):
        place.pull("step_000002", tmp_path / "back" / "x")
    assert not list((tmp_path / "back").iterdir())


@pytest.mark.parametrize("name", ["../up", "a/b", "", "step.1"])
def test_a_checkpoint_has_a_plain_name(tmp_path: Path, folders: list[Path], name: str) -> None:
    with pytest.raises(ValueError, match="name of a checkpoint: expected letters"):
        Storage.of(str(tmp_path)).push(folders[0], name)


def test_a_run_goes_on_from_the_storage_on_another_node(toy_train: Train, uri: str, tmp_path: Path) -> None:
    config = toy_train.model_copy(update={"storage": uri})
    whole = list(stored(fit(config), config))
    elsewhere = config.model_copy(update={"out": tmp_path / "elsewhere"})
    place = Storage.of(uri)
    place.filesystem.delete_file(f"{place.root}/step_000006.json")
    found = restored(elsewhere)
    assert found == elsewhere.out / "checkpoints" / "step_000004"
    resumed = list(stored(fit(elsewhere, resume=found), elsewhere))
    assert [p.metrics for p in resumed] == [p.metrics for p in whole[4:]]
    assert content(elsewhere.out / "final").keys() == content(config.out / "final").keys()
    assert place.names() == STEPS


def test_what_is_newer_here_is_not_pulled_and_without_a_storage_here_is_all(trained: Train, uri: str) -> None:
    last = checkpoint.latest(trained.out)
    assert restored(trained) == last
    config = trained.model_copy(update={"storage": uri})
    assert restored(config) == last
    first = trained.out / "checkpoints" / "step_000002"
    Storage.of(uri).push(first, first.name)
    shutil.rmtree(first)
    assert restored(config) == last
    assert not first.exists()


def test_the_best_comes_along_so_that_final_is_that_of_a_run_that_stayed(toy_train: Train, tmp_path: Path) -> None:
    config = toy_train.model_copy(update={"storage": str(tmp_path / "kept")})
    list(stored(first_is_best(fit(config)), config, n_kept=1))
    assert Storage.of(str(tmp_path / "kept")).names() == ["step_000002", "step_000006"]
    assert checkpoint.load_meta(config.out / "final").step == 2
    elsewhere = config.model_copy(update={"out": tmp_path / "elsewhere"})
    list(fit(elsewhere, resume=restored(elsewhere)))
    assert content(elsewhere.out / "final")[checkpoint.WEIGHTS] == content(config.out / "final")[checkpoint.WEIGHTS]


def first_is_best(steps: Iterator[Progress]) -> Iterator[Progress]:
    """`steps`, whose first checkpoint says that its loss is 0."""
    for progress in steps:
        if progress.step == 2 and progress.checkpoint is not None:
            meta = checkpoint.load_meta(progress.checkpoint)
            judged = meta.model_copy(update={"metrics": meta.metrics | {"val/loss": 0.0}})
            (progress.checkpoint / checkpoint.META).write_text(judged.model_dump_json())
        yield progress


def test_what_a_faster_worker_of_this_machine_pulled_is_not_replaced(
    trained: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = trained.model_copy(update={"storage": str(tmp_path / "kept"), "out": tmp_path / "elsewhere"})
    last = trained.out / "checkpoints" / STEPS[-1]
    Storage.of(str(tmp_path / "kept")).push(last, last.name)
    pull, files = Storage.pull, list[int]()

    def overtaken(self: Storage, name: str, target: Path) -> Path:
        with monkeypatch.context() as faster:
            faster.setattr(Storage, "pull", pull)
            found = restored(config)
        assert found is not None
        files.append((found / checkpoint.WEIGHTS).stat().st_ino)
        return pull(self, name, target)

    monkeypatch.setattr(Storage, "pull", overtaken)
    found = restored(config)
    assert found == config.out / "checkpoints" / last.name
    assert [(found / checkpoint.WEIGHTS).stat().st_ino] == files
    assert content(found) == content(last)
    assert [path.name for path in found.parent.iterdir()] == [last.name]


def test_a_place_that_cannot_be_opened_is_named_without_its_secrets() -> None:
    for uri in (
        f"s3x://me:{SECRET}@there/run",
        f"s3://me:{SECRET}@bu cket/run?scheme=http",
        f"s3://a:{SECRET}@b?nonsense=1",
    ):
        with pytest.raises(ValueError, match=r"^storage s3.*: expected a folder or a URI, got: ") as caught:
            Storage.of(uri)
        assert SECRET not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_no_bucket_is_said_before_anything_runs(s3_options: str) -> None:
    with pytest.raises(ValueError, match=r"^storage s3://nowhere/run: expected a bucket, found no 'nowhere'$"):
        Storage.of(f"s3://me:{SECRET}@nowhere/run?{s3_options}")


@pytest.mark.slow
def test_no_network_is_one_line_after_a_bounded_number_of_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learn.storage.PAUSE_S", 0.0)
    monkeypatch.setattr("learn.storage.N_ATTEMPTS", 2)  # of 6 s each, that the client tries on its own
    address = f"endpoint_override=127.0.0.1:{free_port()}&scheme=http&region=us-east-1"
    with pytest.raises(RuntimeError, match=r"^storage s3://models/run: expected an answer, got: ") as caught:
        Storage.of(f"s3://me:{SECRET}@models/run?{address}")
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_permission_is_one_line(tmp_path: Path, folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def refused(_: Storage, source: Path, target: str) -> None:
        calls.append(target)
        raise OSError(f"When writing {source.name}: AWS Error ACCESS_DENIED during PutObject\nRequestId: 1")

    monkeypatch.setattr(Storage, "_upload", refused)
    with pytest.raises(RuntimeError, match=r"expected an answer, got: When writing .* ACCESS_DENIED during PutObject$"):
        Storage.of(str(tmp_path / "kept")).push(folders[0], "step_000002")
    assert len(calls) == 1


def test_what_passes_is_tried_again(tmp_path: Path, folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learn.storage.PAUSE_S", 0.0)
    upload, failures = Storage._upload, iter([True, True, False, True, False, False])

    def shaky(self: Storage, source: Path, target: str) -> None:
        if next(failures):
            raise OSError("AWS Error NETWORK_CONNECTION")
        upload(self, source, target)

    monkeypatch.setattr(Storage, "_upload", shaky)
    place = Storage.of(str(tmp_path / "kept"))
    place.push(folders[0], "step_000002")
    assert content(place.pull("step_000002", tmp_path / "back")) == content(folders[0])


def test_a_uri_is_shown_without_user_password_and_options() -> None:
    assert shown(f"s3://me:{SECRET}@bucket/a/b?endpoint_override=x&token={SECRET}") == "s3://bucket/a/b"
    assert shown("/a/b") == "/a/b"
    assert reason(OSError(f"cannot open 's3://me:{SECRET}@bucket/a' now\nmore")).startswith(
        "cannot open 's3://bucket/a"
    )
