from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from ray_jobs.cluster import address_file, answers, free_port, local_head, session_members

pytestmark = pytest.mark.ray

LOOPBACK = "0100007F"


def listening(port: int) -> set[str]:
    """Hexadecimal local addresses of the TCP sockets that listen on `port`."""
    tables = [Path("/proc/net") / name for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}


def children() -> set[int]:
    """Sessions led by children of this process."""
    return {pid for entry in os.listdir("/proc") if entry.isdigit() and parent(pid := int(entry)) == os.getpid()}


def parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def test_a_head_of_our_own_asks_for_a_token_shows_its_dashboard_on_loopback_and_leaves_nothing(tmp_path: Path) -> None:
    families = children()
    with local_head(tmp_path / "head.log", num_cpus=1) as environment:
        (session,) = children() - families
        members = session_members(session)
        assert len(members) > 3
        assert answers(environment)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{environment['RAY_ADDRESS']}/api/jobs/", timeout=10)
        assert listening(int(environment["RAY_ADDRESS"].rpartition(":")[2])) == {LOOPBACK}
    assert session_members(session) == []


def test_a_job_of_one_head_never_asks_another_on_the_same_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{free_port()}")  # of a Ray that is gone
    script = tmp_path / "job.py"
    script.write_text("import ray; ray.init(); print('cores:', int(ray.cluster_resources()['CPU']))")
    with local_head(tmp_path / "a.log", num_cpus=1) as first, local_head(tmp_path / "b.log", num_cpus=3) as second:
        assert address_file(first).read_text() != address_file(second).read_text()
        command = [str(Path(sys.executable).parent / "ray"), "job", "submit", "--", "python", str(script)]
        done = subprocess.run(command, env=dict(first), capture_output=True, text=True, timeout=120, check=False)
        assert "cores: 1\n" in done.stdout, done.stdout + done.stderr
    assert not Path(first["RAY_TMPDIR"]).exists()


def test_a_head_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("ray_jobs.cluster.head_command", lambda *_: ["sh", "-c", "echo no disk; exit 1"])
    with pytest.raises(RuntimeError, match="no disk"), local_head(tmp_path / "head.log"):
        pass


def test_a_head_that_is_gone_is_not_waited_for(repository: Path) -> None:
    """Ray leaves the address of the last head behind."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is too long for the sockets in it
        address = Path(folder) / "ray" / "ray_current_cluster"
        address.parent.mkdir()
        address.write_text(f"127.0.0.1:{free_port()}")
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        command = [sys.executable, "-c", "from ray_jobs.cluster import connect; connect()"]
        environment |= {"RAY_TMPDIR": folder, "PYTHONPATH": str(repository)}
        subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)


def test_a_free_port_is_free() -> None:
    assert 1024 < free_port() < 65536
