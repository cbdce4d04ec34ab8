//! What is said of the reasons for what changes along the number that a study leads with: what
//! interventions show, what theory says of the smallest eigenvalue, what larger rates do.

use thalweg::analysis::Analysis;
use thalweg::analysis::along::{Along, Change, Crowding};
use thalweg::analysis::intervention::{Intervention, Nearness, Scheduled};
use thalweg::analysis::smallest::Smallest;
use thalweg::analysis::summary::Summary;
use thalweg::data::Nearest;

use super::along::{kernels, way};
use super::numbers::{chance, count, factor, list, many, number, paired, percent, steps};
use super::setting::{at, cell, quoted, schedule};

/// All that is said of the reasons: the kernels, what interventions show, theory, the motion of the
/// kernel, the rate.
pub fn why(run: &Analysis, along: &Along) -> Vec<String> {
    let mut all: Vec<String> = kernels(run, along).into_iter().collect();
    all.extend(run.interventions.iter().map(|i| intervention(run, i)));
    all.extend(conclusion(run, along));
    all.extend(motion(run, along));
    all
}

/// What else was measured of it: limits, larger rates, rates that change.
pub fn more(run: &Analysis, along: &Along) -> Vec<String> {
    let mut all: Vec<String> = alike(run, along).into_iter().collect();
    all.extend(smallest(run, along));
    all.extend(larger_rates(run, along));
    all.extend(along.scheduled.iter().map(|s| scheduled(run, along, s)));
    all
}

/// What an intervention on the nearness of the inputs shows.
pub fn intervention(run: &Analysis, found: &Intervention) -> String {
    let (this, reference) = (&run.cells[found.cell], &run.cells[found.reference]);
    let place = match (&run.along, found.number) {
        (Some(along), Some(number)) => at(run, along, number),
        (Some(_) | None, _) => cell(run, reference.cell),
    };
    let instead = |this: String, reference: String| format!("{this} instead of {reference}");
    let nearest = found.nearest.map(number);
    let done = match this.setting.data.nearest {
        Nearest::AsDrawn => "nothing is changed".into(),
        Nearest::AtLeast(least) => format!(
            "points are drawn again until no two are nearer than {}",
            number(least)
        ),
        Nearest::MovedPair(to) => {
            format!("the nearest two points are moved to {} apart", number(to))
        }
    };
    let smallest = found.smallest.map_or(String::new(), |[before, after]| {
        format!(
            ", λmin starts at {}",
            instead(number(after), number(before))
        )
    });
    let median = |s: &Summary| steps(s.steps.median.step, s.budget());
    let parts = [("λmin", found.of_fall), ("the median", found.of_steps)];
    let parts: Vec<String> = (parts.iter())
        .filter_map(|(name, part)| Some(format!("{} of the change of {name}", percent((*part)?))))
        .collect();
    let parts = match (&run.along, parts.is_empty()) {
        (Some(along), false) => format!(
            " On a logarithmic scale that is {} {}.",
            list(&parts),
            way(run, along)
        ),
        (Some(_) | None, _) => String::new(),
    };
    format!(
        "Intervention at {place}: {done} (median of the nearest pair {}) and nothing else is \
         changed. {} get there ({}), the median takes {} steps{smallest}: {}.{parts}",
        instead(nearest[1].clone(), nearest[0].clone()),
        instead(
            format!("{} of {}", count(this.successes), count(this.replicates)),
            format!(
                "{} of {}",
                count(reference.successes),
                count(reference.replicates)
            )
        ),
        p_value(found.paired.p),
        instead(median(this), median(reference)),
        match (found.nearness, found.nearest[1] < found.nearest[0]) {
            (Nearness::Harms, true) => "near points alone do harm",
            (Nearness::Harms, false) => "it is near points that did harm",
            (Nearness::Helps, _) => "near points do no harm here, they help",
            (Nearness::NotShown, _) => "that near points do harm is not shown by it",
        }
    )
}

/// `p = 0.03`, `p < 0.0001`.
fn p_value(p: f64) -> String {
    let said = chance(p);
    if said.starts_with('<') {
        format!("p {said}")
    } else {
        format!("p = {said}")
    }
}

/// What the interventions say of the change along the leading number; none where none is at it, or
/// points do not crowd.
pub fn conclusion(run: &Analysis, along: &Along) -> Option<String> {
    let (last, way) = (along.told.last()?, way(run, along));
    let what = match along.change {
        Change::Worse => "it gets worse",
        Change::Same => "little changes",
        Change::Better => "it gets better",
    };
    match along.crowding {
        Crowding::NotAsked => None,
        Crowding::NotShown => Some(format!(
            "So the nearness of points is not shown to be why {way} {what}."
        )),
        Crowding::Mixed => Some(format!(
            "So the nearness of points is a cause of it in some of these cells, and not shown to \
             be one in the others: {way} {what}."
        )),
        Crowding::Causes => {
            let rest = run.interventions.iter().find(|i| {
                i.reference != 0
                    && i.number
                        .is_some_and(|n| n.to_bits() == last.number.to_bits())
            });
            let rest = rest.map_or(String::new(), |i| remainder(run, along, i));
            Some(format!(
                "So the nearness of points is a cause: {way} {what}{}.{rest}",
                if along.kernels.and_then(|k| k.crowds) == Some(true) {
                    " as they crowd"
                } else {
                    " as they stand apart"
                }
            ))
        }
    }
}

/// What is left to explain where near points are taken away.
fn remainder(run: &Analysis, along: &Along, found: &Intervention) -> String {
    let (base, this) = (run.base(), &run.cells[found.cell]);
    let smallest = |s: &Summary| Some(s.looked.as_ref()?.start.smallest);
    let medians = this.steps.median.step.zip(base.steps.median.step);
    let (Some((a, b)), Some((t, u))) = (smallest(base).zip(smallest(this)), medians) else {
        return String::new();
    };
    let (fall, slower) = (a / b, t as f64 / u.max(1) as f64);
    let base = at(run, along, along.base);
    let whole = if fall < 2.0 && slower < 2.0 {
        "It is all of it"
    } else {
        "It is not all of it"
    };
    let smaller = if fall > 1.0 {
        format!("is {} times smaller than at {base}", factor(fall))
    } else {
        format!("is no smaller than at {base}")
    };
    format!(
        " {whole}: without near points λmin {smaller}, and the median takes {} times the steps.",
        factor(slower)
    )
}

/// Two cells that λmin of the start does not tell apart.
fn alike(run: &Analysis, along: &Along) -> Option<String> {
    let cells = along.alike?.map(|cell| &run.cells[cell]);
    let smallest = |s: &Summary| s.looked.as_ref().map_or(f64::NAN, |l| l.start.smallest);
    let told = cells.map(|s| {
        format!(
            "{} starts with {} and brings {} below",
            quoted(&cell(run, s.cell)),
            number(smallest(s)),
            percent(s.share)
        )
    });
    Some(format!(
        "λmin of the start does not decide on its own: {}, {}.",
        told[0], told[1]
    ))
}

/// How λmin goes along the number, and what theory says of it.
fn smallest(run: &Analysis, along: &Along) -> Vec<String> {
    let found = &along.smallest;
    let points = &found.points;
    let shown: Vec<&Smallest> = [0]
        .into_iter()
        .chain(along.told.iter().map(|t| t.cell))
        .filter_map(|cell| points.iter().find(|p| p.cell == cell))
        .collect();
    let each = |of: &dyn Fn(&Smallest) -> Option<String>| -> Vec<String> {
        let told = shown.iter();
        told.filter_map(|p| Some(format!("{} at {}", of(p)?, at(run, along, p.number))))
            .collect()
    };
    let mut all = Vec::new();
    if let Some([low, high]) = found.over_infinite {
        all.push(format!(
            "Measured, λmin of the start is {} to {} times that of the infinitely wide network on \
             the same training sets (medians).",
            factor(low),
            factor(high)
        ));
    }
    let bounds = each(&|p| Some(factor(p.two_point? / p.measured?)));
    if bounds.len() > 1 {
        all.push(format!(
            "The two points that the kernel tells apart worst bound λmin from above. That bound \
             over λmin is {}: where it is far above 1, no single pair makes λmin so small.",
            list(&bounds)
        ));
    }
    let degrees = each(&|p| Some(count(p.degree as u64)));
    if points.iter().any(|p| p.degree != points[0].degree) {
        all.push(format!(
            "Polynomials that take any values at the points need a degree of {}, and the \
             eigenvalues of a smooth kernel fall with the degree.",
            list(&degrees)
        ));
    }
    if !found.linear.is_empty() {
        let places: Vec<String> = (found.linear.iter()).map(|v| at(run, along, *v)).collect();
        let bias = run.base().setting.net.bias;
        all.push(format!(
            "At {} a linear fit is exact: there are no more points than the {} coefficients of a \
             linear function.",
            list(&places),
            if bias { "d + 1" } else { "d" }
        ));
    }
    if !found.below_round_off.is_empty() {
        let places = found.below_round_off.iter();
        let places: Vec<String> = places.map(|v| at(run, along, *v)).collect();
        all.push(format!(
            "At {} λmin is below round-off: nothing is known of it.",
            list(&places)
        ));
    }
    all
}

/// How far the kernel moves, and where the last step stands against the edge of stability.
fn motion(run: &Analysis, along: &Along) -> Option<String> {
    let last = along.told.last()?;
    let looked = |cell: usize| run.cells[cell].looked.as_ref();
    let (a, b) = (looked(0)?, looked(last.cell)?);
    if a.ended == 0 || b.ended == 0 {
        return None;
    }
    let (base, end) = (at(run, along, along.base), at(run, along, last.number));
    let mut text = format!(
        "The initial kernel is not the whole story: it moves by {} ({base}) and {} ({end}) of its \
         norm, and λmin is multiplied by {} and {} on the way, so that those of the ends differ by \
         a factor of {}.",
        number(a.kernel_moved),
        number(b.kernel_moved),
        factor(a.end.smallest / a.start.smallest),
        factor(b.end.smallest / b.start.smallest),
        factor(a.end.smallest / b.end.smallest)
    );
    if b.edge.is_finite() && a.edge.is_finite() {
        text.push_str(&format!(
            " At the last step η·sharpness is {} ({base}) and {} ({end}) times that of the edge of \
             stability (medians).",
            factor(a.edge),
            factor(b.edge)
        ));
    }
    Some(text)
}

/// What larger constant rates do at the last cell told; none where they were not tried.
fn larger_rates(run: &Analysis, along: &Along) -> Option<String> {
    let (found, last) = (along.larger_rates.as_ref()?, along.told.last()?);
    let (best, reference) = (&run.cells[found.best], &run.cells[found.reference]);
    let of = |s: &Summary| {
        format!(
            "{} of {}, median {}",
            count(s.successes),
            count(s.replicates),
            steps(s.steps.median.step, s.budget())
        )
    };
    let rates: Vec<String> = found.rates.iter().map(|r| number(*r)).collect();
    let ratio = (found.paired.ratio.as_ref()).map_or(String::new(), |ratio| {
        format!(", paired ratio of steps {}", paired(ratio))
    });
    let numbers = format!(
        "the best of them, {}, has {} against {} at {}{ratio}",
        number(found.rate),
        of(best),
        of(reference),
        number(reference.rate)
    );
    let sharpness = found.sharpness_falls_by.map_or(String::new(), |by| {
        format!(
            " The sharpness at its end is {} times as large.",
            factor(1.0 / by)
        )
    });
    let place = at(run, along, last.number);
    let rates = list(&rates);
    Some(match found.change {
        Change::Better => {
            format!(
                "A larger constant rate does better at {place} (tried: {rates}): \
                 {numbers}.{sharpness}"
            )
        }
        Change::Same => format!(
            "Larger constant rates at {place} ({rates}) are not shown to do better or worse: \
             {numbers}.{sharpness}"
        ),
        Change::Worse => {
            format!("Larger constant rates at {place} ({rates}) do worse: {numbers}.{sharpness}")
        }
    })
}

/// What a rate that changes on the way does at the last cell told.
fn scheduled(run: &Analysis, along: &Along, found: &Scheduled) -> String {
    let (best, reference) = (&run.cells[found.best], &run.cells[found.reference]);
    let of = |s: &Summary| format!("{} of {}", count(s.successes), count(s.replicates));
    let place = (along.told.last()).map_or(String::new(), |last| {
        format!(" at {}", at(run, along, last.number))
    });
    let does = match found.change {
        Change::Better => "does better",
        Change::Same => "is not shown to do better or worse",
        Change::Worse => "does worse",
    };
    let tried = many(found.tried, "schedule", "schedules");
    let bouncing = match found.bouncing {
        0 => String::new(),
        1 => format!(
            " The one run looked at that bounces at the edge of stability at the end of the \
             constant rate {} with it.",
            if found.finished == 1 {
                "gets there"
            } else {
                "does not get there"
            }
        ),
        all => format!(
            " Of the {} runs looked at that bounce at the edge of stability at the end of the \
             constant rate, {} get there with it.",
            count(all),
            count(found.finished)
        ),
    };
    let best_of = if found.tried > 1 {
        "the best of them"
    } else {
        "it"
    };
    format!(
        "A rate of {} that changes on the way {does}{place} ({tried} tried): {best_of}{}, brings \
         {} below instead of {}.{bouncing}",
        number(reference.rate),
        schedule(&best.setting.descent.schedule),
        of(best),
        of(reference)
    )
}
