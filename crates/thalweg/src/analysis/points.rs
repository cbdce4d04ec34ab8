//! How near the inputs of a training set are to each other.

use crate::data::Set;

/// Two inputs of a training set.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Pair {
    /// The smaller index.
    pub first: usize,
    /// The larger one.
    pub second: usize,
    /// ‖x_first − x_second‖.
    pub distance: f64,
}

/// All pairs of inputs, each once.
fn pairs(set: &Set) -> impl Iterator<Item = Pair> {
    let n = set.y.len();
    (0..n).flat_map(move |second| {
        (0..second).map(move |first| Pair {
            first,
            second,
            distance: distance(set, first, second),
        })
    })
}

/// ‖xᵢ − xⱼ‖.
pub fn distance(set: &Set, i: usize, j: usize) -> f64 {
    let dim = set.x.len() / set.y.len().max(1);
    let row = |i: usize| &set.x[i * dim..(i + 1) * dim];
    let squares = row(i).iter().zip(row(j)).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

/// The two nearest inputs; none with fewer than two.
pub fn nearest(set: &Set) -> Option<Pair> {
    pairs(set).min_by(|a, b| a.distance.total_cmp(&b.distance))
}

/// The place of a pair when all are ordered by distance: 1 is the nearest.
pub fn rank(set: &Set, i: usize, j: usize) -> usize {
    let here = distance(set, i, j);
    1 + pairs(set).filter(|p| p.distance < here).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_pair_has_rank_one() {
        let set = Set {
            x: vec![0.0, 0.0, 3.0, 4.0, 3.0, 4.5],
            y: vec![0.0; 3],
        };
        let near = nearest(&set).expect("three points have pairs");
        assert_eq!((near.first, near.second), (1, 2));
        assert!((near.distance - 0.5).abs() < 1e-15);
        assert_eq!(rank(&set, 1, 2), 1);
        assert_eq!(rank(&set, 0, 2), 3);
        let one = Set {
            x: vec![1.0, 2.0],
            y: vec![0.0],
        };
        assert_eq!(nearest(&one), None);
    }
}
