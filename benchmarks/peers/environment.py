"""The Python of each peer, in a virtual environment of its own: what a peer needs never meets what we need."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".venv-peers"
IMPORTS = {
    "pysco": "pysco",
    "jaxpm": "jaxpm.pm",
    "pylians": "MAS_library, Pk_library",
    "kdcount": "kdcount.cluster",
    "yt_fof": "yt_astro_analysis.halo_analysis.halo_finding.fof.EnzoFOF",
    "denoising_diffusion": "denoising_diffusion_pytorch",
    "caustics": "caustics",
}
"""What shows that a peer is there. The first import of PySCo compiles its kernels, which takes minutes."""

ALONE = {"denoising_diffusion", "caustics"}
"""Peers that are installed without what they ask for, which would be another torch: ours lies behind them."""


class MissingPeer(RuntimeError):
    """A peer that cannot be installed here."""


def python_of(peer: str) -> Path:
    """The interpreter that has `peer`, installed as benchmarks/peers/PEER.txt says when it is not; MissingPeer."""
    wanted = Path(__file__).with_name(f"{peer}.txt").read_text()
    home = FOLDER / peer
    installed = home / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        print(f"{peer}: installing into {home.relative_to(REPOSITORY)}", file=sys.stderr, flush=True)
        install(peer, home)
        installed.write_text(wanted)
    return home / "bin" / "python"


def install(peer: str, home: Path) -> None:
    """Make the environment anew and import the peer once."""
    python = home / "bin" / "python"
    try:
        venv.create(home, clear=True, with_pip=True)
        requirements = Path(__file__).with_name(f"{peer}.txt")
        called([python, "-m", "pip", "install", "-q", *(["--no-deps"] if peer in ALONE else []), "-r", requirements])
        if peer in ALONE:
            lend(python)
        called([python, "-c", f"import {IMPORTS[peer]}"])
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.output or "").strip().splitlines()
        raise MissingPeer(f"{peer} cannot be installed: {lines[-1] if lines else error}") from error


def lend(python: Path) -> None:
    """Let an environment see our packages, and what stands in for those that nobody has."""
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    theirs = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    lent = (sysconfig.get_path("purelib"), Path(__file__).with_name("stand_ins"))
    (theirs / "lent.pth").write_text("".join(f"{folder}\n" for folder in lent))


def called(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=FOLDER)
