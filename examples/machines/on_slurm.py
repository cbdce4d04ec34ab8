"""A study on a Slurm cluster by submitit: `python on_slurm.py`; `python on_slurm.py local` tries it on this machine.

Every shard is a job. Without Python on the nodes, `slurm_array.sh` does the same.
"""

import sys

import submitit

import thalweg as tw

if __name__ == "__main__":
    study = tw.Study.load("assignment").set(replicates=40)
    executor = submitit.AutoExecutor(folder="runs/slurm", cluster=sys.argv[1] if sys.argv[1:] else None)
    executor.update_parameters(timeout_min=60, cpus_per_task=4, name="thalweg")
    print(study.run("runs/assignment-slurm", executor=executor, shards=16, threads=4))
