"""A study on a Ray cluster: `python on_ray.py` on a machine of it, or anywhere to try it on this one alone."""

import ray

import thalweg as tw


class Ray:
    """Trains shards as tasks; one whose node is lost is trained elsewhere."""

    def submit(self, function, *arguments):
        task = ray.remote(function).options(num_cpus=1, max_retries=2)
        return task.remote(*arguments).future()


if __name__ == "__main__":
    ray.init()
    study = tw.Study.load("assignment").set(replicates=40)
    print(study.run("runs/assignment-ray", executor=Ray()))
