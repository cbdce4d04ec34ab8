//! How near the inputs of a training set are to each other.

use crate::data::Set;

pub use crate::data::Pair;

/// The place of a pair when all are ordered by distance: 1 is the nearest.
pub fn rank(set: &Set, i: usize, j: usize) -> usize {
    let here = set.distance(i, j);
    1 + set.pairs().filter(|p| p.distance < here).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_pair_has_rank_one() {
        let set = Set {
            points: 3,
            x: vec![0.0, 0.0, 3.0, 4.0, 3.0, 4.5],
            y: vec![0.0; 3],
        };
        let near = set.nearest_pair().expect("three points have pairs");
        assert_eq!((near.first, near.second), (1, 2));
        assert!((near.distance - 0.5).abs() < 1e-15);
        assert_eq!(rank(&set, 1, 2), 1);
        assert_eq!(rank(&set, 0, 2), 3);
        let one = Set {
            points: 1,
            x: vec![1.0, 2.0],
            y: vec![0.0],
        };
        assert_eq!(one.nearest_pair(), None);
    }
}
