"""A study on a Dask cluster: `python on_dask.py [SCHEDULER]`, as `tcp://10.0.0.1:8786`; without one, on this machine.

A worker that dies is replaced, and its shards are trained elsewhere.
"""

import sys

from distributed import Client

import thalweg as tw

if __name__ == "__main__":
    study = tw.Study.load("assignment").set(replicates=40)
    with Client(*sys.argv[1:]) as client:
        run = study.run("runs/assignment-dask", executor=client.get_executor())
    print(run)
