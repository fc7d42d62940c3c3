"""Where the work runs: a Ray head of our own on this machine, or the cluster that RAY_ADDRESS names.

Knows nothing of what is run.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ray

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 8.0
DASHBOARD_PORT = 8265
OBJECT_STORE_BYTES = 512 * 1024**2


def connect(*, log_to_driver: bool = True) -> str:
    """Join the cluster of this job, of RAY_ADDRESS, or a new one on this machine; the dashboard's URL.

    What workers print comes here too if `log_to_driver`.

    Without RAY_ADDRESS Ray, and the actors of Ray Train, would try the head that last started on this machine, for ever
    if it is gone.
    """
    if os.environ.get("RAY_ADDRESS"):
        context = ray.init(ignore_reinit_error=True, log_to_driver=log_to_driver)
    else:
        port = DASHBOARD_PORT if is_free(DASHBOARD_PORT) else free_port()
        os.environ["RAY_API_SERVER_ADDRESS"] = f"http://{LOOPBACK}:{port}"
        context = ray.init("local", dashboard_port=port, ignore_reinit_error=True, log_to_driver=log_to_driver)
    return f"http://{context.dashboard_url}"


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as caller:
        return caller.connect_ex((LOOPBACK, port)) != 0


@contextmanager
def local_head(log: Path, *, num_cpus: int | None = None) -> Iterator[Mapping[str, str]]:
    """A Ray head behind a token, its dashboard on loopback: yields the environment that reaches it, stops only it.

    Its own session and process group keep a Ctrl-C of the terminal from reaching it before we are done with it. Its own
    folder keeps its jobs from asking another head on this machine: that is where they look the address up. After an
    error the folder stays, for Ray's logs. RuntimeError when it does not answer in time, with the end of its log.
    """
    port, folder = free_port(), tempfile.mkdtemp(prefix="ray-")
    environment = {**os.environ, **head_environment(port, folder)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        head = subprocess.Popen(
            head_command(port, num_cpus), env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            wait_until_up(head, environment, log)
            yield environment
        finally:
            stop(head)
    shutil.rmtree(folder, ignore_errors=True)


def head_environment(port: int, folder: str) -> dict[str, str]:
    """Token, address, folder and PATH: jobs run `python`, which must be this interpreter."""
    address = f"http://{LOOPBACK}:{port}"
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "RAY_ADDRESS": address,
        "RAY_API_SERVER_ADDRESS": address,  # before RAY_ADDRESS where both are, and `connect` leaves one behind
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN", secrets.token_hex(32)),
        "RAY_TMPDIR": folder,
        "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def head_command(port: int, num_cpus: int | None) -> list[str]:
    cores = [] if num_cpus is None else [f"--num-cpus={num_cpus}"]
    return [
        str(Path(sys.executable).parent / "ray"),
        "start",
        "--head",
        "--block",
        "--port=0",
        f"--node-ip-address={LOOPBACK}",
        f"--dashboard-host={LOOPBACK}",
        f"--dashboard-port={port}",
        # Their defaults are fixed: a second Ray on this machine would never take a job.
        f"--dashboard-agent-listen-port={free_port()}",
        f"--ray-client-server-port={free_port()}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        *cores,
    ]


def wait_until_up(head: subprocess.Popen[bytes], environment: Mapping[str, str], log: Path) -> None:
    """Return once the jobs API answers and jobs can look the address up; RuntimeError when it ends or stays silent."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and head.poll() is None:
        if answers(environment) and address_file(environment).exists():
            return
        time.sleep(0.3)
    tail = "\n".join(log.read_text().splitlines()[-20:])
    raise RuntimeError(f"Ray head: expected an answer within {START_TIMEOUT_S:.0f} s, got none; {log} ends:\n{tail}")


def address_file(environment: Mapping[str, str]) -> Path:
    """Where Ray writes, last of all, and its jobs read, the address of the head; without it they take any head."""
    return Path(environment["RAY_TMPDIR"]) / "ray" / "ray_current_cluster"


def answers(environment: Mapping[str, str]) -> bool:
    """Whether the jobs API at RAY_ADDRESS answers our token."""
    request = urllib.request.Request(
        f"{environment['RAY_ADDRESS']}/api/jobs/", headers={"Authorization": f"Bearer {environment['RAY_AUTH_TOKEN']}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def stop(head: subprocess.Popen[bytes]) -> None:
    """End the head and everything it started: first politely, then not."""
    head.terminate()
    if not gone(head, STOP_TIMEOUT_S):
        for pid in session_members(head.pid):
            kill(pid)
        gone(head, STOP_TIMEOUT_S)


def gone(head: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Whether the head and its session end within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while head.poll() is None or session_members(head.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def session_members(session: int) -> list[int]:
    """Live processes of a POSIX session; Ray's workers leave the head's process group but not its session."""
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit()) if Path("/proc").is_dir() else iter(())
    return [pid for pid in pids if session_of(pid) == session]


def session_of(pid: int) -> int | None:
    """The session of a live process; None for a dead one that nobody has asked about yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return None if state == "Z" else os.getsid(pid)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
