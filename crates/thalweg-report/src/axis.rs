//! Axes: where a value lies, which ticks it is read off, and the frame that two of them make.

use super::svg::{Canvas, escape, power, shorten, text_width};
use super::words::numbers::percent;

/// An axis. Values are *placed* once (`log10` on a logarithmic axis); range and pixels are of
/// places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

#[derive(Debug, Clone, Copy)]
enum Scale {
    Linear,
    Log,
    Share,
}

/// A mark on an axis.
#[derive(Debug, Clone)]
pub(super) struct Tick {
    pub(super) place: f64,
    /// Markup of its label; `None` for a minor tick.
    pub(super) label: Option<String>,
}

/// Where `value` lies on an axis; `None` if the axis cannot show it.
pub(super) fn place(log: bool, value: f64) -> Option<f64> {
    match log {
        _ if !value.is_finite() => None,
        true => (value > 0.0).then(|| value.log10()),
        // Twice this is still finite, so a range never overflows.
        false => Some(value.clamp(-1e300, 1e300)),
    }
}

impl Axis {
    /// An axis over all `places` with some air; `None` if there are none.
    pub(super) fn over(log: bool, places: impl Iterator<Item = f64>) -> Option<Self> {
        Self::spanning(log, false, places)
    }

    /// An axis over all `places`, which has ticks of its own and so need not reach a power of ten.
    pub(super) fn marked(log: bool, places: impl Iterator<Item = f64>) -> Option<Self> {
        Self::spanning(log, true, places)
    }

    fn spanning(log: bool, marked: bool, places: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| {
            (l.min(p), h.max(p))
        });
        if low > high {
            return None;
        }
        let few = log && (high.floor() - low.ceil()) < 1.0 && (!marked || high - low < 1e-9);
        let (low, high) = if few {
            // Too short to hold two powers of ten.
            let (floor, ceil) = (low.floor(), high.ceil());
            (
                floor,
                if ceil - floor < 1.0 {
                    floor + 1.0
                } else {
                    ceil
                },
            )
        } else if !log && high - low <= 1e-300 + 1e-9 * low.abs().max(high.abs()) {
            let air = if high.abs() > 1e-290 {
                0.1 * high.abs()
            } else {
                1.0
            };
            (low - air, high + air)
        } else {
            (low, high)
        };
        let air = 0.03 * (high - low);
        let scale = if log { Scale::Log } else { Scale::Linear };
        Some(Self {
            scale,
            low: low - air,
            high: high + air,
            from: 0.0,
            to: 1.0,
        })
    }

    /// An axis from one place to another, without air; a logarithmic one may be shorter than a
    /// decade.
    pub(super) fn exact(log: bool, low: f64, high: f64) -> Self {
        Self {
            scale: if log { Scale::Log } else { Scale::Linear },
            low,
            high,
            from: 0.0,
            to: 1.0,
        }
    }

    /// An axis from 0 to 1, labelled in per cent.
    pub(super) fn share() -> Self {
        Self {
            scale: Scale::Share,
            low: 0.0,
            high: 1.0,
            from: 0.0,
            to: 1.0,
        }
    }

    pub(super) fn across(self, from: f64, to: f64) -> Self {
        Self { from, to, ..self }
    }

    /// The pixel of a place.
    pub(super) fn at(&self, place: f64) -> f64 {
        self.from + (place - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Ticks at given values, those whose names would touch another's left out.
    pub(super) fn ticks_at(&self, values: &[(f64, String)]) -> Vec<Tick> {
        let log = matches!(self.scale, Scale::Log);
        let mut all: Vec<(f64, &String)> = (values.iter())
            .filter_map(|(v, name)| Some((place(log, *v)?, name)))
            .filter(|(at, _)| (self.low..=self.high).contains(at))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = f64::NEG_INFINITY;
        let tick = |(at, name): (f64, &String)| {
            let half = 0.5 * text_width(name);
            let fits = self.at(at) - half > free;
            if fits {
                free = self.at(at) + half + 4.0;
            }
            Tick {
                place: at,
                label: fits.then(|| escape(name)),
            }
        };
        all.into_iter().map(tick).collect()
    }

    /// An attribute for the page's script: both ends in pixels, both as places, and whether a place
    /// is a logarithm.
    fn told(&self, name: &str) -> String {
        let log = u8::from(matches!(self.scale, Scale::Log));
        let ends = [self.from, self.to].map(|px| format!("{px:.1}")).join(" ");
        format!(
            " data-{name}=\"{ends} {:e} {:e} {log}\"",
            self.low, self.high
        )
    }

    /// Both ends, in pixels.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.from, self.to)
    }

    /// Marks in rising order: powers of ten, or round numbers.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.round_numbers(),
            Scale::Log => {
                let powers = self.powers();
                match powers.iter().filter(|t| t.label.is_some()).count() {
                    // A part of a decade.
                    0 | 1 => self.values(),
                    _ => powers,
                }
            }
            // Labels every 20 %, or 50 % where there is no room.
            Scale::Share => (0..=if (self.to - self.from).abs() < 230.0 {
                2
            } else {
                5
            })
                .map(|i| {
                    f64::from(i)
                        / if (self.to - self.from).abs() < 230.0 {
                            2.0
                        } else {
                            5.0
                        }
                })
                .map(|share| Tick {
                    place: share,
                    label: Some(escape(&percent(share))),
                })
                .collect(),
        }
    }

    fn round_numbers(&self) -> Vec<Tick> {
        let rough = (self.high - self.low) / 6.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|m| m * magnitude)
            .into_iter()
            .find(|s| *s >= rough);
        let step = step.unwrap_or(rough);
        let largest = self.low.abs().max(self.high.abs());
        (0..=12)
            .map(|i| ((self.low / step).ceil() + f64::from(i)) * step)
            .take_while(|t| *t <= self.high + 1e-9 * step)
            .map(|t| Tick {
                place: t,
                label: Some(plain(t, step, largest)),
            })
            .collect()
    }

    /// Five values at equal ratios.
    fn values(&self) -> Vec<Tick> {
        let tick = |i: u8| {
            let share = 0.1 + 0.2 * f64::from(i);
            let value = 10f64.powf(self.low + share * (self.high - self.low));
            // As many digits as tell neighbours apart.
            let digits = (2.0 - (self.high - self.low).log10()).clamp(1.0, 12.0) as usize;
            let short = format!("{value:.digits$e}").parse().unwrap_or(value);
            Tick {
                place: short.log10(),
                label: Some(escape(&format!("{short}"))),
            }
        };
        (0..5).map(tick).collect()
    }

    fn powers(&self) -> Vec<Tick> {
        // The logarithm of a finite f64 is within ±324.
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        let stride = [1, 2, 4, 5, 10, 20, 50, 100]
            .into_iter()
            .find(|s| (last - first) / s < 9)
            .unwrap_or(100);
        let mut ticks = Vec::new();
        for k in (first - 1)..=last {
            let label = (k.rem_euclid(stride) == 0).then(|| power(k));
            ticks.push(Tick {
                place: f64::from(k),
                label,
            });
            let minor = (2..10).map(|m| f64::from(k) + f64::from(m).log10());
            ticks.extend(
                minor
                    .filter(|_| last - first <= 6)
                    .map(|place| Tick { place, label: None }),
            );
        }
        ticks.retain(|t| (self.low..=self.high).contains(&t.place));
        ticks
    }
}

fn plain(value: f64, step: f64, largest: f64) -> String {
    let value = if value.abs() < 1e-9 * step {
        0.0
    } else {
        value
    };
    let text = if largest >= 1e6 || step < 1e-4 {
        format!("{:e}", format!("{value:.2e}").parse().unwrap_or(value))
    } else {
        let decimals = if step < 1.0 {
            (-step.log10()).ceil() as usize
        } else {
            0
        };
        format!("{value:.decimals$}")
    };
    text.replace('-', "−")
}

/// Attributes of a line.
pub(super) const AXIS: &str = " stroke=\"currentColor\" stroke-opacity=\"0.6\"";
/// Attributes of a line.
pub(super) const GRID: &str = " stroke=\"currentColor\" stroke-opacity=\"0.13\"";
/// Attributes of a line across the picture that values are held against.
pub(super) const TARGET: &str =
    " stroke=\"currentColor\" stroke-width=\"1.5\" stroke-dasharray=\"2 3\"";
/// Draws grid, ticks and names of both axes; the axes in pixels and the height of the picture.
pub(super) fn frame(
    canvas: &mut Canvas,
    top: f64,
    height: f64,
    axes: (Axis, Axis),
    labels: (&str, &str),
) -> (Axis, Axis, f64) {
    marked_frame(canvas, top, height, axes, labels, &[])
}

/// The same with marks at given values of the horizontal axis, if there are any.
pub(super) fn marked_frame(
    canvas: &mut Canvas,
    top: f64,
    height: f64,
    axes: (Axis, Axis),
    labels: (&str, &str),
    x_ticks: &[(f64, String)],
) -> (Axis, Axis, f64) {
    let top = top + 24.0;
    let bottom = top + height;
    let left = 12.0
        + axes
            .1
            .ticks()
            .iter()
            .filter_map(|t| t.label.as_deref())
            .map(label_width)
            .fold(24.0, f64::max);
    let x = axes.0.across(left, canvas.width - 40.0);
    let y = axes.1.across(bottom, top);
    let right = x.ends().1;
    canvas.text(
        (0.0, top - 12.0),
        "start",
        "",
        &escape(&shorten(labels.1, (canvas.width / 8.5) as usize)),
    );
    for Tick { place, label } in y.ticks() {
        let at = y.at(place);
        if let Some(label) = label {
            canvas.line((left, at), (right, at), GRID);
            canvas.text((left - 8.0, at + 4.5), "end", "", &label);
        } else {
            canvas.line((left, at), (left + 3.0, at), AXIS);
        }
    }
    let ticks = if x_ticks.is_empty() {
        x.ticks()
    } else {
        x.ticks_at(x_ticks)
    };
    for Tick { place, label } in ticks {
        let at = x.at(place);
        canvas.line(
            (at, bottom),
            (at, bottom + if label.is_some() { 5.0 } else { 3.0 }),
            AXIS,
        );
        if let Some(label) = label {
            canvas.line((at, top), (at, bottom), GRID);
            canvas.text((at, bottom + 20.0), "middle", "", &label);
        }
    }
    canvas.line((left, bottom), (right, bottom), AXIS);
    canvas.line((left, top), (left, bottom), AXIS);
    canvas.text(
        ((left + right) / 2.0, bottom + 42.0),
        "middle",
        "",
        &escape(&shorten(labels.0, (canvas.width / 8.5) as usize)),
    );
    canvas.axes = format!("{}{}", x.told("x"), y.told("y"));
    (x, y, bottom + 50.0)
}

/// Width of a tick label, whose markup is at most one `tspan`.
fn label_width(label: &str) -> f64 {
    match label.split_once('<') {
        Some((stem, rest)) => {
            let exponent = rest.split(['>', '<']).nth(1).unwrap_or_default();
            text_width(stem) + 0.8 * text_width(exponent)
        }
        None => text_width(label),
    }
}
