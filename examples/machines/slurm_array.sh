#!/bin/sh
# A study as an array of Slurm jobs, in a folder that all nodes see:
#
#   sbatch slurm_array.sh my.toml runs/mine
#   thalweg merge runs/mine             # when all have ended
#
# A job that was lost is named by `merge`; the same line with `--array=7`, say, trains its shard again.
#SBATCH --array=1-16
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
exec thalweg run "$1" --out "$2" --threads "$SLURM_CPUS_PER_TASK" --shard "$SLURM_ARRAY_TASK_ID/16"
