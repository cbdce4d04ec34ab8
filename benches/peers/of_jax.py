"""JAX: a scan over gradient steps under one jit, over all networks by vmap, or one after the other by lax.map."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
os.environ.setdefault("JAX_ENABLE_X64", "1")

from problem import need, problem

need("numpy", "jax")
import jax
import jax.numpy as jnp
import numpy as np

VERSIONS = {"jax": jax.__version__}
CHUNK = 50  # steps of one compiled call


def training(activation, rate, over):
    f = jnp.tanh if activation == "tanh" else jax.nn.relu

    def loss_of_one(parameters, x, y):
        w1, b1, w2, b2, w3, b3 = parameters
        r = f(f(x @ w1 + b1) @ w2 + b2) @ w3 + b3 - y
        return (r * r).sum()

    def train_one(parameters, x, y):
        def step(parameters, _):
            loss, g = jax.value_and_grad(loss_of_one)(parameters, x, y)
            return [p - rate * q for p, q in zip(parameters, g)], loss

        return jax.lax.scan(step, parameters, length=CHUNK)

    # The parameters are given away, so that they are updated where they lie.
    return jax.jit(over(train_one), donate_argnums=0)


def form(over):
    def make(batch, hidden, activation, precision, rate):
        x, y, parameters = problem(batch, hidden, precision)
        train = training(activation, x.dtype.type(rate), over)
        x, y = jnp.asarray(x), jnp.asarray(y)
        state = [[jnp.asarray(p) for p in parameters]]

        def run(steps):
            losses = []
            for _ in range(-(-steps // CHUNK)):
                state[0], loss = train(state[0], x, y)
                losses.append(loss)
            jax.block_until_ready(state[0])
            return np.concatenate([np.asarray(loss) for loss in losses], axis=1).T

        return run

    return make


def one_after_the_other(train):
    return lambda *arguments: jax.lax.map(lambda one: train(*one), arguments)


FORMS = {
    "vmap": (form(jax.vmap), {20: (16, 64, 256, 1024), 64: (4, 8, 16, 64), 256: (2, 4, 16)}),
    "lax.map": (form(one_after_the_other), {20: (16,), 64: (16,), 256: (4,)}),
}
