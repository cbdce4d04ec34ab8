"""PyTorch: the loop of the notebook, vmap(grad) compiled, and the backward pass by hand."""

from problem import need, problem

need("numpy", "torch")
import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)
torch.set_num_interop_threads(1)
VERSIONS = {"torch": torch.__version__}


def tensors(batch, hidden, precision):
    x, y, parameters = problem(batch, hidden, precision)
    return torch.from_numpy(x), torch.from_numpy(y), [torch.from_numpy(p) for p in parameters]


def loop(batch, hidden, activation, precision, rate):
    """One network, as people write it: autograd, `param -= rate * param.grad`."""
    x, y, parameters = tensors(1, hidden, precision)
    x, y = x[0], y[0]
    act = nn.Tanh if activation == "tanh" else nn.ReLU
    net = nn.Sequential(nn.Linear(x.shape[1], hidden), act(), nn.Linear(hidden, hidden), act(), nn.Linear(hidden, 1))
    net = net.to(x.dtype)
    with torch.no_grad():
        for layer, w, b in zip(net[::2], parameters[::2], parameters[1::2]):
            layer.weight.copy_(w[0].T)
            layer.bias.copy_(b[0, 0])
    loss_fn = nn.MSELoss(reduction="sum")

    def run(steps):
        losses = []
        for _ in range(steps):
            loss = loss_fn(net(x), y)
            net.zero_grad()
            loss.backward()
            with torch.no_grad():
                for param in net.parameters():
                    param -= rate * param.grad
            losses.append(loss.item())
        return np.array(losses, x.numpy().dtype)[:, None]

    return run


def vmap_compiled(batch, hidden, activation, precision, rate):
    """torch.func: the gradient of one network, mapped over all, the whole step compiled."""
    x, y, parameters = tensors(batch, hidden, precision)
    f = torch.tanh if activation == "tanh" else torch.relu

    def loss_of_one(parameters, x, y):
        w1, b1, w2, b2, w3, b3 = parameters
        r = f(f(x @ w1 + b1) @ w2 + b2) @ w3 + b3 - y
        loss = (r * r).sum()
        return loss, loss

    gradients = torch.func.vmap(torch.func.grad(loss_of_one, has_aux=True))

    @torch.compile(fullgraph=True, dynamic=False)
    def step(parameters, x, y):
        g, loss = gradients(parameters, x, y)
        return [p - rate * q for p, q in zip(parameters, g)], loss

    # Every setting here is compiled for itself; none may fall back to the interpreter for having many siblings.
    torch._dynamo.config.recompile_limit = 1000
    state = [parameters]

    @torch.no_grad()
    def run(steps):
        losses = []
        for _ in range(steps):
            state[0], loss = step(state[0], x, y)
            losses.append(loss)
        return torch.stack(losses).numpy()

    return run


def by_hand(batch, hidden, activation, precision, rate):
    """baddbmm over all networks, backward by hand, updates in place."""
    x, y, (w1, b1, w2, b2, w3, b3) = tensors(batch, hidden, precision)
    f = torch.tanh if activation == "tanh" else torch.relu

    def times_slope(d, a):
        return d * (1 - a * a) if activation == "tanh" else d * (a > 0)

    @torch.inference_mode()
    def run(steps):
        losses = []
        for _ in range(steps):
            a1 = f(torch.baddbmm(b1, x, w1))
            a2 = f(torch.baddbmm(b2, a1, w2))
            r = torch.baddbmm(b3, a2, w3) - y
            losses.append((r * r).sum((1, 2)))
            r *= 2 * rate
            d2 = times_slope(r * w3.mT, a2)
            d1 = times_slope(torch.bmm(d2, w2.mT), a1)
            for w, b, left, d in ((w3, b3, a2, r), (w2, b2, a1, d2), (w1, b1, x, d1)):
                w.baddbmm_(left.mT, d, alpha=-1)
                b.sub_(d.sum(1, keepdim=True))
        return torch.stack(losses).numpy()

    return run


FORMS = {
    "the notebook's loop": (loop, {20: (1,), 64: (1,), 256: (1,)}),
    "vmap(grad), compiled": (vmap_compiled, {20: (64, 256), 64: (16, 64), 256: (4, 16)}),
    "by hand, in place": (by_hand, {20: (64, 256), 64: (8, 16, 64), 256: (1, 4, 16, 32)}),
}
