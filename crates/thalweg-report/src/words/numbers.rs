//! How a number is written for people.

use thalweg::stats::Interval;

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

/// A ratio with two digits after the point, or three significant ones.
pub fn factor(v: f64) -> String {
    if (0.1..10.0).contains(&v) {
        format!("{v:.2}")
    } else {
        number(v)
    }
}

/// A p-value.
pub fn chance(p: f64) -> String {
    if p < 1e-4 {
        "< 0.0001".into()
    } else {
        format!("{p:.2}")
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

/// Seconds as `m:ss` or `h:mm:ss`.
pub fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s < 3600 {
        format!("{}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// A number with a metric prefix, three digits.
pub fn si(v: f64) -> String {
    let (scaled, prefix) = [(1e9, " G"), (1e6, " M"), (1e3, " k")]
        .iter()
        .find(|(unit, _)| v >= *unit)
        .map_or((v, " "), |(unit, prefix)| (v / unit, prefix));
    let digits = if scaled >= 100.0 { 0 } else { 1 };
    format!("{scaled:.digits$}{prefix}")
}

/// How many of something, in words that agree with the number.
pub fn many(n: usize, one: &str, more: &str) -> String {
    format!("{} {}", count(n as u64), if n == 1 { one } else { more })
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
}
