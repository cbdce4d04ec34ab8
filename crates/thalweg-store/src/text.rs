//! Numbers in text: csv files as spreadsheets, NumPy, pandas and instruments write them.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;

use super::MOST_BYTES;
use thalweg::inputs::{Field, Table};

/// Reads named columns: separated by commas, semicolons, tabs or blanks, whichever the first line
/// has; with a header, or with columns `x0`, `x1`, … and `y` if the first line is numbers alone.
/// Lines that begin with `#` are comments. Where no comma separates, one may be the decimal point.
/// The error is what is wrong with the file.
pub(super) fn read_csv(file: File) -> Result<Table, String> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot be read: {e}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("has more than {MOST_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        format!(
            "is no UTF-8 text from byte {} on",
            e.utf8_error().valid_up_to()
        )
    })?;
    parse(text.trim_start_matches('\u{feff}'))
}

fn parse(text: &str) -> Result<Table, String> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.ok_or("has no row")?;
    let mut separators = [b';', b'\t', b','].into_iter();
    let found = separators.find(|c| first.as_bytes().contains(c));
    // Where nothing else separates, blanks do: a run of them is one tab.
    let tabbed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join("\t");
    let (delimiter, text) = match found {
        Some(byte) => (byte, Cow::from(text)),
        None => {
            let lines: Vec<String> = text.lines().map(tabbed).collect();
            (b'\t', Cow::from(lines.join("\n")))
        }
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let number = |field: &str| number(field, delimiter != b',');
    let mut fields: Vec<Field> = Vec::new();
    let mut rows = 0;
    let field = |name: String| Field {
        name,
        width: 1,
        values: Ok(Vec::new()),
    };
    for record in reader.records() {
        let record = record.map_err(|e| format!("is damaged: {e}"))?;
        let line = record.position().map_or(0, csv::Position::line);
        if fields.is_empty() {
            if record.iter().any(|field| number(field).is_none()) {
                fields = record.iter().map(|name| field(name.to_string())).collect();
                continue;
            }
            let inputs = record.len() - 1;
            let names = (0..inputs).map(|j| format!("x{j}")).chain(["y".into()]);
            fields = names.map(field).collect();
        }
        if record.len() != fields.len() {
            return Err(format!(
                "has {} fields in line {line}, but {} columns",
                record.len(),
                fields.len()
            ));
        }
        rows += 1;
        for (text, field) in record.iter().zip(&mut fields) {
            // Of a column that is no numbers the first that is none is told, if it is asked for.
            if let Ok(values) = &mut field.values {
                match number(text) {
                    Some(value) => values.push(value),
                    None => field.values = Err(wrong(text, &field.name, line)),
                }
            }
        }
    }
    Ok(Table {
        rows,
        sets: 1,
        fields,
    })
}

fn wrong(field: &str, name: &str, line: u64) -> String {
    if field.is_empty() {
        return format!("has nothing in column `{name}` in line {line}: fill it, or drop the line");
    }
    let shown: String = field.chars().take(30).collect();
    format!("holds `{shown}`, which is not a number, in column `{name}` in line {line}")
}

/// A number, with a decimal comma too where that separates nothing.
fn number(field: &str, comma: bool) -> Option<f64> {
    let plain = field.parse().ok();
    if plain.is_some() || !comma || field.matches(',').count() != 1 || field.contains('.') {
        return plain;
    }
    field.replace(',', ".").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn read(text: &str) -> (Vec<String>, Vec<Vec<f64>>) {
        let table = parse(text).unwrap_or_else(|e| panic!("{text:?} {e}"));
        let columns: Vec<&Vec<f64>> = (table.fields.iter())
            .map(|f| f.values.as_ref().unwrap_or_else(|e| panic!("{text:?} {e}")))
            .collect();
        let row = |i: usize| columns.iter().map(|c| c[i]).collect();
        let names = table.fields.iter().map(|f| f.name.clone()).collect();
        (names, (0..table.rows).map(row).collect())
    }

    /// However the same numbers are separated, commented and ended, they are the same numbers.
    #[test]
    fn the_same_numbers_are_read_however_they_are_written() {
        let numbers = vec![vec![0.5, -1.0, 2.0], vec![1e-3, 4.0, 0.25]];
        for text in [
            "x0,x1,y\n0.5,-1,2\n1e-3,4,0.25\n",
            "\u{feff}x0,x1,y\r\n0.5,-1,2\r\n\r\n1e-3,4,0.25\r\n",
            "# from the balance\nx0;x1;y\n0,5;-1;2\n1e-3;4;0,25",
            "x0\tx1\ty\n0.5\t-1\t2\n1e-3\t4\t0.25\n# the end\n",
            "  x0   x1 y\n 0.5 -1.0   2\n\n 1e-3 4 .25\n",
            "\"x0\",\"x1\",\"y\"\n\"0.5\", -1, 2\n1e-3, 4, 0.25\n",
            "0.5,-1,2\n1e-3,4,0.25\n",
            "5.000000000000000000e-01 -1 2\n1e-3 4 2.5e-1\n",
        ] {
            let (names, rows) = read(text);
            assert_eq!(names, ["x0", "x1", "y"], "{text:?}");
            assert_eq!(rows, numbers, "{text:?}");
        }
    }

    /// What is wrong is told with its line, its column and what stands there.
    #[test]
    fn a_mistake_is_told_with_line_and_column() {
        for (text, words) in [
            (
                "x0,y\n1,2\n3,oops\n",
                "holds `oops`, which is not a number, in column `y` in line 3",
            ),
            ("x0,y\n1,\n", "nothing in column `y` in line 2"),
            ("x0,y\n1,2,3\n", "3 fields in line 2, but 2 columns"),
            ("x0;y\n1;2\n1,5,0;2\n", "holds `1,5,0`"),
            ("x0,y\n\"1,5\",2\n", "holds `1,5`"),
            ("# nothing\n\n", "has no row"),
        ] {
            let message = match parse(text) {
                Err(message) => message,
                Ok(table) => (table.fields.into_iter())
                    .find_map(|f| f.values.err())
                    .unwrap_or_else(|| panic!("{text:?} was read")),
            };
            assert!(message.contains(words), "{message}");
        }
    }
}
