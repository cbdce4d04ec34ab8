//! A table with named columns, and the training set that a study chooses from it.

use crate::data::{ColumnName, Columns, Set};

/// Named columns of as many rows, as a file has them: numbers, and what is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// N, of all sets together.
    pub rows: usize,
    /// Training sets, one after the other, of as many rows each.
    pub sets: usize,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// A column, or an array of several.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Numbers a row; a column of a table has one.
    pub width: usize,
    /// [N, width], row by row; or the first thing about it that is no number, with its place.
    pub values: Result<Vec<f64>, String>,
}

/// Every name in backquotes, a comma between.
fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    all.join(", ")
}

impl Table {
    /// The training sets that the columns of a study name; without them that of the columns `x0`,
    /// `x1`, … (or an array `x`) and `y` (or `y0`, `y1`, …).
    ///
    /// # Errors
    ///
    /// What is wrong, and what to write instead.
    pub(crate) fn choose(&self, columns: Option<&Columns>) -> Result<Vec<Set>, (String, String)> {
        let (x, y) = match columns {
            Some(columns) => self.named(columns)?,
            None => self.usual()?,
        };
        let (x, y) = (self.gather(&x)?, self.gather(&y)?);
        if self.rows == 0 || x.is_empty() || y.is_empty() {
            let hint = "a training set has at least one point, one input and one target";
            return Err(("has no row, or no column of inputs".into(), hint.into()));
        }
        let points = self.rows / self.sets;
        let part = |numbers: &[f64], i: usize| {
            let size = numbers.len() / self.sets;
            numbers[i * size..(i + 1) * size].to_vec()
        };
        let sets = (0..self.sets).map(|i| Set {
            points,
            x: part(&x, i),
            y: part(&y, i),
        });
        Ok(sets.collect())
    }

    /// The fields that a study names: those of x, and those of y.
    fn named(&self, columns: &Columns) -> Result<(Vec<usize>, Vec<usize>), (String, String)> {
        let y = (columns.y.iter())
            .map(|name| self.find(name))
            .collect::<Result<Vec<usize>, _>>()?;
        let x: Vec<usize> = match &columns.x {
            Some(names) => names
                .iter()
                .map(|name| self.find(name))
                .collect::<Result<_, _>>()?,
            None => (0..self.fields.len()).filter(|i| !y.contains(i)).collect(),
        };
        let twice = |i: &usize| x.contains(i) && y.contains(i);
        if let Some(at) = y.iter().find(|i| twice(i)) {
            let name = &self.fields[*at].name;
            let message = format!("column `{name}` is an input and a target");
            return Err((message, "leave it out of one of them".into()));
        }
        Ok((x, y))
    }

    fn find(&self, name: &ColumnName) -> Result<usize, (String, String)> {
        let found = match name {
            ColumnName::Name(name) => self.fields.iter().position(|f| f.name == *name),
            ColumnName::Place(place) => (*place < self.fields.len()).then_some(*place),
        };
        found.ok_or_else(|| {
            let message = match name {
                ColumnName::Name(name) => format!("has no column `{name}`"),
                ColumnName::Place(place) => format!("has no column number {place}, from 0"),
            };
            (message, format!("its columns are {}", self.names()))
        })
    }

    fn names(&self) -> String {
        quoted(self.fields.iter().map(|f| &f.name))
    }

    /// The fields that are named as a study without columns expects.
    fn usual(&self) -> Result<(Vec<usize>, Vec<usize>), (String, String)> {
        let at = |name: &str| self.fields.iter().position(|f| f.name == name);
        let numbered = |letter: char| -> Vec<usize> {
            (0..).map_while(|j| at(&format!("{letter}{j}"))).collect()
        };
        let of = |letter: char| match at(&letter.to_string()) {
            Some(one) => vec![one],
            None => numbered(letter),
        };
        let (x, y) = (of('x'), of('y'));
        let known = |i: usize| x.contains(&i) || y.contains(&i);
        let other: Vec<&String> = (self.fields.iter().enumerate())
            .filter(|(i, _)| !known(*i))
            .map(|(_, f)| &f.name)
            .collect();
        if x.is_empty() || y.is_empty() {
            let missing = if y.is_empty() { "`y`" } else { "`x0`" };
            let message = format!("has no column {missing} but {}", self.names());
            return Err((message, self.example()));
        }
        if !other.is_empty() {
            let other = quoted(other.into_iter());
            let message = format!("has other columns than x0, x1, … and y: {other}");
            return Err((message, self.example()));
        }
        Ok((x, y))
    }

    /// What a study could write: the last column as target, the others as inputs.
    fn example(&self) -> String {
        let names: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
        match names.split_last() {
            Some((last, [first, ..])) => format!(
                "say which are which: `columns = {{ x = [{first:?}, …], y = {last:?} }}`; \
                 without `x` all others are inputs"
            ),
            _ => "a training set has inputs and targets, a column each".into(),
        }
    }

    /// The numbers of these fields, row by row.
    fn gather(&self, fields: &[usize]) -> Result<Vec<f64>, (String, String)> {
        let cure = "clean it, or choose other columns with `data.columns`";
        let mut parts: Vec<(&Field, &[f64])> = Vec::new();
        for &at in fields {
            let field = &self.fields[at];
            match &field.values {
                Ok(values) => parts.push((field, values)),
                Err(why) => return Err((why.clone(), cure.into())),
            }
        }
        let mut all = Vec::new();
        for row in 0..self.rows {
            for (field, values) in &parts {
                let numbers = &values[row * field.width..(row + 1) * field.width];
                if numbers.iter().any(|v| !v.is_finite()) {
                    let (name, row) = (&field.name, row + 1);
                    let message = format!(
                        "holds a value that is not a finite number in column `{name}` in row {row}"
                    );
                    return Err((message, cure.into()));
                }
                all.extend(numbers);
            }
        }
        Ok(all)
    }
}
