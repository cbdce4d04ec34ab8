//! The few things that a plot is made of: text, lines, areas and a legend, as SVG.

use std::fmt::Write as _;

use super::outline::Glyphs;
use super::page::Hue;

/// Where a picture is seen: how wide it is laid out, and what it may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// In the page: no background, text and axes in the page's own colour and font.
    Page,
    /// The same on a telephone, where text must not shrink with the picture.
    Phone,
    /// In a column of a paper: dark on white, text as outlines of a font that is built in.
    Column,
}

/// Width of a picture in a paper, in millimetres: one column of most journals.
const COLUMN: f64 = 88.0;

/// Colours of Okabe & Ito (2008), which the colour-blind can tell apart, those with most contrast
/// first; yellow is left out, as it cannot be seen on white.
const PALETTE: [&str; 7] = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "currentColor",
];

/// Size of text, in pixels: large enough for the last row of a lecture hall, and for a phone.
pub(super) const TEXT: f64 = 14.0;

const FONTS: &str =
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// How a series is told from others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    /// Its colour, and from the second round of distinct colours on also rings on the line.
    pub(super) hue: Hue,
    /// What its line, or its points, look like.
    pub(super) mark: Mark,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Solid,
    Dashed,
    Dots,
    /// Dots or bars of a colour of their own.
    Fill(&'static str),
}

impl Style {
    /// Its colour on a light page.
    pub(super) fn colour(self) -> String {
        match (self.mark, self.hue) {
            (Mark::Fill(colour), _) => colour.into(),
            (_, Hue::Distinct(n)) => PALETTE[n % PALETTE.len()].into(),
            (_, Hue::Ordered(place)) => hex(ramp(place)),
        }
    }

    /// Attributes that paint with its colour, `what` being `stroke` or `fill`. The dark end of the
    /// ramp says how light it is on a dark page.
    pub(super) fn paint(self, what: &str) -> String {
        let colour = self.colour();
        match (self.mark, self.hue) {
            (Mark::Fill(_), _) | (_, Hue::Distinct(_)) => format!(" {what}=\"{colour}\""),
            (_, Hue::Ordered(place)) => {
                let white = 0.5 * (1.0 - place.clamp(0.0, 1.0));
                let light = hex(ramp(place).map(|c| c + white * (255.0 - c)));
                format!(" {what}=\"{colour}\" style=\"--dark-{what}:{light}\"")
            }
        }
    }

    fn dotted(self) -> bool {
        matches!(self.mark, Mark::Dots | Mark::Fill(_))
    }

    fn ringed(self) -> bool {
        matches!(self.hue, Hue::Distinct(n) if n >= PALETTE.len())
    }
}

/// The dark two thirds of viridis (S. van der Walt, N. Smith 2015), whose lightness rises evenly;
/// none of them is the colour of a cause.
const RAMP: [[f64; 3]; 9] = [
    [72.0, 36.0, 117.0],
    [67.0, 61.0, 132.0],
    [59.0, 82.0, 139.0],
    [49.0, 102.0, 142.0],
    [41.0, 121.0, 142.0],
    [33.0, 143.0, 141.0],
    [31.0, 161.0, 135.0],
    [47.0, 180.0, 124.0],
    [74.0, 193.0, 109.0],
];

/// The colour at a place from 0 (dark) to 1 (light).
fn ramp(place: f64) -> [f64; 3] {
    let at = place.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let below = (at.floor() as usize).min(RAMP.len() - 2);
    let share = at - below as f64;
    std::array::from_fn(|i| RAMP[below][i] + share * (RAMP[below + 1][i] - RAMP[below][i]))
}

fn hex(colour: [f64; 3]) -> String {
    let [r, g, b] = colour.map(|c| c.round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The upper left corner of a rectangle, and its size.
pub(super) type Block = ((f64, f64), (f64, f64));

/// An SVG being written.
#[derive(Debug)]
pub(super) struct Canvas {
    body: String,
    medium: Medium,
    /// The width of the picture, in its own units.
    pub(super) width: f64,
    glyphs: Glyphs,
    /// Its axes, told to the page's script, which reads values off the picture.
    pub(super) axes: String,
}

impl Canvas {
    pub(super) fn new(medium: Medium) -> Self {
        Canvas {
            body: String::new(),
            medium,
            width: match medium {
                Medium::Page => 640.0,
                Medium::Phone => 350.0,
                Medium::Column => 400.0,
            },
            glyphs: Glyphs::default(),
            axes: String::new(),
        }
    }

    /// An empty one of the same size, to try something.
    pub(super) fn blank(&self) -> Self {
        Canvas::new(self.medium)
    }

    /// The finished picture; `title` says what it shows where it stands alone.
    pub(super) fn finish(&self, height: f64, title: &str) -> String {
        let (w, h) = (number(self.width), number(height.ceil()));
        let body = &self.body;
        match self.medium {
            Medium::Page | Medium::Phone => format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
                 height=\"{h}\" font-family=\"{FONTS}\" font-size=\"{TEXT}\" \
                 fill=\"currentColor\"{}>\n{body}</svg>\n",
                self.axes
            ),
            Medium::Column => format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-4 -4 {} {}\" \
                 width=\"{COLUMN}mm\" height=\"{:.2}mm\" font-family=\"{FONTS}\" \
                 font-size=\"{TEXT}\" fill=\"currentColor\" color=\"#1a1a1a\" role=\"img\">\n\
                 <title>{}</title>\n<defs>\n{}</defs>\n\
                 <rect x=\"-4\" y=\"-4\" width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
                 {body}</svg>\n",
                // A little air around, as nothing else keeps the frame of a file from its text.
                number(self.width + 8.0),
                number(height.ceil() + 8.0),
                COLUMN * (height.ceil() + 8.0) / (self.width + 8.0),
                escape(title),
                self.glyphs.definitions(),
            ),
        }
    }

    /// Draws only if all is well: what `attempt` drew goes if it fails.
    pub(super) fn or_nothing(
        &mut self,
        attempt: impl FnOnce(&mut Canvas) -> Option<f64>,
    ) -> Option<f64> {
        let before = self.body.len();
        let done = attempt(self);
        if done.is_none() {
            self.body.truncate(before);
        }
        done
    }

    /// A group with a name that a browser shows where the pointer rests.
    pub(super) fn named(&mut self, name: &str, draw: impl FnOnce(&mut Canvas)) {
        let _ = writeln!(self.body, "<g><title>{}</title>", escape(name));
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// Text whose `content` is markup already; `anchor` is `start`, `middle` or `end`.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: &str, more: &str, content: &str) {
        if self.medium == Medium::Column {
            let outlined = self.glyphs.line((x, y), anchor, more, content, TEXT);
            if let Some(outlined) = outlined {
                self.body.push_str(&outlined);
                return;
            }
        }
        let (x, y) = (number(x), number(y));
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\"{more}>{content}</text>"
        );
    }

    /// Plain text of another size than the rest, centred.
    pub(super) fn small(&mut self, (x, y): (f64, f64), size: f64, text: &str) {
        let content = escape(text);
        if self.medium == Medium::Column {
            let outlined = self.glyphs.line((x, y), "middle", "", &content, size);
            if let Some(outlined) = outlined {
                self.body.push_str(&outlined);
                return;
            }
        }
        let (x, y, size) = (number(x), number(y), number(size));
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"{size}\">{content}</text>"
        );
    }

    /// A straight line; `more` is attributes beginning with a space.
    pub(super) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), more: &str) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{more}/>",
            number(x1),
            number(y1),
            number(x2),
            number(y2)
        );
    }

    pub(super) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), more: &str) {
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{more}/>"
        );
    }

    /// Blocks of one colour, each by its upper left corner and its size.
    pub(super) fn blocks(&mut self, all: &[Block], more: &str) {
        let mut d = String::new();
        for &((x, y), (width, height)) in all {
            let (x, y, w, h) = (number(x), number(y), number(width), number(height));
            let _ = write!(d, "M{x} {y}h{w}v{h}h-{w}z");
        }
        let _ = writeln!(self.body, "<path d=\"{d}\"{more}/>");
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, more: &str) {
        let (x, y, r) = (number(x), number(y), number(radius));
        let _ = writeln!(self.body, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"{more}/>");
    }

    /// A filled triangle that points to the right.
    pub(super) fn triangle(&mut self, (x, y): (f64, f64), r: f64, more: &str) {
        let corners = [(x - r, y - r), (x + r, y), (x - r, y + r)];
        let _ = writeln!(self.body, "<path d=\"{}Z\"{more}/>", path(&corners));
    }

    /// What is on another canvas, moved.
    pub(super) fn group(&mut self, (x, y): (f64, f64), of: &Canvas) {
        let (x, y) = (number(x), number(y));
        self.glyphs.join(&of.glyphs);
        let _ = writeln!(
            self.body,
            "<g transform=\"translate({x} {y})\">\n{}</g>",
            of.body
        );
    }

    /// A hollow diamond, the mark of a prediction.
    pub(super) fn diamond(&mut self, (x, y): (f64, f64), r: f64) {
        let corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
        let _ = writeln!(
            self.body,
            "<path d=\"{}Z\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\"/>",
            path(&corners)
        );
    }

    /// A closed, lightly filled area.
    pub(super) fn area(&mut self, outline: &[(f64, f64)], style: Style) {
        let (d, fill) = (path(outline), style.paint("fill"));
        let _ = writeln!(self.body, "<path d=\"{d}Z\"{fill} fill-opacity=\"0.18\"/>");
    }

    /// A pale line below a series, which is then seen on dark and on light.
    pub(super) fn halo(&mut self, points: &[(f64, f64)]) {
        let d = path(points);
        let _ = writeln!(
            self.body,
            "<path d=\"{d}\" fill=\"none\" stroke=\"#fff\" stroke-width=\"5\" \
             stroke-opacity=\"0.85\" stroke-linejoin=\"round\"/>"
        );
    }

    /// A series in pixels; a lone point of a line is drawn as a dot.
    pub(super) fn series(&mut self, points: &[(f64, f64)], style: Style, name: &str) {
        let (stroke, title) = (style.paint("stroke"), escape(name));
        if style.dotted() || points.len() == 1 {
            let d: String = points
                .iter()
                .map(|p| format!("M{} {}h0", number(p.0), number(p.1)))
                .collect();
            let _ = writeln!(
                self.body,
                "<path d=\"{d}\" fill=\"none\"{stroke} stroke-width=\"5\" \
                 stroke-opacity=\"0.75\" stroke-linecap=\"round\"><title>{title}</title></path>"
            );
            return;
        }
        let d = path(points);
        let dash = if style.mark == Mark::Dashed {
            " stroke-dasharray=\"6 4\""
        } else {
            ""
        };
        let _ = writeln!(
            self.body,
            "<path d=\"{d}\" fill=\"none\"{stroke} stroke-width=\"2\" \
             stroke-linejoin=\"round\"{dash}><title>{title}</title></path>"
        );
        let mut next = f64::NEG_INFINITY;
        for &p in points.iter().filter(|_| style.ringed()) {
            if p.0 >= next {
                self.ring(p, style);
                next = p.0 + 50.0;
            }
        }
    }

    fn ring(&mut self, at: (f64, f64), style: Style) {
        let stroke = style.paint("stroke");
        self.circle(
            at,
            3.5,
            &format!(" fill=\"none\"{stroke} stroke-width=\"1.5\""),
        );
    }

    /// Names beside samples, in as many rows as needed, from `(left, 0)`; the height taken.
    pub(super) fn legend(&mut self, left: f64, entries: &[(String, Style)]) -> f64 {
        let (mut x, mut row) = (left, 0.0);
        for (name, style) in entries {
            let name = shorten(name, (self.width / 14.5) as usize);
            let width = 30.0 + text_width(&name) + 18.0;
            if x > left && x + width > self.width + 10.0 {
                (x, row) = (left, row + 20.0);
            }
            let y = row + 11.0;
            let sample = if style.dotted() {
                vec![(x + 12.0, y)]
            } else {
                vec![(x, y), (x + 24.0, y)]
            };
            let plain = Style {
                hue: match style.hue {
                    Hue::Distinct(n) => Hue::Distinct(n % PALETTE.len()),
                    ordered @ Hue::Ordered(_) => ordered,
                },
                ..*style
            };
            self.series(&sample, plain, &name);
            if style.ringed() && !style.dotted() {
                self.ring((x + 12.0, y), *style);
            }
            self.text((x + 30.0, row + 15.5), "start", "", &escape(&name));
            x += width;
        }
        if entries.is_empty() { 0.0 } else { row + 28.0 }
    }
}

/// `10^k` as markup.
pub(super) fn power(k: i32) -> String {
    format!(
        "10<tspan dy=\"-5\" font-size=\"11\">{}</tspan>",
        k.to_string().replace('-', "−")
    )
}

/// At most one decimal.
pub(super) fn number(x: f64) -> String {
    let text = format!("{x:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Text as XML character data, also within an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            // XML 1.0 has no way to write these.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The first `most` characters, with an ellipsis if there are more.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// About how wide text is; fonts differ, so a little too wide.
pub(super) fn text_width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ':' | ';' | '|' | '\'' | '('
        | ')' | '[' | ']' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
        'A'..='Z' => 0.7,
        '\u{2e80}'.. => 1.05,
        _ => 0.64,
    };
    TEXT * text.chars().map(em).sum::<f64>()
}

fn path(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (i, p) in points.iter().enumerate() {
        let _ = write!(
            d,
            "{}{} {}",
            if i == 0 { 'M' } else { 'L' },
            number(p.0),
            number(p.1)
        );
    }
    d
}
