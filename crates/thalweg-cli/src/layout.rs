//! Text in lines that fit: paragraphs broken at spaces, tables whose names are never cut.

use console::measure_text_width;

/// A paragraph in lines of at most `width` columns, those after the first set in by `hang`. What is
/// longer than a line is broken inside. A text with line ends of its own is as many paragraphs.
pub(crate) fn wrap(text: &str, width: usize, hang: usize) -> String {
    text.split('\n')
        .map(|line| lines(line, width, hang).join("\n"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Pieces of a word that fit a line of their own. A styled word is left as it is.
fn pieces(word: &str, room: usize) -> Vec<String> {
    if measure_text_width(word) <= room || word.contains('\x1b') {
        return vec![word.to_string()];
    }
    let letters: Vec<char> = word.chars().collect();
    letters
        .chunks(room.max(1))
        .map(|c| c.iter().collect())
        .collect()
}

fn lines(text: &str, width: usize, hang: usize) -> Vec<String> {
    let indent = text.chars().take_while(|c| *c == ' ').count();
    // Where there is no room for a margin there is none.
    let hang = if hang + 10 > width { 0 } else { hang };
    let mut all = Vec::new();
    let mut line = " ".repeat(indent);
    let mut column = indent;
    let mut begun = false;
    for word in text[indent..].split(' ') {
        for piece in pieces(word, width.saturating_sub(hang)) {
            let size = measure_text_width(&piece);
            if begun && column + 1 + size > width {
                all.push(
                    std::mem::replace(&mut line, " ".repeat(hang))
                        .trim_end()
                        .to_string(),
                );
                column = hang;
            } else if begun {
                line.push(' ');
                column += 1;
            }
            line.push_str(&piece);
            column += size;
            begun = true;
        }
    }
    all.push(line.trim_end().to_string());
    all
}

/// On which side a column is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Names and pictures begin on the left.
    Left,
    /// Numbers end on the right.
    Right,
}

/// A table for a terminal: the first column has the names.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Heading and side of each column.
    pub(crate) heads: Vec<(String, Align)>,
    /// Texts, without control characters, styled or not.
    pub(crate) rows: Vec<Vec<String>>,
    /// So many of the last columns may be left out where there is no room.
    pub(crate) optional: usize,
}

/// Fewest columns that names are wrapped to.
const NAMES: usize = 14;

/// Columns that names have before others are left out for them.
const COMFORTABLE: usize = 36;

impl Table {
    /// Its lines, within the width as long as a name and a number fit: optional columns go first,
    /// then names are wrapped.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let size = |column: usize| {
            let texts = self.rows.iter().filter_map(|row| row.get(column));
            let head = measure_text_width(&self.heads[column].0);
            texts
                .map(|t| measure_text_width(t))
                .max()
                .unwrap_or(0)
                .max(head)
        };
        let sizes: Vec<usize> = (0..self.heads.len()).map(size).collect();
        let mut shown = sizes.len();
        let rest = |shown: usize| sizes[1..shown].iter().map(|s| s + 2).sum::<usize>() + 2;
        let fewest = sizes.len().saturating_sub(self.optional).max(1);
        while shown > fewest && rest(shown) + sizes[0].min(COMFORTABLE) > width {
            shown -= 1;
        }
        let name = sizes[0].min(width.saturating_sub(rest(shown)).max(NAMES));
        let heads: Vec<String> = self.heads.iter().map(|(h, _)| h.clone()).collect();
        let mut all = self.row(&heads, &sizes[..shown], name);
        for row in &self.rows {
            all.extend(self.row(row, &sizes[..shown], name));
        }
        all
    }

    fn row(&self, texts: &[String], sizes: &[usize], name: usize) -> Vec<String> {
        let first = texts.first().map_or("", String::as_str);
        let names = lines(first, name, 2);
        let mut all = Vec::new();
        for (i, part) in names.iter().enumerate() {
            let gap = " ".repeat(name.saturating_sub(measure_text_width(part)));
            let mut line = format!("  {part}{gap}");
            let numbers = texts.iter().zip(&self.heads).zip(sizes).skip(1);
            for ((text, (_, align)), size) in numbers.filter(|_| i == 0) {
                let gap = " ".repeat(size.saturating_sub(measure_text_width(text)));
                line.push_str(&match align {
                    Align::Left => format!("  {text}{gap}"),
                    Align::Right => format!("  {gap}{text}"),
                });
            }
            all.push(line.trim_end().to_string());
        }
        all
    }
}

/// The beginning of a text, with an ellipsis if it goes on.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_never_wider_than_asked() {
        let text =
            "Half of the replicates are there by step 9529 and abcdefghijklmnopqrstuvwxyz0123";
        for width in [20, 33, 80] {
            let wrapped = wrap(text, width, 2);
            assert!(
                wrapped.lines().all(|l| l.chars().count() <= width),
                "{wrapped}"
            );
            let words = |t: &str| t.split_whitespace().collect::<String>();
            assert_eq!(words(&wrapped), words(text));
        }
        assert_eq!(wrap("a b\nc", 80, 2), "a b\nc");
    }

    /// Colours take no room.
    #[test]
    fn styles_are_not_counted() {
        let styled = "\x1b[1;32myes\x1b[0m it does";
        assert_eq!(wrap(styled, 11, 0), styled);
    }

    fn table(names: [&str; 2]) -> Table {
        let heads = ["cell", "success", "loss"];
        let side = [Align::Left, Align::Right, Align::Left];
        Table {
            heads: heads
                .iter()
                .zip(side)
                .map(|(h, a)| (h.to_string(), a))
                .collect(),
            rows: names
                .map(|n| [n, "400/400", "▇▆▅▄▃▂▁▁▁▁▁▁"].map(String::from).to_vec())
                .to_vec(),
            optional: 1,
        }
    }

    /// Two names that differ at their ends were cut to the same text.
    #[test]
    fn names_are_wrapped_and_never_cut() {
        let names = [
            "dim = 2, rate = of_limit 0.4, gains = [1.0, 1.0, 1.0]",
            "dim = 2, rate = of_limit 0.4, gains = [48.0, 1.0, 1.0]",
        ];
        for width in [30, 50, 80, 120] {
            let lines = table(names).lines(width);
            assert!(
                lines.iter().all(|l| l.chars().count() <= width),
                "{lines:#?}"
            );
            let all: String = lines.join(" ").split_whitespace().collect();
            assert!(all.contains("48.0,1.0,1.0]"), "{all}");
        }
        // The picture is left out before a name is broken into shreds.
        assert!(!table(names).lines(40).join("").contains('▇'));
        assert!(table(["a", "b"]).lines(40).join("").contains('▇'));
    }
}
