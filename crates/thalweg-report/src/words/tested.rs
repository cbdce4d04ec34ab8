//! What is said of networks at inputs that they were not trained on.

use thalweg::analysis::Analysis;
use thalweg::analysis::fitted::Fitted;
use thalweg::analysis::summary::Summary;
use thalweg::analysis::tested::{AtLimit, Limit, Tested};
use thalweg::stats::Interval;
use thalweg::study::TestData;

use super::numbers::{count, list, many, number, percent, range, size};
use super::setting;

/// How an infinitely wide network is trained.
pub fn limit(of: Limit) -> &'static str {
    match of {
        Limit::Descent => "by gradient descent for as many steps",
        Limit::Regression => "by kernel regression with the NTK",
        Limit::Process => "as a Gaussian process (NNGP)",
    }
}

/// As the heading of a column.
pub fn heading(of: Limit) -> &'static str {
    match of {
        Limit::Descent => "NTK, as many steps",
        Limit::Regression => "NTK regression",
        Limit::Process => "NNGP",
    }
}

/// What the band beside a fitted line is; nothing where there is none.
pub fn beside(fitted: &Fitted) -> String {
    match fitted.wide.as_ref().filter(|_| fitted.second.is_empty()) {
        Some(wide) => format!(
            " Dashed, with a band of two standard deviations over initial weights: infinitely wide \
             networks on the same training set, {}.",
            limit(wide.limit)
        ),
        None => String::new(),
    }
}

/// The test points.
fn points(test: &TestData, tested: &Tested) -> String {
    let all = many(tested.points, "point", "points");
    match (&test.file, test.grid) {
        (Some(file), _) => format!("the {all} of {}", setting::quoted(file)),
        (None, Some([from, to])) => {
            format!(
                "the {all} of a grid from {} to {}",
                number(from),
                number(to)
            )
        }
        (None, None) => format!("{all} drawn afresh"),
    }
}

/// How the networks of the base cell do at the test points, and infinitely wide ones; nothing
/// without any.
pub fn sentences(run: &Analysis) -> Vec<String> {
    let base = run.base();
    let (Some(test), Some(tested)) = (&base.setting.test, &base.tested) else {
        return Vec::new();
    };
    let mut all = vec![measured(base, test, tested)];
    all.extend(limits(test, tested));
    all
}

fn measured(base: &Summary, test: &TestData, tested: &Tested) -> String {
    let networks = many(tested.replicates, "network", "networks");
    let scale = match base.setting.data.points == tested.points {
        true => "",
        false => ", counted as if there were as many of them as training points",
    };
    let mut said = format!(
        "At {}{scale}, the median loss of {networks} at the end is {} (95 % interval {}; 10 to 90 \
         %: {} to {}); on the training set it is {}.",
        points(test, tested),
        size(tested.loss[1]),
        range(tested.median),
        size(tested.loss[0]),
        size(tested.loss[2]),
        size(tested.training),
    );
    if let Some(share) = tested.accuracy {
        said.push_str(&format!(
            " In the median network {} of them are on the side of their target.",
            percent(share)
        ));
    }
    if tested.constant.is_finite() {
        said.push_str(&format!(
            " The mean of the training targets, which knows nothing of the inputs, has {} there{}.",
            number(tested.constant),
            tested.over_constant.map_or(String::new(), over_constant)
        ));
    }
    said
}

/// The test loss over that of the mean of the targets, and what that means.
fn over_constant((ratio, interval): (f64, Interval)) -> String {
    let verdict = if interval.high < 1.0 {
        "they know something of other inputs"
    } else if interval.low > 1.0 {
        "at other inputs they are worse than what knows nothing"
    } else {
        "they are not told from it"
    };
    format!(
        "; the networks have {} times as much ({}): {verdict}",
        number(ratio),
        range(interval)
    )
}

/// What infinitely wide networks on the same training sets do; nothing where there are none.
fn limits(test: &TestData, tested: &Tested) -> Option<String> {
    let first = tested.limits.first()?;
    let each = |at: &AtLimit| {
        let ridge = match at.limit {
            Limit::Regression | Limit::Process if test.ridge > 0.0 => {
                format!(" with ridge {}", number(test.ridge))
            }
            Limit::Descent | Limit::Regression | Limit::Process => String::new(),
        };
        let ratio = match at.ratio {
            Some((ratio, interval)) => format!(
                " (observed over expected {}, {})",
                number(ratio),
                range(interval)
            ),
            None => String::new(),
        };
        format!("{} {}{ridge}{ratio}", number(at.expected), limit(at.limit))
    };
    let all: Vec<String> = tested.limits.iter().map(each).collect();
    Some(format!(
        "Infinitely wide networks on {} have there, in expectation over their initial weights, {}.",
        match first.pairs.len() {
            1 => "the same training set".to_string(),
            n => format!("the first {} training sets", count(n as u64)),
        },
        list(&all)
    ))
}
