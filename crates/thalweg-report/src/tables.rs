//! The tables of a comparison, formatted for people and as numbers for csv files.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::{Compared, Member};
use thalweg::analysis::summary::Summary;

use super::page::Table;
use super::words::comparison::against;
use super::words::numbers::{self, chance, difference, interval, list, number, steps};
use super::words::{cell, setting};
use super::{column, slug};

pub(super) fn summary<'a>(run: &'a Analysis, compared: &Compared, at: usize) -> &'a Summary {
    &run.cells[compared.members[at].cell]
}

/// A table with a row for each member: the values of its keys, then the columns of `heads`.
pub(super) fn table(
    run: &Analysis,
    compared: &Compared,
    (suffix, caption): (&str, String),
    heads: &[(&str, bool)],
    row: impl Fn(usize) -> Vec<String>,
) -> Table {
    let keys = compared.keys.iter();
    let keys = keys.map(|key| column(&setting::heading(key), false));
    let heads = heads.iter().map(|(head, numeric)| column(head, *numeric));
    let held = compared.held.iter();
    let first = compared.members.iter().find(|m| !m.values.is_empty());
    let of = &run.cells[first.map_or(compared.reference, |m| m.cell)].setting;
    let held: Vec<String> = held.map(|(k, v)| setting::value(k, of, v)).collect();
    let values = |at: usize| setting::member_values(run, compared, &compared.members[at]);
    let places = 0..compared.members.len();
    Table {
        name: format!("{}-{suffix}", slug(&compared.name)),
        caption: if held.is_empty() {
            caption
        } else {
            format!("{caption} All with {}.", list(&held))
        },
        columns: keys.chain(heads).collect(),
        rows: places
            .map(|at| values(at).into_iter().chain(row(at)).collect())
            .collect(),
        base: Some(compared.base),
        numbers: Vec::new(),
        cells: compared.members.iter().map(|m| m.cell).collect(),
    }
}

/// The cells of all members.
pub(super) fn members<'a>(run: &'a Analysis, compared: &Compared) -> Vec<&'a Summary> {
    compared
        .members
        .iter()
        .map(|m| &run.cells[m.cell])
        .collect()
}

pub(super) fn outcomes(run: &Analysis, compared: &Compared) -> Table {
    let caption = format!(
        "{}: success within the budget with {}, quantiles of the hitting time over all replicates \
         (`>` where censored) and what the median costs.",
        compared.name,
        cell::interval_makers(&members(run, compared))
    );
    let heads = [
        ("success", true),
        ("interval", true),
        ("median steps", true),
        ("its 95 % interval", true),
        ("80 %", true),
        ("90 %", true),
        ("multiply-adds to the median", true),
    ];
    let all = members(run, compared);
    let each = |of: &dyn Fn(&Summary) -> Option<f64>| all.iter().map(|s| of(s)).collect();
    let step = |step: Option<u64>| step.map(|t| t as f64);
    let numbers: Vec<(&'static str, Vec<Option<f64>>)> = vec![
        ("cell", each(&|s| Some(s.cell as f64))),
        ("replicates", each(&|s| Some(s.replicates as f64))),
        ("successes", each(&|s| Some(s.successes as f64))),
        ("share", each(&|s| Some(s.share))),
        ("share_low", each(&|s| Some(s.success.low))),
        ("share_high", each(&|s| Some(s.success.high))),
        ("budget", each(&|s| Some(s.budget() as f64))),
        ("median_steps", each(&|s| step(s.steps.median.step))),
        ("median_low", each(&|s| step(s.steps.median.low))),
        ("median_high", each(&|s| step(s.steps.median.high))),
        ("q80_steps", each(&|s| step(s.steps.q80.step))),
        ("q90_steps", each(&|s| step(s.steps.q90.step))),
        (
            "multiply_adds_to_median",
            each(&|s| Some(step(s.steps.median.step)? * s.work)),
        ),
    ];
    let made = table(run, compared, ("success", caption), &heads, |at| {
        let s = summary(run, compared, at);
        let budget = s.budget();
        let median = s.steps.median;
        let cost = median
            .step
            .map_or("–".into(), |t| number(t as f64 * s.work));
        vec![
            format!("{} of {}", s.successes, s.replicates),
            interval(s.success),
            steps(median.step, budget),
            format!(
                "{}–{}",
                steps(median.low, budget),
                steps(median.high, budget)
            ),
            steps(s.steps.q80.step, budget),
            steps(s.steps.q90.step, budget),
            cost,
        ]
    });
    Table { numbers, ..made }
}

pub(super) fn paired(run: &Analysis, compared: &Compared) -> Table {
    let caption = format!(
        "{0}: {1}, on the same draws: the ratio of hitting times, median over all pairs \
         (a replicate that does not get there counts as later than its budget, one that never \
         will as never; `>` and `<` where that leaves the median open) with its 95 % interval; in \
         how many pairs both get there, one, neither; the difference of success with Newcombe's \
         95 % interval, and McNemar's exact p, corrected by Holm for the comparison. Then the \
         median that the initial kernels predict, and the infinitely wide network; the main cause \
         among the failures.",
        compared.name,
        against(run, compared).replace('`', "")
    );
    let heads = [
        ("steps, paired", true),
        ("both, one, neither", true),
        ("success, difference", true),
        ("p (success)", true),
        ("predicted median", true),
        ("at infinite width", true),
        ("most failures", false),
    ];
    let each = |of: &dyn Fn(&Member) -> Option<f64>| compared.members.iter().map(of).collect();
    let ratio = |m: &Member| m.paired.as_ref()?.ratio;
    let forecast = |m: &Member| run.cells[m.cell].by_start().map(|f| f.median);
    let infinite = |m: &Member| run.cells[m.cell].by_infinite().map(|f| f.median);
    let of = |m: &Member| m.paired.as_ref().map(|p| (p.difference, p.p_adjusted));
    let numbers: Vec<(&'static str, Vec<Option<f64>>)> = vec![
        ("cell", each(&|m| Some(m.cell as f64))),
        ("ratio_low", each(&|m| Some(ratio(m)?.median.low))),
        ("ratio_high", each(&|m| Some(ratio(m)?.median.high))),
        (
            "ratio_interval_low",
            each(&|m| Some(ratio(m)?.interval.low)),
        ),
        (
            "ratio_interval_high",
            each(&|m| Some(ratio(m)?.interval.high)),
        ),
        ("both", each(&|m| Some(ratio(m)?.both as f64))),
        ("one", each(&|m| Some(ratio(m)?.one as f64))),
        ("neither", each(&|m| Some(ratio(m)?.neither as f64))),
        ("difference", each(&|m| Some(of(m)?.0.0))),
        ("difference_low", each(&|m| Some(of(m)?.0.1.low))),
        ("difference_high", each(&|m| Some(of(m)?.0.1.high))),
        ("p_adjusted", each(&|m| Some(of(m)?.1))),
        ("predicted_median", each(&forecast)),
        ("infinite_median", each(&infinite)),
    ];
    let made = table(run, compared, ("paired", caption), &heads, |at| {
        let s = summary(run, compared, at);
        let paired = compared.members[at].paired.as_ref();
        let ratio = paired.and_then(|p| p.ratio);
        vec![
            ratio.as_ref().map_or("–".into(), numbers::paired),
            ratio.map_or("–".into(), |r| {
                format!("{}, {}, {}", r.both, r.one, r.neither)
            }),
            paired.map_or("–".into(), |p| difference(p.difference)),
            paired.map_or("–".into(), |p| chance(p.p_adjusted)),
            cell::predicted_median(s),
            cell::infinite_median(s),
            cell::failures(s),
        ]
    });
    Table { numbers, ..made }
}

/// The kernels of some cells, side by side.
pub(super) fn spectra(run: &Analysis, cells: &[usize], names: &[String]) -> Table {
    let row = |(&cell, name): (&usize, &String)| {
        let s = &run.cells[cell];
        let mut row = vec![name.clone(), s.nearest_pair.map_or("–".into(), number)];
        match &s.looked {
            None => row.resize(9, "–".into()),
            Some(l) => {
                row.extend(
                    [
                        l.start.smallest,
                        l.start.largest,
                        l.end.smallest,
                        l.end.largest,
                        l.kernel_moved,
                        l.edge,
                    ]
                    .map(number),
                );
                row.push(number(l.by_end.as_ref().map_or(f64::NAN, |f| f.median)));
            }
        }
        row
    };
    let heads = [
        ("cell", false),
        ("nearest pair", true),
        ("λmin start", true),
        ("λmax start", true),
        ("λmin end", true),
        ("λmax end", true),
        ("kernel moved", true),
        ("η·sharpness/edge, end", true),
        ("steps by the end kernel", true),
    ];
    let each = |of: &dyn Fn(&Summary) -> Option<f64>| -> Vec<Option<f64>> {
        cells.iter().map(|cell| of(&run.cells[*cell])).collect()
    };
    let numbers: Vec<(&'static str, Vec<Option<f64>>)> = vec![
        ("number", each(&|s| Some(s.cell as f64))),
        ("nearest_pair", each(&|s| s.nearest_pair)),
        (
            "lambda_min_start",
            each(&|s| Some(s.looked.as_ref()?.start.smallest)),
        ),
        (
            "lambda_max_start",
            each(&|s| Some(s.looked.as_ref()?.start.largest)),
        ),
        (
            "lambda_min_end",
            each(&|s| Some(s.looked.as_ref()?.end.smallest)),
        ),
        (
            "lambda_max_end",
            each(&|s| Some(s.looked.as_ref()?.end.largest)),
        ),
        (
            "kernel_moved",
            each(&|s| Some(s.looked.as_ref()?.kernel_moved)),
        ),
        ("edge_end", each(&|s| Some(s.looked.as_ref()?.edge))),
        (
            "steps_by_end_kernel",
            each(&|s| Some(s.looked.as_ref()?.by_end.as_ref()?.median)),
        ),
    ];
    Table {
        name: "why".into(),
        caption:
            "Medians over the replicates looked at. The nearest pair is the smallest distance \
                  between two inputs; λ are eigenvalues of the tangent kernel Θ; η·sharpness is \
                  given in units of the edge of stability (2 for gradient descent); the last \
                  column is what the kernel of the end, known only afterwards, says of the whole \
                  run."
                .into(),
        columns: heads.map(|(n, numeric)| column(n, numeric)).to_vec(),
        rows: cells.iter().zip(names).map(row).collect(),
        base: None,
        numbers,
        cells: cells.to_vec(),
    }
}
