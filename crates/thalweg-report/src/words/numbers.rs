//! How a number is written for people.

use thalweg::stats::{Interval, PairedRatio};

/// Three significant digits, powers of ten where they help; `never` for infinity, `–` where there
/// is none.
pub fn number(v: f64) -> String {
    let size = v.abs();
    if v.is_nan() {
        "–".into()
    } else if v.is_infinite() {
        if v > 0.0 {
            "never".into()
        } else {
            "−∞".into()
        }
    } else if size <= 0.0 {
        "0".into()
    } else if (1e-3..1e5).contains(&size) {
        let digits = (2 - size.log10().floor() as i32).max(0) as usize;
        without_zeros(format!("{v:.digits$}"))
    } else {
        format!("{v:.2e}").replace(".00e", "e")
    }
}

/// The same for a loss, a rate or an eigenvalue, of which infinity is not `never`.
pub fn size(v: f64) -> String {
    if v.is_infinite() && v > 0.0 {
        "∞".into()
    } else {
        number(v)
    }
}

fn without_zeros(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        text
    }
}

/// A whole number with thin groups.
pub fn count(v: u64) -> String {
    let digits = v.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// A share in per cent: whole, or with a digit after the point; never rounded to certainty.
pub fn percent(share: f64) -> String {
    let p = 100.0 * share;
    if !p.is_finite() {
        "–".into()
    } else if share > 0.0 && p < 0.1 {
        "< 0.1 %".into()
    } else if share < 1.0 && p > 99.9 {
        "> 99.9 %".into()
    } else if (p - p.round()).abs() < 0.05 {
        format!("{p:.0} %")
    } else {
        format!("{p:.1} %")
    }
}

/// An interval of a probability: one digit after the point, more next to 0 and 1.
pub fn interval(i: Interval) -> String {
    let end = |share: f64| {
        let from_edge = share.min(1.0 - share);
        let digits = if from_edge <= 0.0 || from_edge >= 0.001 {
            1
        } else {
            2
        };
        without_zeros(format!("{:.digits$}", 100.0 * share))
    };
    format!("{}–{} %", end(i.low), end(i.high))
}

/// An interval of anything else.
pub fn range(of: Interval) -> String {
    if of.low.is_nan() || of.high.is_nan() {
        "–".into()
    } else if of.low.to_bits() == of.high.to_bits() {
        number(of.low)
    } else {
        format!("{} to {}", number(of.low), number(of.high))
    }
}

/// A quantile of a hitting time, `> budget` where censored.
pub fn steps(quantile: Option<u64>, budget: u64) -> String {
    quantile.map_or_else(|| format!("> {}", count(budget)), count)
}

/// The same with its noun: `175 steps`, `1 step`, `> 20 000 steps`.
pub fn in_steps(quantile: Option<u64>, budget: u64) -> String {
    let noun = agree(quantile.unwrap_or(2), "step", "steps");
    format!("{} {noun}", steps(quantile, budget))
}

/// A ratio with two digits after the point, or three significant ones.
pub fn factor(v: f64) -> String {
    if (0.1..10.0).contains(&v) {
        format!("{v:.2}")
    } else {
        number(v)
    }
}

/// A p-value to three digits after the point, without the zero before it: `.004`, `.5`, `1`.
pub fn chance(p: f64) -> String {
    if p.is_nan() {
        "–".into()
    } else if p < 5e-4 {
        "< .001".into()
    } else {
        let text = without_zeros(format!("{p:.3}"));
        text.trim_start_matches('0').into()
    }
}

/// The same in a sentence: `p = .004`.
pub fn p_value(p: f64) -> String {
    let text = chance(p);
    if text.starts_with('<') {
        format!("p {text}")
    } else {
        format!("p = {text}")
    }
}

/// A difference of shares with its interval, in per cent of the replicates.
pub fn difference((value, band): (f64, Interval)) -> String {
    let signed = |v: f64| {
        let text = without_zeros(format!("{:.1}", 100.0 * v.abs()));
        match (text == "0", v < 0.0) {
            (true, _) => text,
            (false, true) => format!("−{text}"),
            (false, false) => format!("+{text}"),
        }
    };
    let [value, low, high] = [value, band.low, band.high].map(signed);
    format!("{value} % ({low} to {high})")
}

/// Between which values a ratio lies: `53`, `> 5.9`, `< 0.2`, `0.45 to 0.8`, `open`. Ends that
/// agree to two digits are written as one.
pub fn bounded(of: Interval) -> String {
    let [low, high] = [of.low, of.high].map(|v| format!("{v:.1e}"));
    match (of.low > 0.0, of.high.is_finite()) {
        // Zero and infinity are ratios of runs that never get there.
        _ if of.low >= of.high => factor(of.low),
        (true, true) if low == high => low.parse().map_or(low, number),
        (true, true) => format!("{} to {}", factor(of.low), factor(of.high)),
        (true, false) => format!("> {}", factor(of.low)),
        (false, true) => format!("< {}", factor(of.high)),
        (false, false) => "open".into(),
    }
}

/// An interval of a ratio: `43–62`, `4.8 or more`, `0.3 or less`, `any`.
pub fn ratio_interval(of: Interval) -> String {
    match (of.low > 0.0, of.high.is_finite()) {
        (true, true) => format!("{}–{}", factor(of.low), factor(of.high)),
        (true, false) if of.low.is_infinite() => "never".into(),
        (true, false) => format!("{} or more", factor(of.low)),
        (false, true) => format!("{} or less", factor(of.high)),
        (false, false) => "any".into(),
    }
}

/// A paired ratio with its interval: `× 53 (43–62)`.
pub fn paired(ratio: &PairedRatio) -> String {
    format!("{} ({})", times(ratio), ratio_interval(ratio.interval))
}

/// A paired ratio alone: `× 53`.
pub fn times(ratio: &PairedRatio) -> String {
    let median = bounded(ratio.median);
    if median.starts_with(|c: char| c.is_ascii_digit() || "<>".contains(c)) {
        format!("× {median}")
    } else {
        median
    }
}

/// Seconds as seconds, minutes or hours.
pub fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.1} s")
    } else if seconds < 5400.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

/// A number of bytes, a MB at least.
pub fn bytes(of: f64) -> String {
    match of {
        of if of < 1e6 => "1 MB".into(),
        of if of < 1e9 => format!("{:.0} MB", of / 1e6),
        of if of < 1e10 => format!("{:.1} GB", of / 1e9),
        of => format!("{:.0} GB", of / 1e9),
    }
}

/// Seconds as `m:ss` or `h:mm:ss`.
pub fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s < 3600 {
        format!("{}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// A number with a metric prefix, three digits: `20.0 k`; without one where it is small.
pub fn si(v: f64) -> String {
    let (scaled, prefix) = [(1e9, " G"), (1e6, " M"), (1e3, " k")]
        .iter()
        .find(|(unit, _)| v >= *unit)
        .map_or((v, ""), |(unit, prefix)| (v / unit, prefix));
    let digits = if scaled >= 100.0 { 0 } else { 1 };
    format!("{scaled:.digits$}{prefix}")
}

/// How many of something, in words that agree with the number.
pub fn many(n: usize, one: &str, more: &str) -> String {
    format!("{} {}", count(n as u64), agree(n as u64, one, more))
}

/// A number with the verb that agrees with it: `1 reaches`, `2 reach`.
pub fn does(n: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(n), agree(n, one, more))
}

/// A small number in words, a larger one in digits.
pub fn word(n: u64) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let word = usize::try_from(n).ok().and_then(|n| WORDS.get(n));
    word.map_or_else(|| count(n), |word| (*word).to_string())
}

/// The word that agrees with a number.
pub fn agree<'a>(n: u64, one: &'a str, more: &'a str) -> &'a str {
    if n == 1 { one } else { more }
}

/// A sentence from a name on: with a capital letter, but for symbols as in `d = 2`.
pub fn capital(text: &str) -> String {
    let symbol = text.split(' ').nth(1) == Some("=");
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !symbol => first.to_uppercase().chain(letters).collect(),
        Some(_) | None => text.to_string(),
    }
}

/// `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => "none".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The first of a list, and how many more.
pub fn few(names: &[String]) -> String {
    if names.len() <= 5 {
        return list(names);
    }
    format!("{} and {} more", names[..4].join(", "), names.len() - 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_share_is_rounded_to_certainty() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.99999), "> 99.9 %");
        assert_eq!(percent(1e-9), "< 0.1 %");
        assert_eq!(percent(0.785), "78.5 %");
        assert_eq!(percent(f64::NAN), "–");
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(number(0.000_123_4), "1.23e-4");
        assert_eq!(number(1234.4), "1234");
        assert_eq!(number(2.0), "2");
        assert_eq!(number(f64::INFINITY), "never");
        assert_eq!(size(f64::INFINITY), "∞");
        assert_eq!(count(1234), "1234");
        assert_eq!(count(12345), "12\u{202f}345");
    }

    /// `298  steps/s` had two blanks.
    #[test]
    fn a_small_number_has_no_prefix_and_no_blank_for_it() {
        assert_eq!(si(298.0), "298");
        assert_eq!(si(2.5), "2.5");
        assert_eq!(si(0.0), "0.0");
        assert_eq!(si(20_000.0), "20.0 k");
        assert_eq!(si(1.5e8), "150 M");
    }

    /// `p = .004` was printed as `0.00`, which says that it is impossible.
    #[test]
    fn no_p_value_is_rounded_to_nothing() {
        for (p, text) in [
            (0.004, "p = .004"),
            (0.0312, "p = .031"),
            (0.5, "p = .5"),
            (0.9999, "p = 1"),
            (1.0, "p = 1"),
            (0.0006, "p = .001"),
            (1e-9, "p < .001"),
            (0.0, "p < .001"),
        ] {
            assert_eq!(p_value(p), text);
        }
    }

    #[test]
    fn a_ratio_says_what_is_known_of_it() {
        let inf = f64::INFINITY;
        let of = |median: [f64; 2], interval: [f64; 2]| {
            let [median, interval] = [median, interval].map(|[low, high]| Interval { low, high });
            paired(&PairedRatio {
                median,
                interval,
                pairs: 10,
                both: 5,
                one: 3,
                neither: 2,
            })
        };
        assert_eq!(of([53.0, 53.0], [43.0, 62.0]), "× 53 (43–62)");
        assert_eq!(of([52.51, 53.09], [42.93, 62.48]), "× 53 (42.9–62.5)");
        assert_eq!(of([5.9, inf], [4.8, inf]), "× > 5.90 (4.80 or more)");
        assert_eq!(of([0.0, 0.2], [0.0, 0.3]), "× < 0.20 (0.30 or less)");
        assert_eq!(of([0.45, 0.8], [0.4, 1.1]), "× 0.45 to 0.80 (0.40–1.10)");
        assert_eq!(of([0.0, inf], [0.0, inf]), "open (any)");
        assert_eq!(of([inf, inf], [inf, inf]), "never (never)");
    }

    #[test]
    fn a_difference_has_its_sign() {
        let band = Interval {
            low: -0.231,
            high: 0.006,
        };
        assert_eq!(difference((-0.1, band)), "−10 % (−23.1 to +0.6)");
    }
}
