"""A study on the nodes of an MPI job: `mpiexec -n 9 python -m mpi4py.futures on_mpi.py`. One process hands out shards, the
others train them."""

from mpi4py.futures import MPIPoolExecutor

import thalweg as tw

if __name__ == "__main__":
    study = tw.Study.load("assignment").set(replicates=40)
    with MPIPoolExecutor() as executor:
        run = study.run("runs/assignment-mpi", executor=executor, progress=False)
    print(run)
