"""How many of R networks get below a loss, and when: as a skilful user of JAX would ask.

All lanes of a batch train inside one compiled while loop, a chunk of steps at a time. Lanes whose replicate ended are
given the next replicate between chunks (shapes stay, nothing is compiled again); when none is left, the batch is
compacted to half its size whenever half of it is done. Threads take replicates from one queue, each with its own batch.
`--plain` does without both: each batch trains until its last replicate ended.

Prints one JSON object. Draws are made beforehand and are not part of any time; compilation is timed by itself.
"""

import argparse
import json
import os
import threading
import time

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"
# One thread computes one batch: splitting such small products over threads only costs.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

from problem import draw, need

need("numpy", "scipy", "jax")
import jax
import jax.numpy as jnp
import numpy as np


def compile_advance(arguments, activation, rate, below, budget, chunk):
    """advance(parameters, x, y, t, hit, ended, enough): whole chunks, until `enough` lanes have ended."""
    f = jnp.tanh if activation == "tanh" else jax.nn.relu

    def loss_of_one(parameters, x, y):
        a = x
        for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
            a = f(a @ w + b)
        r = a @ parameters[-2] + parameters[-1] - y
        return (r * r).sum()

    value_and_grad = jax.vmap(jax.value_and_grad(loss_of_one))

    def advance(parameters, x, y, t, hit, ended, enough):
        def step(state, _):
            parameters, t, hit, ended = state
            loss, g = value_and_grad(parameters, x, y)
            reached = ~ended & (loss < below)
            hit = jnp.where(reached, t, hit)
            ended = ended | reached | ~jnp.isfinite(loss) | (t >= budget)
            # An ended lane trains on, unheeded: a mask would cost more than it saves.
            return ([p - rate * q for p, q in zip(parameters, g)], t + 1, hit, ended), None

        return jax.lax.while_loop(
            lambda state: state[3].sum() < enough,
            lambda state: jax.lax.scan(step, state, length=chunk)[0],
            (parameters, t, hit, ended),
        )

    return jax.jit(advance, donate_argnums=(0, 3, 4, 5)).lower(*arguments).compile()


class Queue:
    """Replicates not yet begun."""

    def __init__(self, count):
        self.next, self.count, self.lock = 0, count, threading.Lock()

    def take(self, wanted):
        with self.lock:
            first = self.next
            self.next = min(first + wanted, self.count)
            return np.arange(first, self.next)

    def empty(self):
        return self.next >= self.count


def train(queue, draws, advance, batch, smallest, share, plain, hits):
    """Trains replicates from the queue until it is empty and all its own have ended; writes their steps into `hits`."""
    x, y, parameters = draws
    while (lanes := queue.take(batch)).size:
        width = batch
        # A lane without a replicate holds a copy of another and counts as ended (-1: nobody).
        who = np.concatenate([lanes, np.full(width - lanes.size, -1)])
        now = [a[who] for a in (*parameters, x, y)]
        t, hit = np.zeros(width, np.int32), np.full(width, -1, np.int32)
        while True:
            alive = int((who >= 0).sum())
            while not plain and queue.empty() and width > smallest and 2 * alive <= width:
                keep = np.argsort(who < 0, kind="stable")[: width // 2]
                who, t, hit, now = who[keep], t[keep], hit[keep], [a[keep] for a in now]
                width //= 2
            if plain or (queue.empty() and width <= smallest):
                give = alive
            elif queue.empty():
                give = alive - width // 2  # then half the width will do
            else:
                give = min(alive, max(1, int(share * width)))
            out = advance[width](
                [jnp.asarray(a) for a in now[:-2]],
                jnp.asarray(now[-2]),
                jnp.asarray(now[-1]),
                jnp.asarray(t),
                jnp.asarray(hit),
                jnp.asarray(who < 0),
                jnp.asarray(width - alive + give, jnp.int32),
            )
            trained, t, hit, ended = jax.tree.map(np.array, out)
            now = [*trained, *now[-2:]]
            done = np.flatnonzero(ended & (who >= 0))
            hits[who[done]] = hit[done]
            who[done] = -1
            if not plain:
                fresh = queue.take(int((who < 0).sum()))
                into = np.flatnonzero(who < 0)[: fresh.size]
                for a, source in zip(now, (*parameters, x, y)):
                    a[into] = source[fresh]
                who[into], t[into], hit[into] = fresh, 0, -1
            if (who < 0).all():
                break


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=15)
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 16])
    parser.add_argument("--activation", choices=["tanh", "relu"], default="tanh")
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=0.005)
    parser.add_argument("--below", type=float, default=1e-8)
    parser.add_argument("--budget", type=int, default=100_000)
    parser.add_argument("--precision", choices=["f32", "f64"], default="f64")
    parser.add_argument("--batch", type=int, default=64, help="lanes trained together, a power of two")
    parser.add_argument("--chunk", type=int, default=100, help="steps between two looks at who has ended")
    parser.add_argument("--smallest", type=int, default=8, help="a batch is not compacted below this")
    parser.add_argument("--share", type=float, default=1 / 16, help="of the lanes that end before new ones are put in")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="neither refill nor compact")
    args = parser.parse_args()

    began = time.perf_counter()
    kind = np.float32 if args.precision == "f32" else np.float64
    x, y, parameters = draw(range(args.replicates), args.dim, args.hidden)
    draws = x.astype(kind), y.astype(kind), [p.astype(kind) for p in parameters]
    drawn = time.perf_counter() - began

    def clock():
        return np.array([time.perf_counter(), time.process_time()])

    start = clock()
    batch = min(args.batch, -(-args.replicates // args.threads))
    widths = [batch]
    while not args.plain and widths[-1] % 2 == 0 and widths[-1] > args.smallest:
        widths.append(widths[-1] // 2)
    advance = {}
    for width in widths:
        shapes = [jax.ShapeDtypeStruct((width, *a.shape[1:]), kind) for a in (*draws[2], *draws[:2])]
        count = jax.ShapeDtypeStruct((width,), np.int32)
        ended, enough = jax.ShapeDtypeStruct((width,), np.bool_), jax.ShapeDtypeStruct((), np.int32)
        advance[width] = compile_advance(
            (shapes[:-2], *shapes[-2:], count, count, ended, enough),
            args.activation,
            kind(args.rate),
            args.below,
            args.budget,
            args.chunk,
        )
    compiled = clock()

    hits = np.full(args.replicates, -2, np.int64)
    queue = Queue(args.replicates)
    workers = [
        threading.Thread(target=train, args=(queue, draws, advance, batch, widths[-1], args.share, args.plain, hits))
        for _ in range(args.threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if (hits == -2).any():
        raise SystemExit("error: a replicate was not trained to its end")
    compiling, training = compiled - start, clock() - compiled
    print(
        json.dumps(
            {
                "jax": jax.__version__,
                "drawing": {"wall": drawn},
                "compiling": {"wall": compiling[0], "cpu": compiling[1]},
                "training": {"wall": training[0], "cpu": training[1]},
                "reached": int((hits >= 0).sum()),
                "steps": int(np.where(hits >= 0, hits, args.budget).sum()),
                "hits": hits.tolist(),
            }
        )
    )


if __name__ == "__main__":
    main()
