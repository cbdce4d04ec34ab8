"""The Python package as its users have it: installed from the wheel, without Rust. Run by `./check`.

Tests that need polars, pandas, pyarrow, matplotlib or PyTorch are skipped where they are not installed.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import thalweg as tw

SMALL = dict(points=4, dim=3, hidden=[8], activation="relu", rate=0.02, steps=3000, replicates=20, seed=7)


@pytest.fixture(scope="module")
def run():
    study = tw.Study("Small", **SMALL).compare("d", dim=[3, 2])
    return study.run(progress=False)


def test_names_are_those_of_a_study_file():
    study = tw.Study(points=5, hidden=[4, 4], activation="tanh", **{"success.share": 0.9})
    cell = study.plan().cells[0]["setting"]
    assert cell["data"]["points"] == 5
    assert cell["net"]["hidden"] == [4, 4] and cell["net"]["activation"] == "tanh"
    assert cell["success"]["share"] == 0.9
    # A study is a value: changes give another one.
    other = study.set(points=6)
    assert other.plan().cells[0]["setting"]["data"]["points"] == 6
    assert study.plan().cells[0]["setting"]["data"]["points"] == 5
    # NumPy's numbers and lists are numbers and lists.
    same = tw.Study(points=np.int64(5), hidden=np.array([4, 4]), activation="tanh", **{"success.share": np.float64(0.9)})
    assert same.plan().cells[0]["hash"] == study.plan().cells[0]["hash"]


def test_a_mistake_is_an_exception_with_its_place():
    with pytest.raises(tw.StudyError, match="no setting `hiden`"):
        tw.Study(hiden=[3])
    with pytest.raises(tw.StudyError) as told:
        tw.Study(points=0).plan()
    assert "study:" in str(told.value) and "points = 0" in str(told.value)
    assert isinstance(told.value, ValueError)
    with pytest.raises(tw.StudyError, match="list of values"):
        tw.Study().compare("d", dim=5)
    with pytest.raises(TypeError, match="not object"):
        tw.Study(points=object()).plan()
    with pytest.raises(tw.NoTheoryError):
        tw.ntk(tw.Study(init={"constant": 0.1}), np.eye(2))


def test_the_module_and_the_program_train_the_same_bits(run, tmp_path):
    study = tw.Study("Small", **SMALL).compare("d", dim=[3, 2])
    (tmp_path / "small.toml").write_text(study.toml)
    done = subprocess.run(
        [sys.executable, "-m", "thalweg", "run", "small.toml", "--out", "out"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    run.save(tmp_path / "saved")
    for table in ("replicates", "curves", "looks"):
        a, b = (tmp_path / folder / f"{table}.parquet" for folder in ("out", "saved"))
        assert a.read_bytes() == b.read_bytes(), table
    # A folder that was saved is a run folder: nothing is trained again.
    again = subprocess.run(
        [sys.executable, "-m", "thalweg", "explain", "saved", "--replicate", "3"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "the same bits as recorded" in again.stdout


def test_the_program_is_there_and_fails_as_it_should():
    done = subprocess.run([sys.executable, "-m", "thalweg", "studies", "list"], capture_output=True, text=True)
    assert done.returncode == 0 and "assignment" in done.stdout
    wrong = subprocess.run([sys.executable, "-m", "thalweg", "plan", "nope.toml"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "error" in wrong.stderr


def test_cells_and_replicates_are_found_and_explained(run):
    cell = run.cell(dim=2)
    assert cell.setting["data"]["dim"] == 2 and cell.number == 1
    assert 0 <= cell.interval[0] <= cell.success <= cell.interval[1] <= 1
    replicate = cell.replicate(3)
    assert replicate.x.shape == (4, 2) and replicate.y.shape == (4,)
    assert replicate.initial_weights["0.weight"].shape == (8, 2)
    told = replicate.explain()
    assert told.sentences and told.data["replicate"] == 3
    assert told.data["same_bits"] is True
    with pytest.raises(tw.StudyError, match="no cell has"):
        run.cell(dim=99)
    with pytest.raises(tw.StudyError):
        cell.replicate(1000)


def test_weights_give_the_loss_of_the_record(run):
    replicate = run.cell(0).replicate(5)
    w = replicate.weights
    hidden = np.maximum(replicate.x @ w["0.weight"].T + w["0.bias"], 0)
    outputs = (hidden @ w["2.weight"].T + w["2.bias"])[:, 0]
    loss = np.sum((outputs - replicate.y) ** 2)
    # Trained in single precision.
    assert loss == pytest.approx(replicate.row["final_loss"], rel=1e-2)


def test_tables_are_read_without_copies(run):
    assert len(run.replicates) == 40 and "final_loss" in run.replicates.columns
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(run.replicates)
    assert frame.height == 40 and frame["replicate"].to_list() == 2 * list(range(20))
    reached = frame.filter(polars.col("cell") == 0)["outcome"] == "below"
    assert reached.mean() == run.cell(0).success
    assert frame["first_below"].null_count() == 40 - (frame["outcome"] == "below").sum()
    for table in (run.cells, run.curves, run.looks):
        assert polars.DataFrame(table).height == len(table)


def test_figures_are_pictures(run):
    assert "answer" in run.plot.names
    assert run.plot["answer"]._repr_svg_().startswith("<svg")
    assert run.plot.survival(by="dim").svg.startswith("<svg")
    assert "<svg" in run._repr_html_() and "Small" in run.html
    with pytest.raises(tw.StudyError, match="figures: answer"):
        run.plot["nope"]


def test_ones_own_arrays_are_trained_and_kept(tmp_path):
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    settings = dict(hidden=[4], activation="tanh", rate=0.1, steps=2000, replicates=6)
    run = tw.train(x, y, progress=False, **settings)
    np.testing.assert_array_equal(run.cell(0).replicate(0).x, x)
    # Kept in a folder, they are found again, wherever it is moved.
    study = tw.Study(x=x, y=y, **settings)
    kept = study.run(tmp_path / "xor", progress=False)
    assert kept.success == run.success
    (tmp_path / "xor").rename(tmp_path / "moved")
    done = subprocess.run(
        [sys.executable, "-m", "thalweg", "explain", "moved"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "the same bits as recorded" in done.stdout, done.stderr
    with pytest.raises(tw.StudyError, match="together"):
        tw.Study(x=x)
    with pytest.raises(tw.StudyError, match="not finite"):
        tw.Study(x=x, y=y * np.nan).plan()


def test_a_stack_is_trained_as_each_of_it_alone(tmp_path):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(7, 5, 2)), rng.normal(size=(7, 5))
    init = {"0.weight": rng.normal(size=(7, 4, 2)), "0.bias": rng.normal(size=(7, 4))}
    init |= {"2.weight": rng.normal(size=(7, 1, 4)), "2.bias": rng.normal(size=(7, 1))}
    settings = dict(hidden=[4], activation="tanh", rate=0.05, steps=300, precision="f64", progress=False)
    run = tw.train(x, y, init=init, **settings)
    assert run.cell(0).final_loss.shape == (7,) and run.cell(0).weights["0.weight"].shape == (7, 4, 2)
    assert "7 given training sets" in run.answer[0], run.answer
    for r in range(7):
        alone = tw.train(x[r], y[r], init={k: v[r] for k, v in init.items()}, replicates=1, **settings)
        assert alone.cell(0).final_loss[0] == run.cell(0).final_loss[r]
        np.testing.assert_array_equal(run.cell(0).replicate(r).x, x[r])
        np.testing.assert_array_equal(run.cell(0).replicate(r).y, y[r])
        for name, value in alone.cell(0).replicate(0).weights.items():
            np.testing.assert_array_equal(run.cell(0).weights[name][r], value)
            np.testing.assert_array_equal(run.cell(0).replicate(r).weights[name], value)
    # One set with a stack of weights, and a stack of sets with the weights of all.
    one = tw.train(x[2], y[2], init=init, **settings)
    assert one.cell(0).final_loss[2] == run.cell(0).final_loss[2] and len(one.cell(0).final_loss) == 7
    other = tw.train(x, y, init={k: v[2] for k, v in init.items()}, **settings)
    assert other.cell(0).final_loss[2] == run.cell(0).final_loss[2]
    # In a folder, which may be moved; and as files.
    study = tw.Study(x=x, y=y, init=init, replicates=7, **{k: v for k, v in settings.items() if k != "progress"})
    study.run(tmp_path / "stack", progress=False)
    (tmp_path / "stack").rename(tmp_path / "moved")
    moved = tw.Study.load(tmp_path / "moved" / "study.toml").run(progress=False)
    np.testing.assert_array_equal(moved.cell(0).final_loss, run.cell(0).final_loss)
    run.save(tmp_path / "saved")
    saved = tw.Study.load(tmp_path / "saved" / "study.toml").run(tmp_path / "saved", progress=False)
    np.testing.assert_array_equal(saved.cell(0).final_loss, run.cell(0).final_loss)
    # As many as there are, and no more.
    assert len(study.set(replicates=100).run(progress=False).cell(0).final_loss) == 7
    for refused in (lambda: study.certify(0.8, progress=False), lambda: study.choose(rate=[0.1, 0.2], progress=False)):
        with pytest.raises(tw.StudyError, match="without end"):
            refused()
    for wrong in (y[:6], y[:, :3], y[0]):
        with pytest.raises(tw.StudyError, match="hint: y is .7, 5"):
            tw.train(x, wrong, **settings)
    with pytest.raises(tw.StudyError, match="is a stack of 7 networks"):
        tw.train(x, y, init=init | {"2.bias": np.zeros((6, 1))}, **settings)
    with pytest.raises(tw.StudyError, match="7 training sets and 3 networks"):
        tw.train(x, y, init={k: v[:3] for k, v in init.items()}, **settings)
    with pytest.raises(tw.StudyError, match="nothing to train on"):
        tw.train(x[:0], y[:0], **settings)
    with pytest.raises(tw.StudyError, match="leave `draw` out"):
        study.set(draw="once").plan()


def test_module_states_stacked_by_torch_func_are_trained():
    torch = pytest.importorskip("torch")
    from torch import nn

    torch.manual_seed(1)
    models = [nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double() for _ in range(5)]
    stack, _ = torch.func.stack_module_state(models)
    x, y = torch.randn(5, 8, 2).double(), torch.randn(5, 8).double()
    settings = dict(hidden=[6], activation="tanh", rate=0.01, steps=50, precision="f64", loss="sum", progress=False)
    cell = tw.train(x, y, init=stack, **settings).cell(0)
    outputs = torch.func.vmap(lambda w, x: torch.func.functional_call(models[0], w, x))(
        {name: torch.from_numpy(value) for name, value in cell.weights.items()}, x
    )
    np.testing.assert_allclose(((outputs[..., 0] - y) ** 2).sum(1), cell.final_loss, rtol=1e-12)
    for model, x_, y_, loss in zip(models, x, y, cell.final_loss):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(50):
            optimizer.zero_grad()
            ((model(x_)[:, 0] - y_) ** 2).sum().backward()
            optimizer.step()
        assert abs(((model(x_)[:, 0] - y_) ** 2).sum().item() / loss - 1) < 1e-10


def test_weights_of_ones_own_are_where_training_begins():
    start = {"0.weight": np.full((2, 3), 0.5), "0.bias": np.zeros(2), "2.weight": np.ones((1, 2)), "2.bias": np.zeros(1)}
    study = tw.Study(points=4, dim=3, hidden=[2], init=start, steps=5, replicates=2)
    found = study.run(progress=False).cell(0).replicate(1).initial_weights
    for name, values in start.items():
        np.testing.assert_array_equal(found[name], values)
    with pytest.raises(tw.StudyError, match="needs"):
        study.set(hidden=[3]).plan()


def test_kernels_and_predictions_agree_with_closed_forms():
    rng = np.random.default_rng(1)
    x, z, y = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)), rng.normal(size=6)
    study = tw.Study(dim=3, hidden=[64], activation="relu", init="kaiming_normal", bias=False, parameterization="ntk", loss="half_sum")
    # Cho & Saul 2009: the arc-cosine kernel of degree 1, with the variance of He's weights.
    norms = np.linalg.norm(x, axis=1)
    cosine = np.clip(x @ x.T / np.outer(norms, norms), -1, 1)
    angle = np.arccos(cosine)
    # z ~ N(0, 2/d x·x'); 2 E φφ' of the output layer.
    outer = 2 / 3 * np.outer(norms, norms)
    expected = 2 * outer / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * cosine)
    np.testing.assert_allclose(tw.nngp(study, x), expected, rtol=1e-7)
    theta, cross = tw.ntk(study, x), tw.ntk(study, z, x)
    mean, covariance = tw.predict(study, x, y, z)
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(theta, y), rtol=1e-8)
    assert np.all(np.linalg.eigvalsh(covariance) > -1e-9)
    rate = 0.5 * tw.max_learning_rate(study, theta)
    f, g = np.zeros(6), np.zeros(4)
    for _ in range(30):
        r = f - y
        f, g = f - rate * theta @ r, g - rate * cross @ r
    mean, _ = tw.predict(study, x, y, z, steps=30, rate=rate)
    np.testing.assert_allclose(mean, g, rtol=1e-9, atol=1e-12)
    with pytest.raises(tw.StudyError, match="need a `rate`"):
        tw.predict(study, x, y, z, steps=30)


def test_kernels_are_finite_where_those_of_neural_tangents_were_not():
    """Its issues 197, 198 and 36, 76, 14: deep and wide weights, a line of points, one twice, zero and antipodes."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(6, 3))
    std = np.arange(1.0, 17)
    deep = tw.Study(
        dim=3, hidden=[8] * 15, activation="relu", parameterization="ntk", bias=False, init={"weight_std": list(std)}
    )
    # Jacot et al. 2018: Σ_{l+1} = w² E φφ, Θ_{l+1} = Σ_{l+1} + w² Θ_l E φ'φ'; of ReLU Cho & Saul's arc cosines.
    nngp = theta = std[0] ** 2 * x @ x.T / 3
    for w in std[1:]:
        norms = np.sqrt(np.diag(nngp))
        cosine = np.clip(nngp / np.outer(norms, norms), -1, 1)
        angle = np.arccos(cosine)
        np.fill_diagonal(angle, 0)
        first = np.outer(norms, norms) * (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi)
        theta = w**2 * (first + theta * (np.pi - angle) / (2 * np.pi))
        nngp = w**2 * first
    np.testing.assert_allclose(tw.ntk(deep, x), theta, rtol=1e-12)

    line = np.linspace(-10 * np.pi, 10 * np.pi, 100)[:, None]
    wide = tw.Study(
        dim=1,
        hidden=[512, 512],
        activation="relu",
        parameterization="ntk",
        init={"weight_std": [1.5, 1.5, 1.5]},
        bias_init={"normal": {"std": 0.05}},
    )
    mean, covariance = tw.predict(wide, line, np.sin(line[:, 0]), line[::7] + 0.1)
    assert np.all(np.isfinite(mean)) and np.linalg.eigvalsh(covariance)[0] > -1e-6 * np.trace(covariance)

    hard = np.vstack([x, x[:1], -x[1:2], 0 * x[:1]])
    for activation in ["relu", "tanh", "erf", "gelu", "sin", "softplus"]:
        study = tw.Study(dim=3, hidden=[16, 16], activation=activation)
        for kernel in (tw.nngp(study, hard), tw.ntk(study, hard)):
            values = np.linalg.eigvalsh(kernel)
            assert np.array_equal(kernel, kernel.T) and values[0] > -1e-12 * values[-1], activation
        mean, covariance = tw.predict(study, hard, rng.normal(size=9), x + 0.1)
        assert np.all(np.isfinite(mean)) and np.all(np.isfinite(covariance)), activation


def test_a_network_is_found_on_the_map_of_order_and_chaos():
    """Without biases tanh is critical at σw² = 1 (Poole et al. 2016), and ReLU at 2."""
    # Beyond it the variance of ReLU grows without bound.
    for activation, critical, beyond in [("tanh", 1.0, "chaotic"), ("relu", 2.0, "unbounded")]:
        settings = dict(points=5, dim=3, hidden=[8, 8, 8], activation=activation, bias=False)
        below, above = (
            tw.phase(tw.Study(**settings, init={"normal": {"variance": share * critical}}), points=8)
            for share in (0.8, 1.25)
        )
        assert [phase.layers[0]["phase"] for phase in (below, above)] == ["ordered", beyond]
        assert below.layers[0]["critical"] == pytest.approx([critical])
        assert (below.layers[0]["first"], below.layers[0]["last"]) == (1, 3)
        assert below.chi.shape == (8, 8) and below._repr_svg_().startswith("<svg") and "ordered" in repr(below)
        # Along the axis χ₁ grows with σw².
        assert np.all(np.diff(below.chi[0]) > 0)
    with pytest.raises(tw.StudyError, match="no end of a map"):
        tw.phase(tw.Study(), weights=-1.0)


def test_an_engine_that_is_not_there_is_named():
    study = tw.Study(**SMALL)
    with pytest.raises((tw.StudyError, tw.ThalwegError), match="there is no engine `gpu:vulkan`"):
        study.run(engine="gpu:vulkan", progress=False)
    with pytest.raises((tw.StudyError, tw.ThalwegError), match="gpu:opencl"):
        study.run(engine="gpu:opencl:99", progress=False)
    run = study.run(engine="auto", progress=False)
    assert run.success == study.run(progress=False).success


def test_the_empirical_kernel_is_that_of_torch_func():
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.GELU(), torch.nn.Linear(5, 2)).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    parameters = dict(model.named_parameters())
    jacobians = torch.func.jacrev(lambda p: torch.func.functional_call(model, p, (x,)))(parameters)
    j = torch.cat([jacobian.reshape(8, -1) for jacobian in jacobians.values()], dim=1).detach().numpy()
    study = tw.Study(dim=3, hidden=[5], activation="gelu", **{"data.outputs": 2})
    np.testing.assert_allclose(tw.empirical_ntk(study, dict(model.state_dict()), x), j @ j.T, rtol=1e-10)


def test_empirical_kernel_and_curvature_are_those_of_finite_differences():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=5)
    study = tw.Study(dim=3, hidden=[4], activation="tanh", loss="half_sum")
    shapes = {"0.weight": (4, 3), "0.bias": (4,), "2.weight": (1, 4), "2.bias": (1,)}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    flat = np.concatenate([w.ravel() for w in weights.values()])

    def outputs(theta):
        w, at = [], 0
        for shape in shapes.values():
            size = int(np.prod(shape))
            w.append(theta[at : at + size].reshape(shape))
            at += size
        return (np.tanh(x @ w[0].T + w[1]) @ w[2].T + w[3])[:, 0]

    def loss(theta):
        return 0.5 * np.sum((outputs(theta) - y) ** 2)

    np.testing.assert_allclose(tw.theory.outputs(study, weights, x)[:, 0], outputs(flat), rtol=1e-12)
    h = 1e-5
    steps = h * np.eye(len(flat))
    jacobian = np.array([(outputs(flat + e) - outputs(flat - e)) / (2 * h) for e in steps]).T
    np.testing.assert_allclose(tw.empirical_ntk(study, weights, x), jacobian @ jacobian.T, rtol=1e-7)
    h = 1e-4
    e = h * np.eye(len(flat))
    n = len(flat)
    hessian = np.array(
        [
            [(loss(flat + a + b) - loss(flat + a - b) - loss(flat - a + b) + loss(flat - a - b)) / (4 * h * h) for b in e]
            for a in e
        ]
    )
    found = tw.hessian_spectrum(study, weights, x, y)
    assert found.shape == (n,)
    np.testing.assert_allclose(found, np.linalg.eigvalsh(hessian), atol=1e-5)


def test_a_share_is_certified(tmp_path):
    certificate = tw.Study(**SMALL).certify(share=0.5, at_most=2000, progress=False)
    assert certificate.decision == "yes" and certificate.sentences
    certificate.save(tmp_path / "c.toml")
    done = subprocess.run([sys.executable, "-m", "thalweg", "verify", "c.toml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_setting_is_chosen():
    study = tw.Study(**SMALL).space(hidden=[[4], [16]], race=16, at_most=400)
    choices = study.choose(progress=False)
    assert len(choices) == 1 and json.dumps(choices)


def test_progress_is_told_and_may_stop_the_run():
    seen = []
    tw.Study(**SMALL | {"replicates": 400, "steps": 20_000}).run(progress=lambda *state: seen.append(state))
    assert all(a[0] <= b[0] for a, b in zip(seen, seen[1:]))
    assert all(state[1] == 400 for state in seen)

    def stop(done, all_, seconds):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        tw.Study(**SMALL | {"replicates": 100_000, "steps": 10_000_000, "rate": 1e-6}).run(progress=stop)


LONG = """
import sys, thalweg as tw
study = tw.Study(points=20, dim=5, hidden=[64, 64], rate=1e-7, steps=10_000_000, replicates=1000)
study = study.compare("quick", steps=[1], replicates=[1])
print("ready", flush=True)
try:
    study.run(sys.argv[1], progress=False)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_stops_within_seconds(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", LONG, str(tmp_path / "r")], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline().strip() == "ready"
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert "stopped" in out


def test_other_threads_go_on_while_it_trains():
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.01):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    tw.Study(**SMALL | {"replicates": 2000, "steps": 20_000, "rate": 1e-3}).run(progress=False)
    stop.set()
    thread.join()
    assert len(ticks) >= 3


def test_a_network_of_pytorch_becomes_a_study_and_comes_back():
    torch = pytest.importorskip("torch")
    from torch import nn

    model = nn.Sequential(nn.Linear(15, 20), nn.ReLU(), nn.Linear(20, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    study = tw.Study.from_torch(
        model, loss=nn.MSELoss(reduction="sum"), optimizer=optimizer, points=2, steps=20_000, replicates=50
    )
    run = study.run(progress=False)
    assert run.success > 0.9
    replicate = run.cell(0).replicate(0)
    network = replicate.module()
    with torch.no_grad():
        f = network(torch.tensor(replicate.x, dtype=torch.float32))[:, 0].numpy()
    assert np.sum((f - replicate.y) ** 2) == pytest.approx(replicate.row["final_loss"], rel=0.5, abs=1e-9)
    with pytest.raises(tw.StudyError, match="no activation here"):
        tw.Study.from_torch(nn.Sequential(nn.Linear(3, 2), nn.Dropout(), nn.Linear(2, 1)))
    same = tw.Study.from_torch(model, from_weights=True, points=2, replicates=1, steps=1).run(progress=False)
    np.testing.assert_allclose(
        same.cell(0).replicate(0).initial_weights["0.weight"], model[0].weight.detach().numpy(), rtol=1e-7
    )
