//! What is said of the number of questions that a page asks.

use thalweg::analysis::Analysis;

use super::numbers::{count, list, many};

/// How often chance alone would show something on this page: which tests were corrected together,
/// and which intervals were not.
pub fn multiplicity(run: &Analysis) -> String {
    let f = run.families;
    let number = |n: usize| count(n as u64);
    let mut corrected = Vec::new();
    if f.tests > 0 {
        corrected.push(format!(
            "the {} of equal success within each of {}",
            many(f.tests, "test", "tests"),
            many(f.comparisons, "comparison", "comparisons")
        ));
    }
    if f.neighbours > 0 {
        let pairs = many(f.neighbours, "pair", "pairs");
        corrected.push(format!("{pairs} of neighbours along the leading number"));
    }
    if f.restarts > 0 {
        corrected.push(format!(
            "{} that were asked whether to restart",
            many(f.restarts, "cell", "cells")
        ));
    }
    let mut text = String::from("How many questions were asked:");
    if !corrected.is_empty() {
        text.push_str(&format!(
            " by Holm's procedure were corrected together {}, so in each of these families any \
             false finding at p < .05 has a probability of at most 5 %, not in all of them \
             together.",
            list(&corrected)
        ));
    }
    let mut alone = vec![format!(
        "{} of success",
        many(f.cells, "interval", "intervals")
    )];
    if f.predictions > 0 {
        alone.push(format!(
            "{} held against predictions",
            number(f.predictions)
        ));
    }
    if f.claims > 0 {
        alone.push(format!(
            "{} held against published numbers",
            number(f.claims)
        ));
    }
    text.push_str(&format!(
        " Intervals are of 95 % each and not corrected: {}, of which about one in twenty misses \
         its truth; cells share their draws, so they do so together.",
        list(&alone)
    ));
    if f.sequential > 0 {
        text.push_str(&format!(
            " {} went on until decided; tests between such cells rest on the replicates that both \
             have, a number that depended on the outcomes.",
            many(f.sequential, "cell", "cells")
        ));
    }
    text.push_str(
        " If the base cell was chosen after a look at these replicates, they flatter it: `thalweg \
         certify` takes draws that no run has seen.",
    );
    text
}
