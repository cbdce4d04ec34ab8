"""Writes tests/stats/goldens.json: what SciPy, statsmodels and lifelines say of the statistics here.

    python -m venv v; v/bin/pip install numpy scipy statsmodels lifelines
    v/bin/python tests/stats/write_goldens.py

`tests/python/test_stats.py` checks that the file is what these libraries still say, where they are
installed; `crates/thalweg/tests/it/deciding.rs` holds our own arithmetic against it.
"""

import json
import math
import warnings
from pathlib import Path

import lifelines
import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy import optimize, special, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

warnings.simplefilter("ignore", lifelines.exceptions.ApproximationWarning)

FILE = Path(__file__).with_name("goldens.json")


def intervals():
    cases = [(0, 10, 0.95), (10, 10, 0.95), (320, 400, 0.95), (1, 400, 0.99), (5, 7, 0.8), (3999, 4000, 0.95), (81_000, 100_000, 0.999)]
    rows = []
    for k, n, level in cases:
        exact = stats.binomtest(k, n).proportion_ci(level, method="exact")
        beta = proportion_confint(k, n, alpha=1 - level, method="beta")
        assert np.allclose(exact, beta, rtol=1e-9, atol=1e-15)
        wilson = proportion_confint(k, n, alpha=1 - level, method="wilson")
        rows.append({"k": k, "n": n, "level": level, "exact": list(map(float, exact)), "wilson": list(map(float, wilson))})
    return rows


def evidence():
    """The mixture ratio of the sequential test, straight from its integral."""
    rows = []
    for share, s, f in [(0.8, 20, 0), (0.8, 90, 10), (0.8, 60, 40), (0.8, 0, 5), (0.5, 30, 10), (0.3, 40, 60), (0.8, 1600, 400), (0.97, 70, 10)]:
        odds = share / (1 - share)
        a, b = max(odds, 1), max(1 / odds, 1)
        likelihood = special.xlogy(s, share) + special.xlog1py(f, -share)
        whole = special.betaln(a + s, b + f) - special.betaln(a, b) - likelihood
        above = whole + math.log(special.betaincc(a + s, b + f, share) / special.betaincc(a, b, share))
        below = whole + math.log(special.betainc(a + s, b + f, share) / special.betainc(a, b, share))
        rows.append({"share": share, "successes": s, "failures": f, "above": above, "below": below})
    return rows


def survival():
    random = np.random.default_rng(5)
    freireich = ([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], [1] * 9 + [0] * 12)
    times = np.ceil(random.lognormal(5, 1, 120))
    budget = ([float(min(t, 200)) for t in times], [int(t <= 200) for t in times])
    rows = []
    for t, seen in (freireich, budget):
        row = {"times": list(map(float, t)), "seen": seen, "bands": [], "quantiles": []}
        sf = sm.SurvfuncRight(np.array(t), np.array(seen))
        for level in (0.95, 0.8):
            fit = lifelines.KaplanMeierFitter(alpha=1 - level).fit(t, seen)
            band = fit.confidence_interval_
            at = [float(x) for x in sf.surv_times]
            low, high = (band.loc[at].iloc[:, i].tolist() for i in (0, 1))
            row["bands"].append({"level": level, "times": at, "survival": sf.surv_prob.tolist(), "error": sf.surv_prob_se.tolist(), "low": low, "high": high})
            # No q at which a share of the times falls exactly: lifelines misses it by a rounding.
            for q in (0.26, 0.47):
                value = fit.percentile(1 - q)
                ends = lifelines.utils.qth_survival_times(1 - q, band)
                ends = [float(e) for e in ends.values.ravel()]
                finite = lambda v: None if math.isinf(v) else float(v)
                row["quantiles"].append({"level": level, "q": q, "value": finite(value), "low": finite(ends[0]), "high": finite(ends[1])})
        rows.append(row)
    return rows


def logistic():
    cases = [
        ([1, 2, 3, 5, 8], [2, 9, 25, 38, 40], [40] * 5),
        ([math.log(w) for w in (2, 3, 4, 6, 8, 16)], [3, 31, 66, 92, 97, 100], [100] * 6),
        ([2, 3, 5, 8, 15], [142, 155, 170, 190, 198], [200] * 5),
        ([1, 2, 3, 4], [0, 0, 50, 50], [50] * 4),
    ]
    rows = []
    for x, k, n in cases:
        x, k, n = (np.array(v, float) for v in (x, k, n))
        design = np.column_stack([np.ones_like(x), x])
        softplus = lambda t: np.logaddexp(0, t)

        def log(beta, penalised):
            t = design @ beta
            value = np.sum(k * t - n * softplus(t))
            if penalised:
                p = special.expit(t)
                value += 0.5 * np.linalg.slogdet(design.T @ (design * (n * p * (1 - p))[:, None]))[1]
            return value

        def best(penalised):
            start = optimize.minimize(lambda b: -log(b, penalised), [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-12, "fatol": 1e-14, "maxiter": 20000})
            return start.x, -start.fun

        def profile_interval(beta, top, penalised, logit, level):
            drop = stats.chi2.ppf(level, 1) / 2
            x0 = (logit - beta[0]) / beta[1]

            def loss(x_at):
                free = lambda b: -log(np.array([logit - b * x_at, b]), penalised)
                return top + optimize.minimize_scalar(free, bounds=(0, 5 * beta[1]), method="bounded", options={"xatol": 1e-12}).fun - drop

            span = x.max() - x.min()
            ends = []
            for direction in (-1, 1):
                far = x0
                while loss(far) < 0:
                    far += direction * 0.01 * span
                ends.append(float(optimize.brentq(loss, far - direction * 0.01 * span, far, xtol=1e-10)))
            return float(x0), ends

        row = {"x": x.tolist(), "successes": k.tolist(), "trials": n.tolist()}
        if k[k < n].size and not (k == 0).sum() + (k == n).sum() == len(k):
            fit = sm.GLM(np.column_stack([k, n - k]), design, family=sm.families.Binomial()).fit(tol=1e-14, maxiter=200)
            beta, top = best(False)
            assert np.allclose(fit.params, beta, rtol=1e-5)
            row["fit"] = {"params": fit.params.tolist(), "covariance": np.asarray(fit.cov_params()).tolist(), "thresholds": []}
            for p in (0.5, 0.8):
                logit = special.logit(p)
                at, ends = profile_interval(fit.params, log(fit.params, False), False, logit, 0.95)
                gradient = np.array([-1, -at]) / fit.params[1]
                error = math.sqrt(gradient @ fit.cov_params() @ gradient) * stats.norm.ppf(0.975)
                row["fit"]["thresholds"].append({"p": p, "at": at, "profile": ends, "delta": [at - error, at + error]})
        beta, top = best(True)
        at, ends = profile_interval(beta, top, True, 0.0, 0.95)
        row["firth"] = {"params": beta.tolist(), "log_likelihood": float(top), "half": {"at": at, "profile": ends}}
        rows.append(row)
    return rows


def families():
    random = np.random.default_rng(6)
    p = np.concatenate([random.uniform(0, 0.05, 6), random.uniform(size=6)])
    times = np.ceil(random.lognormal(5, 1, (2, 60)))
    times[1] *= 1.3
    times = np.ceil(np.minimum(times, 400))
    first, second = int((times[0] < times[1]).sum()), int((times[0] > times[1]).sum())
    return {
        "p": p.tolist(),
        "holm": multipletests(p, method="holm")[1].tolist(),
        "a": times[0].tolist(),
        "b": times[1].tolist(),
        "budget": 400,
        "signs": [first, second, float(stats.binomtest(first, first + second).pvalue)],
    }


def goldens():
    return {
        "by": {m.__name__: m.__version__ for m in (scipy, statsmodels, lifelines)},
        "intervals": intervals(),
        "evidence": evidence(),
        "survival": survival(),
        "logistic": logistic(),
        "families": families(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(goldens(), indent=1) + "\n")
