//! Text as outlines of a built-in font, so that a figure looks the same wherever it is opened.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ttf_parser::{Face, OutlineBuilder};

use super::svg::number;

/// Latin, Greek and signs of DejaVu Sans; its licence lies beside it.
const FONT: &[u8] = include_bytes!("../templates/vendor/DejaVuSans-subset.ttf");

/// The outlines that a picture uses, each drawn once and then placed.
#[derive(Debug)]
pub(super) struct Glyphs {
    face: Option<Face<'static>>,
    used: BTreeMap<char, String>,
}

impl Default for Glyphs {
    fn default() -> Self {
        Glyphs {
            face: Face::parse(FONT, 0).ok(),
            used: BTreeMap::new(),
        }
    }
}

impl Glyphs {
    /// Takes over the outlines of another picture.
    pub(super) fn join(&mut self, other: &Glyphs) {
        let more = other.used.iter().map(|(c, path)| (*c, path.clone()));
        self.used.extend(more);
    }

    /// A line of text, markup as [`super::svg::Canvas::text`] takes it; none if the font lacks a
    /// letter.
    pub(super) fn line(
        &mut self,
        (x, y): (f64, f64),
        anchor: &str,
        more: &str,
        content: &str,
        size: f64,
    ) -> Option<String> {
        let unit = f64::from(self.face.as_ref()?.units_per_em());
        let mut placed = Vec::new();
        let mut width = 0.0;
        for (text, size, lift) in runs(content, size) {
            for c in text.chars() {
                let advance = self.take(c)?;
                if !c.is_whitespace() {
                    placed.push((c, width, lift, size / unit));
                }
                width += advance * size / unit;
            }
        }
        let left = match anchor {
            "middle" => x - width / 2.0,
            "end" => x - width,
            _ => x,
        };
        // There is one weight; a thin line around each letter makes it bold.
        let bold = if more.contains("font-weight") {
            " stroke=\"currentColor\" stroke-width=\"70\""
        } else {
            ""
        };
        let mut out = format!("<g{more}{bold}>");
        for (c, at, lift, scale) in placed {
            let _ = write!(
                out,
                "<use href=\"#u{:x}\" \
                 transform=\"translate({} {}) scale({scale:.5} -{scale:.5})\"/>",
                c as u32,
                number(left + at),
                number(y + lift),
            );
        }
        out.push_str("</g>\n");
        Some(out)
    }

    /// The outlines in use, for `<defs>`.
    pub(super) fn definitions(&self) -> String {
        let mut out = String::new();
        for (c, d) in &self.used {
            let _ = writeln!(out, "<path id=\"u{:x}\" d=\"{d}\"/>", *c as u32);
        }
        out
    }

    /// Notes that a letter is used; its advance in units of the font.
    fn take(&mut self, c: char) -> Option<f64> {
        let face = self.face.as_ref()?;
        let id = face.glyph_index(c)?;
        if !c.is_whitespace() && !self.used.contains_key(&c) {
            let mut path = Path(String::new());
            face.outline_glyph(id, &mut path)?;
            self.used.insert(c, path.0);
        }
        Some(f64::from(face.glyph_hor_advance(id)?))
    }
}

/// Pieces of a line with their size and how far they are lowered: the only markup is a `tspan`.
fn runs(content: &str, size: f64) -> Vec<(String, f64, f64)> {
    let plain = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    };
    let mut all = Vec::new();
    for (i, piece) in content.split("<tspan").enumerate() {
        if i == 0 {
            all.push((plain(piece), size, 0.0));
            continue;
        }
        let (head, rest) = piece.split_once('>').unwrap_or(("", piece));
        let value = |name: &str| -> Option<f64> {
            head.split_once(&format!("{name}=\""))?
                .1
                .split('"')
                .next()?
                .parse()
                .ok()
        };
        let (inner, after) = rest.split_once("</tspan>").unwrap_or((rest, ""));
        let own = value("font-size").unwrap_or(size);
        let lift = value("dy").unwrap_or(0.0);
        all.push((plain(inner), own, lift));
        all.push((plain(after), size, lift));
    }
    all
}

/// An outline as the `d` of a path.
struct Path(String);

impl OutlineBuilder for Path {
    fn move_to(&mut self, x: f32, y: f32) {
        let _ = write!(self.0, "M{x} {y}");
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let _ = write!(self.0, "L{x} {y}");
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let _ = write!(self.0, "Q{x1} {y1} {x} {y}");
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let _ = write!(self.0, "C{x1} {y1} {x2} {y2} {x} {y}");
    }
    fn close(&mut self) {
        self.0.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_wide_as_its_letters_and_ends_where_it_should() {
        let mut glyphs = Glyphs::default();
        let left = glyphs.line((0.0, 0.0), "start", "", "ab", 10.0);
        let right = glyphs.line((100.0, 0.0), "end", "", "ab", 10.0);
        let (left, right) = (left.expect("in the font"), right.expect("in the font"));
        let first = |line: &str| -> f64 {
            let text = line.split("translate(").nth(1).expect("a letter");
            text.split(' ')
                .next()
                .and_then(|v| v.parse().ok())
                .expect("a number")
        };
        // DejaVu Sans: a is 1255 and b 1300 of 2048 wide.
        let width = 10.0 * (1255.0 + 1300.0) / 2048.0;
        assert!((first(&left) - 0.0).abs() < 0.06);
        assert!((first(&right) - (100.0 - width)).abs() < 0.06);
        assert_eq!(glyphs.definitions().matches("<path").count(), 2);
    }

    #[test]
    fn markup_and_entities_are_read() {
        assert_eq!(
            runs("10<tspan dy=\"-5\" font-size=\"11\">−8</tspan>", 14.0),
            [
                ("10".to_string(), 14.0, 0.0),
                ("−8".to_string(), 11.0, -5.0),
                (String::new(), 14.0, -5.0)
            ]
        );
        assert_eq!(runs("a &lt; b &amp;amp;", 14.0)[0].0, "a < b &amp;");
    }

    #[test]
    fn a_letter_that_the_font_lacks_is_not_guessed() {
        let mut glyphs = Glyphs::default();
        assert!(glyphs.line((0.0, 0.0), "start", "", "漢", 14.0).is_none());
    }
}
