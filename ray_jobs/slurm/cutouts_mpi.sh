#!/bin/bash
# Halo cutouts on the nodes of a SLURM allocation without Ray, one MPI rank a simulation at a time:
#   sbatch --nodes=4 --ntasks-per-node=8 ray_jobs/slurm/cutouts_mpi.sh configs/pairs/camels.yaml out=/shared/halos
# Submit from the repository, installed with `make setup` on a file system that all nodes see.
#SBATCH --job-name=darkglass-cutouts
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --time=12:00:00
set -euo pipefail

repository="${SLURM_SUBMIT_DIR:-$PWD}"
cd "$repository"
if [[ $# -lt 1 ]]; then
    echo "usage: sbatch $0 CONFIG.yaml [key=value ...]" >&2
    exit 2
fi

DARKGLASS_HOME="${DARKGLASS_HOME:-$repository}"
PATH="$repository/.venv/bin:$PATH"
export DARKGLASS_HOME PATH

# The mpiexec of the environment (PyPI's mpich) starts its ranks through srun when it runs inside an allocation.
mpiexec -n "$SLURM_NTASKS" python -m sim cutouts "$@"
