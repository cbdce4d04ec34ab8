//! What is said of one replicate: how and why it ended, and what would have been otherwise.

use thalweg::analysis::cause::{Cause, Critical};
use thalweg::analysis::impossible::Impossible;
use thalweg::analysis::replicate::Replicate;
use thalweg::explain::{Explanation, Mode, Tried};
use thalweg::observe::Curvature;
use thalweg::record::Outcome;
use thalweg::study::{Criterion, Success};
use thalweg::theory::linear::Steps;

use super::followed::trajectory;
use super::goal;
use super::impossible::impossible;

use super::numbers::{count, factor, list, many, number, percent, size};

/// From this share of the edge on a run counts as being there.
const AT_EDGE: f64 = 0.95;

/// The rate of a replicate, and the largest stable one of its kernels.
pub fn rates(r: &Replicate) -> Vec<String> {
    let constant = r.rate.to_bits() == r.rate_end.to_bits();
    let end = if constant {
        String::new()
    } else {
        format!(" at the start, {} at the end", number(r.rate_end))
    };
    let mut all = vec![format!("rate {}{end}", number(r.rate))];
    // A kernel that is zero allows any.
    let limit = |rate: f64| {
        if rate.is_finite() {
            number(rate)
        } else {
            "any".into()
        }
    };
    let limits = r.largest_stable_rate_start.zip(r.largest_stable_rate_end);
    all.extend(limits.map(|(start, end)| {
        format!(
            "largest stable rate {} at the start, {} at the end",
            limit(start),
            limit(end)
        )
    }));
    all
}

/// How it ended.
pub fn outcome(r: &Replicate) -> String {
    match r.outcome {
        Outcome::Below { step } => format!("below at step {step}"),
        Outcome::Spent => {
            format!(
                "not below within {}",
                many(r.steps as usize, "step", "steps")
            )
        }
        Outcome::Diverged { step } => format!("diverged at step {step}"),
        Outcome::Fixed { step } => format!("stopped moving at step {step}"),
    }
}

/// Everything that its looks say, a sentence each: the cause first, then what would have been
/// otherwise.
pub fn sentences(r: &Replicate) -> Vec<String> {
    let mut all = vec![evidence(r)];
    all.extend(counterfactual(r));
    // A layer that was born dead is told by its cause.
    let known = match (&r.cause, &r.impossible) {
        (Cause::Dead { .. }, Some(Impossible::DeadAtStart { .. })) => None,
        (_, known) => known.as_ref().map(impossible),
    };
    all.extend(known.filter(|sentence| !all.contains(sentence)));
    all.extend(r.predicted.map(prediction));
    let thrown = matches!(r.cause, Cause::Catapulted { .. });
    all.extend(r.trajectory.as_ref().map(|way| trajectory(way, thrown)));
    if let Some(moved) = r.kernel_moved {
        all.push(format!(
            "The kernel moved by {} of its norm on the way.",
            percent(moved)
        ));
    }
    if let Some(edge) = r.edge {
        let place = if edge > AT_EDGE { "at" } else { "below" };
        all.push(format!(
            "At the end η·sharpness is {} times that of the edge of stability: {place} it.",
            factor(edge)
        ));
    }
    if r.constant_output && !matches!(r.cause, Cause::Dead { .. }) {
        all.push("At the end the output is the same for every input.".into());
    }
    let told = matches!(r.cause, Cause::Stationary { .. });
    let dead = r.dead_units.unwrap_or(0);
    if dead > 0 && !told {
        all.push(format!(
            "{} φ' = 0 on every training point.",
            many(dead as usize, "hidden unit has", "hidden units have")
        ));
    }
    if let Some(flat) = r.saturated_units.filter(|n| *n > dead) {
        all.push(format!(
            "{} φ' below a thousandth of its largest value on every training point.",
            many(flat as usize, "hidden unit has", "hidden units have")
        ));
    }
    if let Some(shares) = r.layer_shares.as_ref().filter(|s| s.len() > 1) {
        let shares: Vec<String> = shares.iter().map(|s| percent(*s)).collect();
        all.push(format!(
            "The layers carry {} of the kernel's trace at the end.",
            list(&shares)
        ));
    }
    if let Some(one) = r.leave_one_out.filter(|one| one.with > one.without) {
        all.push(format!(
            "Without point {} the kernel at the end would need {} steps more instead of {}.",
            one.point,
            count(one.without),
            count(one.with)
        ));
    }
    all
}

/// The same of a replicate that was trained again, with its slowest mode and its Hessian.
pub fn explanation(e: &Explanation) -> Vec<String> {
    let mut all = sentences(&e.replicate);
    all.extend(e.tried.iter().map(tried));
    all.extend(e.slowest.as_ref().and_then(mode));
    all.extend(e.curvature.as_ref().map(curvature));
    all
}

/// What came of a change that was made.
fn tried(t: &Tried) -> String {
    let what = if t.from_start {
        format!(
            "Tried: trained from its start at a rate of {}",
            number(t.rate)
        )
    } else {
        format!(
            "Tried: trained on from there at a rate of {}",
            number(t.rate)
        )
    };
    match t.outcome {
        Outcome::Below { step } => {
            format!(
                "{what}, it gets there after {}.",
                many(step as usize, "step", "steps")
            )
        }
        Outcome::Spent | Outcome::Fixed { .. } => format!(
            "{what}, it does not get there within {}: the loss is then {}.",
            many(t.steps as usize, "step", "steps"),
            size(t.loss)
        ),
        Outcome::Diverged { step } => {
            format!(
                "{what}, it diverges after {}.",
                many(step as usize, "step", "steps")
            )
        }
    }
}

/// That a run got to what was asked for.
fn arrived(of: &Success) -> &'static str {
    match of.by_loss() {
        Some(_) => "It reached the loss",
        None => "It reached what was asked for",
    }
}

/// What a run ended with: its loss, and what it is judged by if that is something else.
fn reached_with(r: &Replicate) -> String {
    let loss = size(r.final_loss);
    match (r.success.criterion(0.0), r.judged) {
        (Criterion::Error { .. }, Some(error)) => {
            format!("largest error {}, loss {loss},", size(error))
        }
        (Criterion::Accuracy { .. }, Some(wrong)) => format!(
            "{} of {} right, loss {loss},",
            count((r.points as f64 - wrong) as u64),
            many(r.points, "point", "points")
        ),
        (Criterion::Loss { .. } | Criterion::Error { .. } | Criterion::Accuracy { .. }, _) => loss,
    }
}

/// What was seen, in a sentence, and what it is worth at other inputs.
pub fn evidence(r: &Replicate) -> String {
    let test = match r.test_loss.filter(|loss| loss.is_finite()) {
        Some(loss) => format!(" At the test points its loss is {}.", size(loss)),
        None => String::new(),
    };
    format!("{}{test}", seen(r))
}

fn seen(r: &Replicate) -> String {
    let loss = size(r.final_loss);
    match &r.cause {
        Cause::Left {
            first_below,
            best_loss,
        } => format!(
            "{} and left it again: first {} at step {}, {} at best, {loss} at the end.",
            arrived(&r.success),
            goal::state(&r.success),
            count(*first_below),
            size(*best_loss)
        ),
        Cause::Reached => format!(
            "{}: {} at step {}, first {} at step {}.",
            arrived(&r.success),
            reached_with(r),
            count(r.steps),
            goal::state(&r.success),
            count(r.first_below.unwrap_or(r.steps))
        ),
        Cause::Catapulted {
            over_limit_start,
            over_limit_end,
        } => format!(
            "It was catapulted and got there at step {}: the rate was {} times the largest \
             stable rate of the kernel at the start, and is {} times that at the end, because the \
             kernel shrank.",
            count(r.steps),
            factor(*over_limit_start),
            factor(*over_limit_end)
        ),
        Cause::Diverged {
            over_limit_start,
            over_limit_last,
        } if over_limit_last > over_limit_start => format!(
            "It diverged at step {}: the rate was {} times the largest stable rate of the kernel \
             at the start and {} times it when it was last looked at.",
            count(r.steps),
            factor(*over_limit_start),
            factor(*over_limit_last)
        ),
        Cause::Diverged {
            over_limit_start, ..
        } => format!(
            "It diverged at step {}: the rate is {} times the largest stable rate of its initial \
             kernel.",
            count(r.steps),
            factor(*over_limit_start)
        ),
        Cause::TooSlow {
            more, holds, fell, ..
        } => too_slow(r, (*more, *holds), *fell),
        Cause::AtTheEdge {
            over_limit, rises, ..
        } => at_the_edge(&loss, *over_limit, *rises),
        Cause::Fluctuating {
            lowest,
            highest,
            rises: (up, of),
        } => format!(
            "It fluctuates and no longer falls: in the last half of the budget the loss was \
             between {} and {}, and {} of the last {} raised it. It ended at {loss}.",
            size(*lowest),
            size(*highest),
            count(*up),
            many(*of as usize, "step", "steps")
        ),
        Cause::Plateau { curvature, .. } => format!(
            "On a plateau: the loss is {loss} near a saddle that the run is leaving. The lowest \
             curvature there is {}, faster than the gradient.",
            number(*curvature)
        ),
        Cause::Dead {
            layer, at_start, ..
        } => format!(
            "Dead: every unit of hidden layer {layer} is 0 on every training point{}, so the \
             output is the same for every input.",
            if *at_start { ", from the start on" } else { "" }
        ),
        Cause::Saturated {
            layer,
            share,
            at_start,
            rank,
        } => saturated(r, *layer, (*share, *at_start), *rank),
        Cause::RankDeficient { floor, rank, .. } => format!(
            "Rank-deficient: parameters move the outputs in {rank} of {} directions, which holds \
             the loss at {} or more; it ended at {loss}.",
            r.points,
            number(*floor)
        ),
        Cause::Stationary {
            point, dead_units, ..
        } => stationary(&loss, *point, *dead_units),
        Cause::PrecisionFloor { lost, .. } => format!(
            "The arithmetic stopped it at a loss of {loss}: {} although the gradient is not zero.",
            lost.map_or(
                "a step changes no bit of the weights".to_string(),
                |lost| format!("rounding takes {} of the updates", percent(lost))
            )
        ),
        Cause::Undecided if r.steps == 0 => {
            format!("No step was made: the loss is the {loss} of the start.")
        }
        Cause::Undecided if matches!(r.outcome, Outcome::Diverged { .. }) => format!(
            "It diverged at step {}, and why is not known: its rule has no linear theory here, or \
             its kernels were not looked at, or are beyond all numbers.",
            count(r.steps)
        ),
        Cause::Undecided => format!(
            "Undecided: it ended at a loss of {loss}, and its rule has no linear theory here, or \
             its kernels were not looked at."
        ),
    }
}

/// How far it came, and what is left where that is known.
fn too_slow(r: &Replicate, (more, holds): (Option<u64>, bool), fell: Option<f64>) -> String {
    let lead = format!(
        "Too slow: the loss is {} after {}",
        size(r.final_loss),
        many(r.steps as usize, "step", "steps")
    );
    let needs = match more {
        Some(more) if holds => format!(
            ", and the kernel there needs about {} more at this rate",
            number(more as f64)
        ),
        Some(more) => format!(
            "; the kernel there would need about {} more at this rate, but it will still move, and \
             usually fewer are needed",
            number(more as f64)
        ),
        None => String::new(),
    };
    // A factor that is written 1.00 is none.
    let falls = fell
        .filter(|fell| *fell >= 1.005)
        .map_or(String::new(), |fell| {
            format!(
                " It still fell by a factor of {} in the last half of the budget.",
                factor(fell)
            )
        });
    format!("{lead}{needs}.{falls}")
}

fn at_the_edge(loss: &str, over_limit: f64, rises: Option<(u64, u64)>) -> String {
    let bounces = match rises {
        Some((up, of)) if up > 0 => format!(
            ", and {} of the last {} raised the loss",
            count(up),
            many(of as usize, "step", "steps")
        ),
        Some(_) | None => String::new(),
    };
    format!(
        "It bounces at the edge of stability with a loss of {loss}: the rate is {} times the \
         largest stable rate of the kernel at the end{bounces}.",
        factor(over_limit)
    )
}

fn saturated(r: &Replicate, layer: usize, shares: (f64, Option<f64>), rank: usize) -> String {
    let before = shares.1.map_or(String::new(), |share| {
        format!(" ({} at the start)", percent(share))
    });
    format!(
        "Saturated: in hidden layer {layer} φ' is below a thousandth of its largest value in {} of \
         the units over all points{before}, and parameters move the outputs in {rank} of {} \
         directions. The loss stands at {}.",
        percent(shares.0),
        r.points,
        size(r.final_loss)
    )
}

fn stationary(loss: &str, point: Option<Critical>, dead_units: Option<u64>) -> String {
    let kind = match point {
        Some(Critical::Saddle) => {
            "a saddle: the Hessian has an eigenvalue below −1e-4 of its largest there"
        }
        Some(Critical::Degenerate) => {
            "a degenerate point: the Hessian is zero there too, and higher derivatives decide"
        }
        Some(Critical::Minimum) => {
            "a local minimum, as far as can be told: the Hessian has no eigenvalue below −1e-4 of \
             its largest there"
        }
        None => "a stationary point, whose Hessian was not measured",
    };
    let dead = match dead_units {
        Some(n) if n > 0 => format!(
            " {} φ' = 0 on every point.",
            many(n as usize, "hidden unit has", "hidden units have")
        ),
        Some(_) | None => String::new(),
    };
    format!("Stuck: the loss is {loss} and the gradient has vanished. It is at {kind}.{dead}")
}

/// What would have been otherwise, in a sentence; none where nothing was computed.
pub fn counterfactual(r: &Replicate) -> Option<String> {
    match &r.cause {
        Cause::Reached
        | Cause::Catapulted { .. }
        | Cause::Fluctuating { .. }
        | Cause::Saturated { .. }
        | Cause::Undecided => None,
        Cause::Left { first_below, .. } => Some(format!(
            "With `stop = \"below\"` it would have ended at step {}.",
            count(*first_below)
        )),
        Cause::Dead { floor, .. } => Some(format!(
            "No step revives the layer, and the best constant leaves {}.",
            number(*floor)
        )),
        Cause::Plateau { leaves_in, .. } => Some(format!(
            "Along that curvature a deviation grows e-fold in {} steps.",
            number(*leaves_in)
        )),
        Cause::Diverged {
            over_limit_start, ..
        } => {
            // Of the kernel at the start: at the last look before it diverged there is little left
            // of it.
            (*over_limit_start > 1.0).then(|| {
                format!(
                    "At a rate below {} the network linearised at its start is stable.",
                    number(r.rate / over_limit_start)
                )
            })
        }
        Cause::TooSlow {
            at_best_rate, more, ..
        } => at_best_rate.filter(|b| Some(*b) < *more).map(|best| {
            format!(
                "At the best constant rate for that kernel it would need {} more.",
                number(best as f64)
            )
        }),
        Cause::AtTheEdge {
            at_half_limit,
            over_limit,
            ..
        } => at_half_limit.map(|steps| {
            format!(
                "At a rate of {}, half the limit of that kernel, it would need about {} more.",
                number(0.5 * r.rate_end / over_limit),
                many(steps as usize, "step", "steps")
            )
        }),
        Cause::RankDeficient {
            because: Some(why), ..
        } => Some(impossible(why)),
        Cause::RankDeficient { because: None, .. } => Some(
            "No number of steps changes that as long as the kernel keeps its rank; other weights \
             might."
                .into(),
        ),
        Cause::Stationary { leaves_in, .. } => leaves_in.map(|steps| {
            format!(
                "Along the negative curvature a deviation grows e-fold in {} steps.",
                number(steps)
            )
        }),
        Cause::PrecisionFloor { more, .. } => more.map(|more| {
            format!(
                "In exact arithmetic the kernel there would need about {} more steps.",
                count(more)
            )
        }),
    }
}

fn prediction(steps: Steps) -> String {
    match steps {
        Steps::At(step) => format!(
            "Before training, its initial kernel predicted step {}.",
            count(step)
        ),
        Steps::After(step) => format!(
            "Before training, its initial kernel predicted no success within {}.",
            many(step as usize, "step", "steps")
        ),
        Steps::Never { floor } => format!(
            "Before training, its initial kernel predicted a floor of {}.",
            number(floor)
        ),
        Steps::Unstable => "Before training, its initial kernel called this rate unstable.".into(),
    }
}

fn mode(slowest: &Mode) -> Option<String> {
    let [a, b, ..] = slowest.points[..] else {
        return None;
    };
    let near = slowest.pair.map_or(String::new(), |pair| {
        format!(
            "; they are {} apart, pair number {} by distance, and their targets differ by {}",
            number(pair.distance),
            pair.rank,
            number((a.target - b.target).abs())
        )
    });
    Some(format!(
        "The slowest mode (λ = {}) sits on points {} ({}) and {} ({}){near}. It holds {} of the \
         residual's square.",
        number(slowest.eigenvalue),
        a.point,
        percent(a.weight),
        b.point,
        percent(b.weight),
        percent(slowest.share_end)
    ))
}

fn curvature(c: &Curvature) -> String {
    let end = |v: Option<&f64>| v.map_or("–".into(), |v| number(*v));
    format!(
        "The Hessian at the end has {} and {} that rounding does not tell from 0, of {} from {} to \
         {}; its Gauss–Newton part reaches {}, the part of the residuals {}.",
        many(c.negative(), "negative eigenvalue", "negative eigenvalues"),
        c.eigenvalues.len() - c.rank(),
        c.eigenvalues.len(),
        end(c.eigenvalues.first()),
        end(c.eigenvalues.last()),
        number(c.gauss_newton),
        number(c.residual)
    )
}
