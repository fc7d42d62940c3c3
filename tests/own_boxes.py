"""Small boxes as `simulate` leaves them, without running it: one clump in a sea of particles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from configs import Box, Cosmology
from sim import cosmology, profiles, snapshot
from sim.snapshot import Particles, Snapshot

COSMOLOGY = Cosmology(omega_m=0.3, omega_b=0.045, h=0.7, n_s=0.96, sigma8=0.8)
SHARD_DAMAGES = ("truncated", "altered", "no record", "foreign record", "other record")
BOX = Box(cosmology=COSMOLOGY, box_size=12.5, n_particles=16, seed=1, redshifts=(1.0, 0.0))


def simulation(
    folder: Path, *, seed: int, box: Box = BOX, told: Box = BOX, redshifts: tuple[float, ...] = (1.0, 0.0)
) -> None:
    """A folder as `simulate` leaves it: a clump of 1500 particles in a sea of the others; box.json says `told`."""
    rng = np.random.default_rng(seed)
    n, inside = box.n_particles**3, 1500
    way = rng.standard_normal((inside, 3))
    radius = 0.9 * profiles.nfw_radius(rng.uniform(0, 1, inside), 6.0)
    center = rng.uniform(0, box.box_size, 3)
    halo = center + radius[:, None] * way / np.linalg.norm(way, axis=1, keepdims=True)
    pos = np.mod(np.concatenate([halo, rng.uniform(0, box.box_size, (n - inside, 3))]), box.box_size)
    particles = Particles(
        pos.astype(np.float32),
        np.zeros((n, 3), np.float32),
        cosmology.particle_mass(box),
        np.arange(n, dtype=np.uint64),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for i, redshift in enumerate(redshifts):
        content = Snapshot({"dark_matter": particles}, box.box_size, redshift, COSMOLOGY.omega_m, COSMOLOGY.h)
        snapshot.write(folder / f"snap_{i:03d}.hdf5", content)
    (folder / "box.json").write_text(json.dumps({"box": json.loads(told.model_dump_json()), "seed": seed}))


def damaged_shard(folder: Path, damage: str) -> None:
    """What may have become of box_0002, or of its record, in a folder of shards."""
    shard, record = folder / "box_0002.hdf5", folder / "box_0002.json"
    whole = shard.read_bytes()
    if damage == "truncated":
        shard.write_bytes(whole[:-100])
    elif damage == "altered":
        shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "no record":
        record.unlink()
    elif damage == "foreign record":
        record.write_text("{}")
    else:
        record.write_bytes((folder / "box_0001.json").read_bytes())
