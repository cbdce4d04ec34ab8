//! Names on the lines themselves, where there is room for them.

use crate::svg::text_width;

/// Lines up to which names stand on them.
const MOST: usize = 9;

/// Height of a line of text.
const HEIGHT: f64 = 14.0;

/// A line as it is drawn, in pixels.
pub(super) struct Drawn {
    /// What stands on it; nothing if the legend says it.
    pub(super) name: Option<String>,
    /// Its points.
    pub(super) points: Vec<(f64, f64)>,
}

/// Where a name stands: its left end, and the line of its letters.
pub(super) type At = (f64, f64);

#[derive(Clone, Copy)]
struct Rect {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Rect {
    fn of((x, y): At, width: f64) -> Self {
        Rect {
            left: x - 2.0,
            right: x + width + 2.0,
            top: y - HEIGHT + 2.0,
            bottom: y + 4.0,
        }
    }

    fn touches(&self, other: &Rect) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }
}

/// A place for the name of each line that has one, near its last point, within a frame `(left, top,
/// right, bottom)` and off every line, other names, and a line across the picture: its height, and
/// from where on its own name stands; none if one of them finds no room.
pub(super) fn places(
    lines: &[Drawn],
    frame: (f64, f64, f64, f64),
    across: Option<(f64, f64)>,
) -> Option<Vec<Option<At>>> {
    let (left, top, right, bottom) = frame;
    if lines.iter().filter(|l| l.name.is_some()).count() > MOST {
        return None;
    }
    let dense: Vec<Vec<(f64, f64)>> = lines.iter().map(|l| dense(&l.points)).collect();
    let own = across.map(|(y, from)| Rect {
        left: from,
        right,
        top: y - HEIGHT,
        bottom: y + 8.0,
    });
    let mut taken: Vec<Rect> = own.into_iter().collect();
    let mut all = Vec::new();
    for line in lines {
        let (Some(name), Some(&(x, y))) = (&line.name, line.points.last()) else {
            all.push(None);
            continue;
        };
        let width = text_width(name);
        let beside = [0.0, -9.0, 9.0, -18.0, 18.0].map(|shift| (x + 9.0, y + 4.5 + shift));
        let around = [(x - 0.5 * width, y + 20.0), (x - 0.5 * width, y - 10.0)];
        let before = [(x - width - 4.0, y - 8.0), (x - width - 4.0, y + 18.0)];
        // Then above and below points further back.
        let back = [0.8, 0.6, 0.4, 0.25, 0.1].into_iter().flat_map(|share| {
            let n = line.points.len() - 1;
            let (x, y) = line.points[(share * n as f64).round() as usize];
            [
                (x + 5.0, y - 7.0),
                (x - width - 5.0, y + 16.0),
                (x - width - 5.0, y - 7.0),
                (x + 5.0, y + 16.0),
            ]
        });
        let free = |at: &At| {
            let rect = Rect::of(*at, width);
            let inside = rect.left >= left
                && rect.right <= right
                && rect.top >= top
                && rect.bottom <= bottom;
            let crossed = across.is_some_and(|(y, _)| (rect.top..=rect.bottom).contains(&y));
            inside
                && !crossed
                && !taken.iter().any(|other| rect.touches(other))
                && !dense.iter().flatten().any(|p| rect.holds(*p))
        };
        let mut candidates = (beside.into_iter()).chain(around).chain(before).chain(back);
        let at = candidates.find(free)?;
        taken.push(Rect::of(at, width));
        all.push(Some(at));
    }
    Some(all)
}

/// Points along a line, a few pixels apart.
fn dense(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let between = points.windows(2).flat_map(|pair| {
        let ((a, b), (c, d)) = (pair[0], pair[1]);
        let n = ((c - a).hypot(d - b) / 4.0).ceil().clamp(1.0, 400.0);
        (0..n as u32).map(move |i| {
            let share = f64::from(i) / n;
            (a + share * (c - a), b + share * (d - b))
        })
    });
    between.chain(points.last().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Drawn, places};

    fn line(name: &str, points: &[(f64, f64)]) -> Drawn {
        Drawn {
            name: Some(name.into()),
            points: points.to_vec(),
        }
    }

    const FRAME: (f64, f64, f64, f64) = (0.0, 0.0, 600.0, 300.0);

    /// Names are put beside lines that part, and given to the legend where lines end in one place.
    #[test]
    fn names_stand_on_lines_only_where_there_is_room() {
        let fan: Vec<Drawn> = (0..4)
            .map(|i| {
                line(
                    "d = 5",
                    &[(0.0, 150.0), (400.0, 40.0 + 60.0 * f64::from(i))],
                )
            })
            .collect();
        let found = places(&fan, FRAME, None).expect("there is room");
        assert!(found.iter().all(Option::is_some));
        let bundle: Vec<Drawn> = (0..9)
            .map(|_| line("the same end", &[(0.0, 9.0), (590.0, 150.0)]))
            .collect();
        assert!(places(&bundle, FRAME, None).is_none());
    }

    /// A name does not stand on the line that a loss is held against.
    #[test]
    fn a_name_leaves_the_reference_alone() {
        let lines = [line("d = 15", &[(0.0, 20.0), (200.0, 200.0)])];
        let at = places(&lines, FRAME, Some((200.0, 590.0))).and_then(|all| all[0]);
        let (_, y) = at.expect("there is room below");
        assert!(y - 12.0 > 200.0 || y + 4.0 < 200.0, "{y}");
    }
}
