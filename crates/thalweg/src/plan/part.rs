//! The part of a plan whose cells are finished: what a stopped run can be asked.

use super::{Cell, ClaimTarget, Comparison, Placed, Plan};

impl Plan {
    /// The plan of these cells alone (places, increasing), as if the study had no others; each
    /// keeps the number by which files and commands know it ([`Cell::listed`]). Comparisons and
    /// claims without a cell are left out. None without the base cell, around which a study is.
    pub fn part(&self, kept: &[usize]) -> Option<Plan> {
        if kept.first() != Some(&0) {
            return None;
        }
        let place = |cell: usize| kept.binary_search(&cell).ok();
        let cells = kept.iter().enumerate().map(|(number, &at)| Cell {
            number,
            ..self.cells[at].clone()
        });
        let mut comparisons: Vec<Comparison> = Vec::new();
        let mut places = vec![None; self.comparisons.len()];
        for (at, of) in self.comparisons.iter().enumerate() {
            let mut here = of.clone();
            here.members.retain(|m| place(m.cell).is_some());
            for member in &mut here.members {
                member.cell = place(member.cell)?;
            }
            here.highlight = of.highlight.iter().filter_map(|c| place(*c)).collect();
            if !here.members.is_empty() {
                places[at] = Some(comparisons.len());
                comparisons.push(here);
            }
        }
        let claims = self.claims.iter().filter_map(|placed| {
            let to = match placed.place {
                ClaimTarget::Cell(cell) => ClaimTarget::Cell(place(cell)?),
                // A slope needs two cells.
                ClaimTarget::Along(at) => {
                    let at = places[at]?;
                    comparisons[at].numbers().filter(|n| n.len() >= 2)?;
                    ClaimTarget::Along(at)
                }
            };
            Some(Placed {
                claim: placed.claim.clone(),
                place: to,
            })
        });
        let claims = claims.collect();
        Some(Plan {
            title: self.title.clone(),
            asks_share: self.asks_share,
            why: self.why.clone(),
            author: self.author.clone(),
            cells: cells.collect(),
            comparisons,
            claims,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::study::Compare;
    use crate::{Inputs, Plan, Study};

    /// A stopped run could not be reported at all. What is there keeps its numbers; what is not
    /// there is in no comparison.
    #[test]
    fn the_part_of_a_plan_is_a_plan() {
        let study = Study {
            compare: vec![
                Compare::new("dimension").vary("data.dim", [15, 5, 2]),
                Compare::new("points").vary("data.points", [3]),
            ],
            ..Study::default()
        };
        let plan = Plan::new(&study, &Inputs::default()).expect("a study");
        let part = plan.part(&[0, 2]).expect("the base cell is there");
        let numbers: Vec<_> = part.cells.iter().map(|c| (c.number, c.listed)).collect();
        assert_eq!(numbers, [(0, 0), (1, 2)]);
        assert_eq!(part.comparisons.len(), 1);
        let cells: Vec<usize> = part.comparisons[0].members.iter().map(|m| m.cell).collect();
        assert_eq!(cells, [0, 1]);
        assert_eq!(part.cells[1].hash, plan.cells[2].hash);
        let all: Vec<usize> = (0..plan.cells.len()).collect();
        assert_eq!(plan.part(&all), Some(plan.clone()));
        assert_eq!(plan.part(&[1, 2]), None);
    }
}
