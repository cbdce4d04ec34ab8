"""NumPy: the backward pass by hand, batched matrix products, everything written in place."""

from problem import need, problem

need("numpy")
import numpy as np

VERSIONS = {"numpy": np.__version__}


def batched(batch, hidden, activation, precision, rate):
    x, y, (w1, b1, w2, b2, w3, b3) = problem(batch, hidden, precision)
    kind = x.dtype.type
    transposed = np.ascontiguousarray(x.transpose(0, 2, 1))
    a1 = np.empty((batch, x.shape[1], hidden), kind)
    a2, d1, d2, slope = (np.empty_like(a1) for _ in range(4))
    g1, g2, g3 = np.empty_like(w1), np.empty_like(w2), np.empty_like(w3)
    r, twice = np.empty_like(y), kind(2 * rate)

    def activate(a):
        np.tanh(a, out=a) if activation == "tanh" else np.maximum(a, 0, out=a)

    def times_slope(d, a):
        if activation == "tanh":
            np.multiply(a, a, out=slope)
            np.subtract(1, slope, out=slope)
            np.multiply(d, slope, out=d)
        else:
            np.multiply(d, a > 0, out=d)

    def run(steps):
        losses = np.empty((steps, batch), kind)
        for t in range(steps):
            np.matmul(x, w1, out=a1)
            np.add(a1, b1, out=a1)
            activate(a1)
            np.matmul(a1, w2, out=a2)
            np.add(a2, b2, out=a2)
            activate(a2)
            np.matmul(a2, w3, out=r)
            np.add(r, b3, out=r)
            np.subtract(r, y, out=r)
            np.einsum("rnk,rnk->r", r, r, out=losses[t])
            np.multiply(r, twice, out=r)  # the rate in the residual: no gradient is scaled later
            np.multiply(r, w3.transpose(0, 2, 1), out=d2)
            times_slope(d2, a2)
            np.matmul(d2, w2.transpose(0, 2, 1), out=d1)
            times_slope(d1, a1)
            for w, b, g, left, d in (
                (w3, b3, g3, a2.transpose(0, 2, 1), r),
                (w2, b2, g2, a1.transpose(0, 2, 1), d2),
                (w1, b1, g1, transposed, d1),
            ):
                np.matmul(left, d, out=g)
                np.subtract(w, g, out=w)
                np.subtract(b, d.sum(1, keepdims=True), out=b)
        return losses

    return run


# name: (make, batch sizes to try by units of a hidden layer)
FORMS = {
    "batched matmul": (batched, {20: (16, 64, 256), 64: (4, 16, 64), 256: (1, 4, 16)}),
}
