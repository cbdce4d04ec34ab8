//! What is said of one replicate: how and why it ended, and what would have been otherwise.

use thalweg::analysis::cause::Cause;
use thalweg::analysis::impossible::Impossible;
use thalweg::analysis::replicate::Replicate;
use thalweg::analysis::trajectory::Trajectory;
use thalweg::explain::{Explanation, Mode};
use thalweg::observe::Curvature;
use thalweg::record::Outcome;
use thalweg::theory::linear::Steps;

use super::numbers::{count, factor, list, many, number, percent, size};

/// From this share of the edge on a run counts as being there.
const AT_EDGE: f64 = 0.95;

/// How it ended.
pub fn outcome(r: &Replicate) -> String {
    match r.outcome {
        Outcome::Below { step } => format!("below at step {step}"),
        Outcome::Spent => format!("not below within {} steps", r.steps),
        Outcome::Diverged { step } => format!("diverged at step {step}"),
        Outcome::Fixed { step } => format!("stopped moving at step {step}"),
    }
}

/// Everything that its looks say, a sentence each: the cause first, then what would have been
/// otherwise.
pub fn sentences(r: &Replicate) -> Vec<String> {
    let mut all = vec![evidence(r)];
    all.extend(counterfactual(r));
    let known = r.impossible.as_ref().map(impossible);
    all.extend(known.filter(|sentence| !all.contains(sentence)));
    all.extend(r.predicted.map(prediction));
    all.extend(r.trajectory.as_ref().map(trajectory));
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
    all.extend(mode(&e.slowest));
    all.extend(e.curvature.as_ref().map(curvature));
    all
}

/// What was seen, in a sentence.
pub fn evidence(r: &Replicate) -> String {
    let loss = size(r.final_loss);
    match &r.cause {
        Cause::Reached => format!(
            "It reached the loss: {loss} at step {}, first below {:e} at step {}.",
            count(r.steps),
            r.loss_below,
            count(r.first_below.unwrap_or(r.steps))
        ),
        Cause::Catapulted {
            over_limit_start,
            over_limit_end,
        } => format!(
            "It was catapulted and reached the loss at step {}: the rate was {} times the largest \
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
        Cause::TooSlow { more, .. } => format!(
            "Too slow: the loss is {loss} after {} steps, and the kernel there needs about {} more \
             at this rate.",
            count(r.steps),
            number(*more as f64)
        ),
        Cause::AtTheEdge { over_limit, .. } => format!(
            "It bounces at the edge of stability with a loss of {loss}: the rate is {} times the \
             largest stable rate of the kernel at the end.",
            factor(*over_limit)
        ),
        Cause::RankDeficient { floor, rank, .. } => format!(
            "Rank-deficient: parameters move the outputs in {rank} of {} directions, and {} of the \
             remaining loss lies in the others, which holds it at {}.",
            r.points,
            percent(floor / r.final_loss),
            number(*floor)
        ),
        Cause::Stationary {
            saddle, dead_units, ..
        } => stationary(&loss, *saddle, *dead_units),
        Cause::PrecisionFloor { lost, .. } => format!(
            "The arithmetic stopped it at a loss of {loss}: {} although the gradient is not zero.",
            lost.map_or(
                "a step changes no bit of the weights".to_string(),
                |lost| format!("rounding takes {} of the updates", percent(lost))
            )
        ),
        Cause::Undecided => format!(
            "Undecided: it ended at a loss of {loss}, and its rule has no linear theory here, or \
             its kernels were not looked at."
        ),
    }
}

fn stationary(loss: &str, saddle: Option<bool>, dead_units: Option<u64>) -> String {
    let kind = match saddle {
        Some(true) => "a saddle: the Hessian has an eigenvalue below −1e-4 of its largest there",
        Some(false) => {
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
        Cause::Reached | Cause::Catapulted { .. } | Cause::Undecided => None,
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
        Cause::TooSlow { at_best_rate, more } => at_best_rate.filter(|b| b < more).map(|best| {
            format!(
                "At the best constant rate for that kernel it would need {} more.",
                number(best as f64)
            )
        }),
        Cause::AtTheEdge {
            at_half_limit,
            over_limit,
        } => at_half_limit.map(|steps| {
            format!(
                "At a rate of {}, half the limit of that kernel, it would need about {} more \
                 steps.",
                number(0.5 * r.rate / over_limit),
                count(steps)
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

/// An exact reason why no weights get there.
pub fn impossible(why: &Impossible) -> String {
    match why {
        Impossible::Linear { floor } => format!(
            "The network is linear in its input and least squares leaves {}: no weights do better.",
            number(*floor)
        ),
        Impossible::TwoRays { floor } => format!(
            "Without biases the network is two rays from the origin, and the best two leave {}: no \
             weights do better.",
            number(*floor)
        ),
        Impossible::FewParameters { parameters } => format!(
            "With {}, fewer than training points, almost no targets can be met.",
            many(*parameters, "parameter", "parameters")
        ),
    }
}

fn prediction(steps: Steps) -> String {
    match steps {
        Steps::At(step) => format!(
            "Before training, its initial kernel predicted step {}.",
            count(step)
        ),
        Steps::After(step) => format!(
            "Before training, its initial kernel predicted no success within {} steps.",
            count(step)
        ),
        Steps::Never { floor } => format!(
            "Before training, its initial kernel predicted a floor of {}.",
            number(floor)
        ),
        Steps::Unstable => "Before training, its initial kernel called this rate unstable.".into(),
    }
}

fn trajectory(way: &Trajectory) -> String {
    let (most, step) = way.most;
    let edge = match way.first_over {
        None => format!(
            "the rate stayed below the largest stable one, at most {} times it (step {})",
            factor(most),
            count(step)
        ),
        Some(first) => format!(
            "the rate was above the largest stable one first at step {}, at most {} times it (step \
             {}), and within 5 % of it at {}",
            count(first),
            factor(most),
            count(step),
            many(way.at_edge, "look", "looks")
        ),
    };
    let rises = match way.rises {
        0 => "the loss never rose from one to the next".to_string(),
        1 => "the loss rose once from one to the next".into(),
        n => format!("the loss rose {n} times from one to the next"),
    };
    format!(
        "Followed with {} looks: {edge}; {rises}; rᵀΘr/rᵀr was at least {} (Polyak–Łojasiewicz).",
        way.looks,
        number(way.pl_constant)
    )
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
        "The Hessian at the end has {} of {}, from {} to {}; its Gauss–Newton part reaches {}, the \
         part of the residuals {}.",
        many(c.negative(), "negative eigenvalue", "negative eigenvalues"),
        c.eigenvalues.len(),
        end(c.eigenvalues.first()),
        end(c.eigenvalues.last()),
        number(c.gauss_newton),
        number(c.residual)
    )
}
