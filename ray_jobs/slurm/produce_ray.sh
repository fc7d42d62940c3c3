#!/bin/bash
# A data set on the nodes of a SLURM allocation, one Ray cluster among them that lives as long as the job:
#   sbatch --nodes=4 ray_jobs/slurm/produce_ray.sh configs/pairs/camels.yaml out=/shared/halos
# Submit from the repository, installed with `make setup` on a file system that all nodes see.
#SBATCH --job-name=darkglass-produce
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
set -euo pipefail

repository="${SLURM_SUBMIT_DIR:-$PWD}"
cd "$repository"
if [[ $# -lt 1 ]]; then
    echo "usage: sbatch $0 CONFIG.yaml [key=value ...]" >&2
    exit 2
fi

RAY_AUTH_MODE=token
RAY_AUTH_TOKEN="${RAY_AUTH_TOKEN:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}"
DARKGLASS_HOME="${DARKGLASS_HOME:-$repository}"
PATH="$repository/.venv/bin:$PATH"
export RAY_AUTH_MODE RAY_AUTH_TOKEN DARKGLASS_HOME PATH RAY_USAGE_STATS_ENABLED=0

head_node="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | awk 'NR == 1')"
head_address="$(getent ahostsv4 "$head_node" | awk 'NR == 1 { print $1 }'):${RAY_PORT:-6379}"

# Every node runs this line: the first becomes the head and runs the job, the others serve it; all stop when it ends.
srun --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" \
    ray symmetric-run --address "$head_address" --min-nodes "$SLURM_NNODES" \
    -- env RAY_ADDRESS="$head_address" python -m ray_jobs.produce "$@"
