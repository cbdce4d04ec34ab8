//! A table as CSV and as LaTeX.

use super::page::Table;

/// The table as CSV, with its headings: its words, and its numbers as numbers where it has them.
/// What is not known is empty.
pub(super) fn csv(table: &Table) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    let kept = |at: &usize| table.numbers.is_empty() || !table.columns[*at].numeric;
    let kept: Vec<usize> = (0..table.columns.len()).filter(kept).collect();
    let heads = kept.iter().map(|at| table.columns[*at].name.as_str());
    // Writing to memory cannot fail.
    let _ = writer.write_record(heads.chain(table.numbers.iter().map(|n| n.0)));
    for (i, row) in table.rows.iter().enumerate() {
        let words = kept.iter().filter_map(|at| row.get(*at)).map(|c| plain(c));
        let numbers = table
            .numbers
            .iter()
            .map(|(_, all)| digits(all.get(i).copied().flatten()));
        let _ = writer.write_record(words.chain(numbers));
    }
    writer.into_inner().unwrap_or_default()
}

/// A cell that spreadsheets read: no thin spaces between digits, nothing for what is not known.
fn plain(cell: &str) -> String {
    if cell == "–" {
        return String::new();
    }
    let cell = cell.replace(['\u{202f}', '\u{a0}'], "");
    let mut letters = cell.trim_start().chars();
    let formula = match letters.next() {
        Some('=' | '@') => true,
        // A sign before a number is none of a formula.
        Some('+' | '-') => !letters
            .next()
            .is_none_or(|c| c.is_ascii_digit() || ".∞".contains(c)),
        Some(_) | None => false,
    };
    // Spreadsheets take what follows an apostrophe for text.
    if formula { format!("'{cell}") } else { cell }
}

/// A number as it is read back; nothing for none, or one that is not.
fn digits(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(v) if v.is_nan() => String::new(),
        Some(v) if v.is_infinite() => if v > 0.0 { "inf" } else { "-inf" }.into(),
        Some(v) if v.fract().abs() < f64::EPSILON && v.abs() < 1e15 => format!("{v:.0}"),
        Some(v) => {
            let text = format!("{v:e}");
            text.strip_suffix("e0").unwrap_or(&text).into()
        }
    }
}

/// The table as LaTeX (`booktabs`), to be `\input`; the caption is a comment.
pub(super) fn tex(table: &Table) -> String {
    let columns: String = table
        .columns
        .iter()
        .map(|c| if c.numeric { 'r' } else { 'l' })
        .collect();
    let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let mut out = format!(
        "% {}\n% Needs \\usepackage{{booktabs}}.\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n",
        table.caption.replace('\n', " ")
    );
    out.push_str(&line(
        table.columns.iter().map(|c| escape(&c.name)).collect(),
    ));
    out.push_str("\\midrule\n");
    for (i, row) in table.rows.iter().enumerate() {
        let cells = row.iter().map(|cell| {
            let text = escape(cell);
            if table.base == Some(i) {
                format!("\\textbf{{{text}}}")
            } else {
                text
            }
        });
        out.push_str(&line(cells.collect()));
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n");
    out
}

/// Text as LaTeX in any engine.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '`' => {}
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '–' => out.push_str("--"),
            '—' => out.push_str("---"),
            '−' => out.push_str("$-$"),
            '×' => out.push_str("$\\times$"),
            '·' => out.push_str("$\\cdot$"),
            '∞' => out.push_str("$\\infty$"),
            '≥' => out.push_str("$\\ge$"),
            '≤' => out.push_str("$\\le$"),
            'Σ' => out.push_str("$\\Sigma$"),
            'Θ' => out.push_str("$\\Theta$"),
            'η' => out.push_str("$\\eta$"),
            'λ' => out.push_str("$\\lambda$"),
            'β' => out.push_str("$\\beta$"),
            'σ' => out.push_str("$\\sigma$"),
            'φ' => out.push_str("$\\varphi$"),
            'ᵀ' => out.push_str("$^{\\mathsf T}$"),
            '²' => out.push_str("$^2$"),
            '\u{202f}' => out.push_str("\\,"),
            '\u{a0}' => out.push('~'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::page::Heading;
    use super::*;

    fn table(cell: &str) -> Table {
        let column = |numeric| Heading {
            name: "λmin, 80 %".into(),
            numeric,
        };
        Table {
            name: "t".into(),
            caption: "A caption".into(),
            columns: vec![column(false), column(true)],
            rows: vec![vec![cell.into(), "20\u{202f}000".into()], vec![cell.into()]],
            base: Some(1),
            numbers: Vec::new(),
            cells: Vec::new(),
        }
    }

    #[test]
    fn what_is_special_to_latex_is_escaped() {
        let out = tex(&table("a_b & 50 % {x} \\y $"));
        assert!(
            out.contains("a\\_b \\& 50 \\% \\{x\\} \\textbackslash{}y \\$ & 20\\,000 \\\\"),
            "{out}"
        );
        assert!(out.contains("\\begin{tabular}{lr}"));
        assert!(out.contains("$\\lambda$min, 80 \\%"));
        assert!(out.contains("\\textbf{a"));
    }

    #[test]
    fn csv_is_read_back() {
        let bytes = csv(&table("a, \"b\"\nc"));
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(&bytes[..]);
        let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.expect("a row")).collect();
        assert_eq!(&rows[0][0], "a, \"b\"\nc");
        assert_eq!(&rows[0][1], "20000");
    }
}
