//! What is concluded of made-up records whose truth is known.

use thalweg::analysis::Analysis;
use thalweg::analysis::along::Change;
use thalweg::analysis::crossing::Found;
use thalweg::analysis::restarts::{Evidence, Redrawn};
use thalweg::analysis::standing::Surprise;
use thalweg::plan::Plan;
use thalweg::record::{Outcome, Record, Row, Tally};

/// A record of replicates that get below at these steps, or spend the budget.
fn record(hits: &[Option<u64>], budget: u64) -> Record {
    let row = |(r, hit): (usize, &Option<u64>)| {
        let hit = hit.filter(|step| *step <= budget);
        Row {
            replicate: r as u64,
            outcome: hit.map_or(Outcome::Spent, |step| Outcome::Below { step }),
            steps: hit.unwrap_or(budget),
            first_below: hit,
            rate: 0.01,
            initial_loss: 4.0,
            best_loss: 1.0,
            judged: None,
            test_loss: None,
            test_accuracy: None,
            final_loss: 1.0,
        }
    };
    let rows: Vec<Row> = hits.iter().enumerate().map(row).collect();
    let mut tally = Tally::default();
    rows.iter().for_each(|row| tally.count(row));
    Record {
        hash: String::new(),
        engine: "made up".into(),
        seconds: 1.0,
        tally,
        rows,
        looks: Vec::new(),
        grid: vec![0, 10],
        quantiles: vec![[4.0; 3], [1.0; 3]],
        curves: Vec::new(),
        kept: Vec::new(),
    }
}

/// So many of n get below, all at step 100.
fn some(k: u64, n: u64) -> Vec<Option<u64>> {
    (0..n).map(|r| (r < k).then_some(100)).collect()
}

fn analysis(plan: &Plan, hits: &[Vec<Option<u64>>]) -> Analysis {
    let budget = |cell: usize| plan.cells[cell].setting.descent.steps;
    let records: Vec<Record> = (hits.iter().enumerate())
        .map(|(cell, hits)| record(hits, budget(cell)))
        .collect();
    assert_eq!(records.len(), plan.cells.len());
    Analysis::of(plan, &records, 2)
}

fn along(key: &str, base: &str, values: &str) -> Plan {
    crate::plan(&format!(
        "replicates = 400\n[data]\npoints = 4\ndim = 15\n[net]\nhidden = [4]\n{base}\n\
         [[compare]]\nname = \"x\"\n\"{key}\" = {values}\n"
    ))
}

/// SplitMix64, for simulations.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53)
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        (-libm::log(1.0 - self.uniform()) * mean).ceil() as u64
    }
}

/// Two failures at 1e-4 bent a logistic curve, which then said 0.0362 (0.0348 to 0.0377) of a
/// crossing at 0.0344. Two rates on its sides say between which.
#[test]
fn far_failures_do_not_move_a_threshold() {
    let rates = "[1e-4, 1e-3, 1e-2, 0.03, 0.06]";
    let plan = along(
        "descent.rate",
        "[descent]\nrate = 1e-4\nsteps = 1000",
        rates,
    );
    let hits = [398, 400, 400, 380, 0].map(|k| some(k, 400));
    let found = analysis(&plan, &hits).comparisons[0]
        .crossing
        .expect("it crosses");
    assert_eq!(found.found, Found::Bracket);
    assert!(!found.rises);
    for ends in [found.at, found.interval] {
        assert_eq!(ends.to_string(), "[0.03, 0.06]");
    }
    // With an undecided rate in between the interval goes past it.
    let plan = along(
        "descent.rate",
        "[descent]\nrate = 1e-4\nsteps = 1000",
        "[1e-4, 1e-2, 0.034, 0.06]",
    );
    let hits = [398, 400, 322, 0].map(|k| some(k, 400));
    let found = analysis(&plan, &hits).comparisons[0]
        .crossing
        .expect("it crosses");
    assert_eq!(found.interval.to_string(), "[0.01, 0.06]");
    assert_eq!(found.at.to_string(), "[0.034, 0.06]");
}

/// Success under one budget is success under every larger one: fitted as if they were independent,
/// the crossing had 0.82 instead of 0.95. It is the quantile of the hitting time.
#[test]
fn budgets_share_their_replicates() {
    let budgets = "[100, 200, 400, 1000]";
    let plan = along("descent.steps", "[descent]\nsteps = 100", budgets);
    let mut draws = Draws(5);
    let (mut covered, tries) = (0, 200);
    for _ in 0..tries {
        let hits: Vec<Option<u64>> = (0..200).map(|_| Some(draws.exponential(200.0))).collect();
        let run = analysis(&plan, &vec![hits; 4]);
        let found = run.comparisons[0].crossing.expect("it crosses");
        assert_eq!(found.found, Found::Quantile);
        let largest = &run.cells[3].steps.q80;
        assert_eq!(
            (Some(found.at.low as u64), found.at.high),
            (largest.step, found.at.low)
        );
        assert_eq!(Some(found.interval.low as u64), largest.low);
        let truth = 200.0 * libm::log(5.0);
        covered += u32::from(found.interval.low <= truth && truth <= found.interval.high);
    }
    assert!(covered >= 180, "{covered} of {tries}");
}

/// Cells on common draws with a known crossing: the interval covers it, and where a curve is fitted
/// it is narrower than the bracket.
#[test]
fn thresholds_on_common_draws_cover() {
    let rates = [0.01, 0.02, 0.025, 0.03, 0.035, 0.04, 0.08];
    let plan = along(
        "descent.rate",
        "[descent]\nrate = 0.01\nsteps = 1000",
        &format!("{rates:?}"),
    );
    let (mut draws, mut covered, mut fitted, tries) = (Draws(7), 0, 0, 200);
    // logit p = 8 ln(0.035/rate): 80 % at 0.035 · 4^(−1/8).
    let truth = 0.035 * libm::pow(4.0, -0.125);
    for _ in 0..tries {
        let common: Vec<f64> = (0..200).map(|_| draws.uniform()).collect();
        let hits: Vec<Vec<Option<u64>>> = (rates.iter())
            .map(|rate| {
                let p = 1.0 / (1.0 + libm::pow(rate / 0.035, 8.0));
                common.iter().map(|u| (*u < p).then_some(100)).collect()
            })
            .collect();
        let run = analysis(&plan, &hits);
        let Some(found) = run.comparisons[0].crossing else {
            continue;
        };
        fitted += u32::from(matches!(found.found, Found::Fit(_)));
        covered += u32::from(found.interval.low <= truth && truth <= found.interval.high);
    }
    assert!(covered >= 180, "{covered} of {tries}");
    assert!(fitted >= 20, "{fitted} of {tries}");
}

/// A dimension of 2.4 there is not.
#[test]
fn whole_numbers_are_told_as_between_two() {
    let plan = along("data.dim", "", "[15, 5, 3, 2, 1]");
    let hits = [400, 400, 380, 200, 0].map(|k| some(k, 400));
    let found = analysis(&plan, &hits).comparisons[0]
        .crossing
        .expect("it crosses");
    assert!(found.rises);
    for ends in [found.at, found.interval] {
        assert_eq!(ends.to_string(), "[2, 3]");
    }
    // In both directions at once it crosses nothing.
    let hits = [0, 400, 400, 200, 0].map(|k| some(k, 400));
    assert_eq!(analysis(&plan, &hits).comparisons[0].crossing, None);
}

/// The slow half of the replicates spends its budget: the ratio over those that both bring below
/// was 10, the median of all pairs is beyond 100.
#[test]
fn a_comparison_leaves_no_pair_out() {
    let plan = along("data.dim", "[descent]\nsteps = 1000", "[15, 2]");
    let fast = vec![Some(10); 40];
    let slow: Vec<Option<u64>> = (0..40).map(|r| (r < 19).then_some(100)).collect();
    let run = analysis(&plan, &[fast.clone(), slow]);
    let paired = run.comparisons[0].members[1]
        .paired
        .as_ref()
        .expect("it is compared");
    let ratio = paired.ratio.expect("there are enough");
    assert_eq!(
        (ratio.pairs, ratio.both, ratio.one, ratio.neither),
        (40, 19, 21, 0)
    );
    assert_eq!(ratio.identified(), None);
    assert!(ratio.median.low >= 10.0 && ratio.median.high.is_infinite());
    // A run that diverged is not merely later than its budget.
    let mut records = [record(&fast, 1000), record(&fast, 1000)];
    for row in &mut records[1].rows {
        row.outcome = Outcome::Diverged { step: 3 };
    }
    let run = Analysis::of(&plan, &records, 1);
    let paired = run.comparisons[0].members[1]
        .paired
        .as_ref()
        .expect("it is compared");
    let ratio = paired.ratio.expect("there are enough");
    assert_eq!(ratio.identified(), Some(f64::INFINITY));
}

/// 36 of 40 against 40 of 40 were "not less reliable", 34 of 40 too.
#[test]
fn equality_is_not_concluded_from_overlap() {
    let told = |k: u64| {
        let plan = along("data.dim", "[descent]\nsteps = 1000", "[15, 5]");
        let run = analysis(&plan, &[some(40, 40), some(k, 40)]);
        let told = run.along.expect("it leads").told[0];
        let paired = run.comparisons[0].members[1].paired.clone();
        (told, paired.expect("it is compared"))
    };
    let (open, paired) = told(36);
    assert_eq!((open.apart, open.change), (false, Change::Same));
    assert!((paired.p_adjusted - 0.125).abs() < 1e-12);
    assert!((paired.difference.0 + 0.1).abs() < 1e-12);
    assert!(paired.difference.1.low < -0.2 && paired.difference.1.high > 0.0);
    let (worse, paired) = told(34);
    assert_eq!((worse.apart, worse.change), (true, Change::Worse));
    assert!((paired.p_adjusted - 0.03125).abs() < 1e-12);
}

/// What is drawn anew when a try begins again, and so which question a restart answers.
#[test]
fn a_restart_says_what_it_redraws() {
    let of = |draw: &str| {
        let plan = crate::plan(&format!(
            "replicates = 400\n[data]\npoints = 4\ndim = 3\ndraw = {draw}\n[net]\nhidden = [4]\n\
             [descent]\nsteps = 1000\n"
        ));
        // Of every four, two are quick and two never come, whatever the set.
        let hits: Vec<Option<u64>> = (0..400)
            .map(|r| ((r + r / 20) % 4 < 2).then_some(10 + r as u64 % 7))
            .collect();
        let restarts = analysis(&plan, &[hits]).cells[0].restarts;
        restarts.expect("enough succeed")
    };
    for (draw, redrawn) in [
        ("\"each\"", Redrawn::SetAndWeights),
        ("\"once\"", Redrawn::Weights),
        ("{ sets = 20, weights = 20 }", Redrawn::WeightsOfEachSet),
    ] {
        let found = of(draw);
        assert_eq!(found.redrawn, redrawn);
        assert!(found.pays(), "{found:?}");
        assert_eq!(
            matches!(found.evidence, Evidence::Sets(_)),
            redrawn == Redrawn::WeightsOfEachSet
        );
    }
}

/// A page of forty cells, in each of which nothing is to be gained, advised ten of them to restart.
#[test]
fn a_page_of_memoryless_cells_advises_no_restart() {
    let rates: Vec<f64> = (1..=40).map(|i| 0.001 * f64::from(i)).collect();
    let plan = along(
        "descent.rate",
        "[descent]\nrate = 0.001\nsteps = 5000",
        &format!("{rates:?}"),
    );
    let mut draws = Draws(3);
    let (mut wrong, pages) = (0, 12);
    for _ in 0..pages {
        let cell = |_: &f64| (0..200).map(|_| Some(draws.exponential(1000.0))).collect();
        let run = analysis(&plan, &rates.iter().map(cell).collect::<Vec<Vec<_>>>());
        assert_eq!(run.families.restarts, 40);
        let advised = |s: &&Surprise| matches!(s, Surprise::Restart(_));
        wrong += run.surprises.iter().filter(advised).count();
    }
    assert!(wrong <= 2, "{wrong} of {pages} pages");
}
