//! A chain: D scalar weights in a row, all equal to w, fitted to one number. The smallest deep
//! network, and exact at every rate: gradient flow in closed form for small ones (Saxe, McClelland
//! & Ganguli 2013, arXiv:1312.6120), period doubling, chaos and escape for large ones (Chen,
//! Balasubramanian, Ghosal & Agrawalla 2023, arXiv:2310.01687).
//!
//! With output x u, u = w^D, and loss L = s (x u − y)², equal weights stay equal, and a step is
//! w ← w − τ w^(D−1) (w^D − u*) with τ = 2 s η x² and u* = y/x.

/// A chain under gradient descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chain {
    /// D, the number of weights, at least 1.
    pub depth: u32,
    /// u*, positive: the product that fits.
    pub target: f64,
    /// w at the start, positive.
    pub start: f64,
    /// τ = 2 s η x².
    pub step: f64,
}

/// What the iterated chain ends in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attractor {
    /// A cycle of so many steps; 1 is a fixed point.
    Cycle(u32),
    /// No cycle of at most [`LONGEST`] steps.
    Long,
    /// It leaves every bound.
    Escape,
}

/// The longest cycle that is recognised.
pub const LONGEST: usize = 64;

/// The period of the last values of a sequence: the smallest p up to [`LONGEST`] with v(t) = v(t −
/// p), to 1e-6 of the largest and to `floor`, for the last 64 t. None if there is none, or too few
/// values.
pub fn period(values: &[f64], floor: f64) -> Option<u32> {
    let last = values.len().checked_sub(2 * LONGEST)?;
    let last = &values[last..];
    let scale = last.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * scale + floor;
    let of = |p: &usize| (LONGEST..2 * LONGEST).all(|t| near(last[t], last[t - p]));
    (1..=LONGEST).find(of).map(|p| p as u32)
}

impl Chain {
    fn power(&self, w: f64, less: u32) -> f64 {
        w.powi(self.depth as i32 - less as i32)
    }

    /// dw/dt of gradient flow in the time τ t.
    fn flow(&self, w: f64) -> f64 {
        self.power(w, 1) * (self.target - self.power(w, 0))
    }

    /// One step of gradient descent.
    pub fn after(&self, w: f64) -> f64 {
        w + self.step * self.flow(w)
    }

    /// d w(t + 1)/d w(t).
    pub fn slope(&self, w: f64) -> f64 {
        let d = f64::from(self.depth);
        let product = self.power(w, 0);
        // w^(D−2) is infinite for D = 1 at w = 0, and multiplied with 0 there.
        let second = if self.depth == 1 {
            0.0
        } else {
            (d - 1.0) * self.power(w, 2) * (self.target - product)
        };
        1.0 + self.step * (second - d * self.power(w, 1).powi(2))
    }

    /// τ times the curvature at the solution, D u*^(2 − 2/D): descent ends there below 2,
    /// monotonously below 1.
    pub fn stiffness(&self) -> f64 {
        let d = f64::from(self.depth);
        self.step * d * libm::pow(self.target, 2.0 - 2.0 / d)
    }

    /// The time that gradient flow takes from the start until the product is `to`, in steps (a real
    /// number); none unless it lies between the start and u*.
    ///
    /// ∫ dw/(w^(D−1) (u* − w^D)) over ln w by Simpson's rule; for D = 2 this is
    /// ln(u (u* − u₀)/(u₀ (u* − u)))/(2 u*).
    pub fn flow_steps(&self, to: f64) -> Option<f64> {
        let from = self.power(self.start, 0);
        if !(from > 0.0 && from <= to && to < self.target) {
            return None;
        }
        let end = libm::pow(to, 1.0 / f64::from(self.depth));
        const PANELS: u32 = 20_000;
        let (low, high) = (libm::log(self.start), libm::log(end));
        let h = (high - low) / f64::from(PANELS);
        let of = |i: u32| {
            let w = libm::exp(low + h * f64::from(i));
            w / self.flow(w)
        };
        let inner: f64 = (1..PANELS)
            .map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * of(i))
            .sum();
        Some(h / 3.0 * (of(0) + inner + of(PANELS)) / self.step)
    }

    /// The product along gradient flow at steps 0, 1, …, n, by four Runge-Kutta steps each.
    pub fn flow_path(&self, n: usize) -> Vec<f64> {
        let mut w = self.start;
        let mut path = vec![self.power(w, 0)];
        let h = self.step / 4.0;
        for _ in 0..n {
            for _ in 0..4 {
                let a = self.flow(w);
                let b = self.flow(w + 0.5 * h * a);
                let c = self.flow(w + 0.5 * h * b);
                let d = self.flow(w + h * c);
                w += h / 6.0 * (a + 2.0 * b + 2.0 * c + d);
            }
            path.push(self.power(w, 0));
        }
        path
    }

    /// The largest distance of the product under descent from that under flow, to first order in τ.
    ///
    /// Descent with step τ follows the modified flow w' = g − (τ/2) g' g + O(τ²) (Hairer, Lubich &
    /// Wanner 2006, "Geometric Numerical Integration", IX.1), whose distance from w' = g is
    /// −(τ/2) g ln(g/g(w₀)).
    pub fn first_order_distance(&self) -> f64 {
        let d = f64::from(self.depth);
        let (from, start) = (libm::log(self.start), self.flow(self.start));
        let to = libm::log(libm::pow(self.target, 1.0 / d));
        let of = |i: u32| {
            let w = libm::exp(from + (to - from) * f64::from(i) / 20_000.0);
            let g = self.flow(w);
            d * self.power(w, 1) * 0.5 * g * libm::log(g / start).abs()
        };
        // At the very end g is 0 to rounding, or less.
        self.step * (0..20_000).map(of).fold(0.0, f64::max)
    }

    /// What the chain ends in after so many steps.
    pub fn attractor(&self, steps: usize) -> Attractor {
        let mut w = self.start;
        let mut last = Vec::with_capacity(2 * LONGEST);
        for t in 0..steps + 2 * LONGEST {
            w = self.after(w);
            if !(w.abs() < 1e6) {
                return Attractor::Escape;
            }
            if t >= steps {
                last.push((self.power(w, 0) - self.target).powi(2));
            }
        }
        period(&last, 1e-24).map_or(Attractor::Long, Attractor::Cycle)
    }

    /// The mean of ln |d w(t + 1)/d w(t)| over the second half of so many steps: positive in chaos.
    pub fn lyapunov(&self, steps: usize) -> f64 {
        let mut w = self.start;
        let mut sum = 0.0;
        for t in 0..steps {
            if t >= steps / 2 {
                sum += libm::log(self.slope(w).abs());
            }
            w = self.after(w);
        }
        sum / (steps - steps / 2) as f64
    }

    /// The mean of the same over so many windows of so many steps each, after 10 000 steps, and the
    /// standard deviation from window to window: how well one window tells it.
    pub fn lyapunov_over(&self, window: usize, windows: usize) -> (f64, f64) {
        let mut w = self.start;
        for _ in 0..10_000 {
            w = self.after(w);
        }
        let mut means = Vec::with_capacity(windows);
        for _ in 0..windows {
            let mut sum = 0.0;
            for _ in 0..window {
                sum += libm::log(self.slope(w).abs());
                w = self.after(w);
            }
            means.push(sum / window as f64);
        }
        let n = windows as f64;
        let mean = means.iter().sum::<f64>() / n;
        let square: f64 = means.iter().map(|m| (m - mean).powi(2)).sum();
        (mean, (square / (n - 1.0)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saxe(depth: u32, step: f64) -> Chain {
        Chain {
            depth,
            target: 3.0,
            start: libm::pow(1e-3, 1.0 / f64::from(depth)),
            step,
        }
    }

    fn scalar(rate: f64) -> Chain {
        Chain {
            depth: 2,
            target: 1.0,
            start: 0.8,
            step: rate,
        }
    }

    #[track_caller]
    fn close(ours: f64, theirs: f64, within: f64) {
        assert!((ours - theirs).abs() <= within, "{ours} is not {theirs}");
    }

    /// The closed form for two weights, and 30-digit quadratures for three and four.
    #[test]
    fn flow_takes_the_time_of_the_closed_form() {
        for (to, time) in [(1.5, 1.334_339_029_8), (2.85, 1.825_078_859_7)] {
            close(
                saxe(2, 1.0).flow_steps(to).expect("it is on the way"),
                time,
                2e-10,
            );
        }
        for (depth, time) in [(3, 3.136_267_40), (4, 5.217_433_20)] {
            close(
                saxe(depth, 1.0).flow_steps(1.5).expect("it is on the way"),
                time,
                1e-8,
            );
        }
        close(saxe(2, 1e-2).flow_path(200)[200], 2.945_720_698_6, 1e-9);
        assert_eq!(saxe(2, 1.0).flow_steps(3.5), None);
    }

    /// Measured by an independent program: 6.709e-2, 6.707e-3 and 6.706e-4 at rates 1e-2, 1e-3 and
    /// 1e-4.
    #[test]
    fn descent_leaves_flow_by_the_first_order_term() {
        for step in [1e-3, 1e-4] {
            let chain = saxe(2, step);
            let mut w = chain.start;
            let flow = chain.flow_path((4.0 / step) as usize);
            let mut worst = 0.0f64;
            for u in flow {
                worst = worst.max((w * w - u).abs());
                w = chain.after(w);
            }
            close(worst / step, 6.7065, 2e-3);
            close(chain.first_order_distance() / worst, 1.0, 5.0 * step);
        }
    }

    /// Period doubling at η = 1, √5 − 1, 1.28803, 1.29923; the two signs merge at 3√3/2 − 1; escape
    /// at 2.
    #[test]
    fn periods_double_where_they_should() {
        let ends = [
            (0.9, Attractor::Cycle(1)),
            (1.01, Attractor::Cycle(2)),
            (1.23, Attractor::Cycle(2)),
            (1.24, Attractor::Cycle(4)),
            (1.287, Attractor::Cycle(4)),
            (1.289, Attractor::Cycle(8)),
            (1.2990, Attractor::Cycle(8)),
            (1.2995, Attractor::Cycle(16)),
            (1.302, Attractor::Cycle(32)),
            (1.4, Attractor::Long),
            (1.9, Attractor::Long),
            (2.01, Attractor::Escape),
        ];
        for (rate, end) in ends {
            assert_eq!(scalar(rate).attractor(200_000), end, "at {rate}");
        }
        assert_eq!(
            scalar(5f64.sqrt() - 1.0 - 1e-3).attractor(100_000),
            Attractor::Cycle(2)
        );
        assert_eq!(
            scalar(5f64.sqrt() - 1.0 + 1e-3).attractor(100_000),
            Attractor::Cycle(4)
        );
    }

    #[test]
    fn lyapunov_exponents_are_those_of_the_map() {
        close(scalar(0.3).lyapunov(4000), libm::log(0.4), 1e-9);
        close(scalar(0.9).lyapunov(4000), libm::log(0.8), 1e-9);
        for (rate, exponent) in [(1.1, -0.857_399), (1.2, -0.192_831), (1.25, -0.177_406)] {
            close(scalar(rate).lyapunov(100_000), exponent, 1e-5);
        }
        // Averages over 512 steps by an independent program: their own spread is about 0.03.
        for (rate, exponent) in [(1.4, 0.37), (1.6, 0.69), (1.8, 0.84), (1.99, 1.05)] {
            close(scalar(rate).lyapunov(200_000), exponent, 0.05);
        }
        let (mean, spread) = scalar(1.6).lyapunov_over(512, 400);
        close(mean, scalar(1.6).lyapunov(200_000), 0.01);
        assert!((0.01..0.1).contains(&spread), "{spread}");
        let (mean, spread) = scalar(1.1).lyapunov_over(512, 10);
        close(mean, -0.857_399, 1e-5);
        assert!(spread < 1e-6);
        // At rate 2 the map is the cubic Chebyshev polynomial, whose exponent is ln 3.
        close(scalar(2.0 - 1e-9).lyapunov(200_000), libm::log(3.0), 0.01);
    }

    #[test]
    fn the_slope_is_the_derivative_of_the_step() {
        for depth in 1..5 {
            let chain = saxe(depth, 0.05);
            for w in [0.3, 0.9, 1.4] {
                let h = 1e-5;
                let slope = (chain.after(w + h) - chain.after(w - h)) / (2.0 * h);
                close(chain.slope(w), slope, 1e-8);
            }
            // At the solution 1 − stiffness.
            let w = libm::pow(3.0, 1.0 / f64::from(depth));
            close(chain.slope(w), 1.0 - chain.stiffness(), 1e-12);
        }
    }
}
