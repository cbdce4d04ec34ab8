//! Writes a page as one HTML file that needs no network; its script, if it may run, lets figures be
//! zoomed and cells be looked into.

use askama::Template;

use super::page::{Block, Page, Table};
use super::svg::escape;
use super::{plot, readout};

/// The style of every page.
pub(super) const CSS: &str = include_str!("../templates/report.css");

/// The page as HTML, with its style, figures, data and script inside.
pub(super) fn render(page: &Page) -> String {
    // In a script element only `<` could end it or open a comment.
    let data = page.json().to_string().replace('<', "\\u003c");
    let nonce = blake3::hash(data.as_bytes()).to_hex()[..32].to_string();
    // Writing to a string cannot fail, and the template calls nothing else that can.
    let report = Report {
        page,
        data: &data,
        nonce: &nonce,
        css: CSS,
        uplot_css: include_str!("../templates/vendor/uPlot.min.css"),
        uplot: include_str!("../templates/vendor/uPlot.iife.min.js"),
        uplot_licence: include_str!("../templates/vendor/uPlot.LICENSE"),
        script: include_str!("../templates/report.js"),
    };
    report.render().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "report.html")]
struct Report<'a> {
    page: &'a Page,
    data: &'a str,
    nonce: &'a str,
    css: &'a str,
    uplot_css: &'a str,
    uplot: &'a str,
    uplot_licence: &'a str,
    script: &'a str,
}

#[derive(Template)]
#[template(path = "block.html")]
struct View<'a> {
    block: &'a Block,
}

#[derive(Template)]
#[template(path = "table.html")]
struct TableView<'a> {
    table: &'a Table,
}

/// A block as markup; a part brings its own blocks.
fn block(block: &Block) -> String {
    View { block }.render().unwrap_or_default()
}

fn table(table: &Table) -> String {
    TableView { table }.render().unwrap_or_default()
}

fn numbers(figure: &super::page::Figure) -> String {
    table(&readout::table(&figure.plot))
}

fn figure(figure: &super::page::Figure) -> String {
    block(&Block::Figure(figure.clone()))
}

/// A paragraph as markup: escaped, with text between two backticks as code.
pub(super) fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    let mut out = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        let piece = escape(piece);
        match i {
            _ if i % 2 == 0 => out.push_str(&unbroken(&piece)),
            // The last backtick has no partner.
            _ if i + 1 == pieces.len() => out.push_str(&format!("`{piece}")),
            _ => out.push_str(&format!("<code>{piece}</code>")),
        }
    }
    out
}

/// Text whose numbers stay on one line: with their per cent sign, exponent, and the other end of
/// their interval.
fn unbroken(text: &str) -> String {
    let text = text.replace(" %", "\u{a0}%").replace("× ", "×\u{a0}");
    let all: Vec<char> = text.chars().collect();
    let digit = |i: Option<usize>| i.and_then(|i| all.get(i)).is_some_and(char::is_ascii_digit);
    let mut out = String::with_capacity(text.len());
    for (i, c) in all.iter().enumerate() {
        match c {
            // A word joiner on both sides; a hyphen that does not break.
            '–' if digit(i.checked_sub(1)) && digit(Some(i + 1)) => {
                out.push_str("\u{2060}–\u{2060}")
            }
            '-' if i > 1 && all[i - 1] == 'e' && digit(i.checked_sub(2)) && digit(Some(i + 1)) => {
                out.push('\u{2011}');
            }
            c => out.push(*c),
        }
    }
    out
}

/// A caption as plain text, for a label.
fn label(text: &str) -> String {
    text.replace('`', "")
}

// The template passes every argument by reference.
impl Table {
    fn is_numeric(&self, column: &usize) -> bool {
        self.columns.get(*column).is_some_and(|c| c.numeric)
    }

    fn is_base(&self, row: &usize) -> bool {
        self.base == Some(*row)
    }

    fn cell(&self, row: &usize) -> Option<usize> {
        self.cells.get(*row).copied()
    }
}

#[cfg(test)]
mod tests {
    use thalweg::analysis::summary::Reaches;

    use super::super::page::{
        Figure, FitPoint, Heading, Hue, IntervalRow, Line, OverviewDot, OverviewRow, Part, Plot,
        Section, Series, ShareRow, TimeRow,
    };
    use super::*;

    const NUMBERS: [f64; 14] = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        -1.0,
        0.5,
        1.0,
        1e-8,
        1e300,
        -1e300,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
    ];

    /// Every kind of plot of the same points, all of its text being `text`.
    fn plots(text: &str, points: &[(f64, f64)]) -> Vec<Plot> {
        let label = || text.to_owned();
        let series = |hue| Series {
            name: label(),
            points: points.to_vec(),
            hue,
        };
        let named = || vec![series(Hue::Distinct(9)), series(Hue::Ordered(0.3))];
        let row = |&(value, low): &(f64, f64)| IntervalRow {
            label: label(),
            value,
            low,
            high: -low,
            predicted: Some(low),
            base: low > value,
        };
        let band: Vec<_> = points.iter().map(|p| (p.0, p.1, 2.0 * p.1)).collect();
        let line = |dashed| Line {
            name: label(),
            points: points.to_vec(),
            band: band.clone(),
            dashed,
            hue: Hue::Ordered(1.5),
        };
        let target = points.first().map_or(0.8, |p| p.0);
        let mut plots = vec![
            Plot::Intervals {
                rows: points.iter().map(row).collect(),
                target,
                x_label: label(),
            },
            Plot::Times {
                rows: (points.iter())
                    .map(|p| TimeRow {
                        label: label(),
                        median: p.0,
                        low: p.1,
                        high: -p.1,
                        late: Some(p.1),
                        base: p.0 > p.1,
                    })
                    .collect(),
                x_label: label(),
            },
            Plot::Survival {
                curves: named(),
                x_label: label(),
                marks: points.iter().map(|p| (p.0, label())).collect(),
            },
        ];
        for (log_x, log_y) in [(false, false), (false, true), (true, false), (true, true)] {
            let lines = vec![line(true), line(false), line(true)];
            let reference_y = points.first().map(|p| p.1);
            let (x_label, y_label) = (label(), label());
            plots.push(Plot::Curves {
                lines,
                x_label,
                y_label,
                log_x,
                log_y,
                reference_y,
                x_ticks: points.iter().map(|p| (p.0, label())).collect(),
            });
        }
        for (log_x, log_y, diagonal) in [
            (true, true, false),
            (true, true, true),
            (false, true, false),
            (false, false, true),
        ] {
            let (x_label, y_label) = (label(), label());
            plots.push(Plot::Scatter {
                groups: named(),
                x_label,
                y_label,
                log_x,
                log_y,
                diagonal,
            });
        }
        let small = |v: f64| if v.is_finite() { v as u64 % 1000 } else { 0 };
        let counts = |p: &(f64, f64)| vec![small(p.0), 0];
        plots.push(Plot::Shares {
            rows: (points.iter())
                .map(|p| ShareRow {
                    label: label(),
                    counts: counts(p),
                })
                .collect(),
            names: vec![label(), label()],
            colours: vec![0, 99],
            x_label: label(),
        });
        let numbers: Vec<f64> = points.iter().map(|p| p.0).collect();
        let fit = |second: Vec<f64>| Plot::Fit {
            outputs: vec![0.5; numbers.len() * second.len().max(1)],
            wide: match second.is_empty() {
                true => points.to_vec(),
                false => Vec::new(),
            },
            first: numbers.clone(),
            points: (points.iter())
                .map(|p| FitPoint {
                    x: [p.0, p.1],
                    target: p.1,
                    near: true,
                })
                .collect(),
            second,
        };
        plots.extend([fit(numbers.clone()), fit(Vec::new())]);
        let dot = |p: &(f64, f64)| OverviewDot {
            label: label(),
            steps: Some(p.0),
            reaches: Reaches::No,
        };
        plots.push(Plot::Overview {
            rows: vec![OverviewRow {
                label: label(),
                dots: points.iter().map(dot).collect(),
            }],
            base: points.first().map(|p| p.1),
            base_label: label(),
            x_label: label(),
        });
        plots
    }

    /// A page on which every string is `text`.
    fn page(text: &str) -> Page {
        let s = || text.to_owned();
        let figure = |plot| {
            Block::Figure(Figure {
                name: s(),
                caption: s(),
                plot,
            })
        };
        let table = Table {
            name: s(),
            caption: s(),
            columns: vec![
                Heading {
                    name: s(),
                    numeric: false,
                },
                Heading {
                    name: s(),
                    numeric: true,
                },
            ],
            rows: vec![vec![s(), s(), s()], vec![], vec![s(); 2]],
            base: Some(2),
            numbers: Vec::new(),
            cells: vec![0, 7],
        };
        let mut blocks = vec![
            Block::Text(s()),
            Block::Table(table.clone()),
            Block::Code(s()),
            Block::List(vec![s(), s()]),
            Block::Part(Part {
                title: s(),
                lead: s(),
                blocks: vec![Block::Text(s()), Block::Table(table)],
            }),
        ];
        blocks.extend(
            plots(text, &[(1.0, 0.9), (10.0, 0.2)])
                .into_iter()
                .map(figure),
        );
        let section = Section { title: s(), blocks };
        Page {
            title: s(),
            run: s(),
            question: s(),
            answer: s(),
            choice: s(),
            lines: vec![s(), s()],
            more: vec![s(), s()],
            picture: None,
            sections: vec![section.clone(), section.clone()],
            appendix: vec![section],
            cells: Vec::new(),
            study: s(),
            footer: vec![s()],
        }
    }

    fn assert_picture(svg: &str) {
        let tree = roxmltree::Document::parse(svg);
        assert!(tree.is_ok(), "{:?}\n{svg}", tree.err());
        assert!(!svg.contains("<script"), "a script in\n{svg}");
        // Words may begin with it: networks are infinitely wide.
        let mut words = svg.split(|c: char| !c.is_alphabetic());
        let wrong = words.find(|word| ["NaN", "inf", "infinity"].contains(word));
        assert_eq!(wrong, None, "in\n{svg}");
    }

    /// The page without its scripts: they are ours, but for the data, which has a test of its own.
    fn markup(html: &str) -> String {
        let end = html
            .find("<script type=\"application/json\"")
            .expect("the data");
        html[..end].to_string()
    }

    #[test]
    fn the_data_cannot_leave_its_element_and_are_what_json_prints() {
        let page = page("</script><!-- <script> \u{2028}");
        let html = render(&page);
        let (_, rest) = html.split_once("id=\"data\">").expect("the data");
        let (data, _) = rest.split_once("</script>").expect("its end");
        assert!(!data.contains('<'));
        let back: serde_json::Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(back, page.json());
    }

    #[test]
    fn text_of_the_user_stays_text() {
        let html = render(&page(
            "<script>alert(1)</script>` \" onload='x' & <b>`<i>` \0\u{1b}",
        ));
        let html = markup(&html);
        for markup in ["<script", "<b>", "<i>", "\" onload", "' onload", "& "] {
            assert!(!html.contains(markup), "{markup}");
        }
        assert!(html.contains("alert(1)"));
    }

    #[test]
    fn text_between_backticks_is_code_and_nothing_else_is_interpreted() {
        assert_eq!(prose("a `b<c` *d* `e"), "a <code>b&lt;c</code> *d* `e");
        assert_eq!(prose("``"), "<code></code>");
        assert_eq!(prose("80 % of `7 % 2`"), "80\u{a0}% of <code>7 % 2</code>");
        assert_eq!(
            prose("1e-8, 5–6 – e-mail"),
            "1e\u{2011}8, 5\u{2060}–\u{2060}6 – e-mail"
        );
    }

    #[test]
    fn every_plot_of_every_pair_of_hostile_numbers_is_a_picture() {
        for a in NUMBERS {
            for b in NUMBERS {
                for points in [
                    vec![(a, b)],
                    vec![(a, b), (b, a)],
                    vec![(a, b), (1.0, 1e-3)],
                ] {
                    for plot in plots("a", &points) {
                        assert_picture(&plot::svg(&plot));
                    }
                }
            }
        }
    }

    #[test]
    fn text_of_the_user_stays_text_in_a_picture() {
        for plot in plots(
            "</text><script>\" &amp; \0\u{7}\u{fffe} 漢字 🙂",
            &[(1.0, 0.9), (10.0, 0.2)],
        ) {
            assert_picture(&plot::svg(&plot));
            assert_picture(&plot::svg_file(&plot));
        }
    }

    #[test]
    fn a_plot_without_data_says_so() {
        for points in [
            vec![],
            vec![(f64::NAN, f64::NAN)],
            vec![(f64::INFINITY, 1.0); 3],
        ] {
            for plot in plots("a", &points) {
                let rows = matches!(&plot, Plot::Intervals { rows, .. } if !rows.is_empty());
                assert!(rows || plot::svg(&plot).contains("no data"), "{plot:?}");
            }
        }
    }

    #[test]
    fn a_long_series_is_thinned_and_keeps_its_peak() {
        let mut points: Vec<_> = (0..100_000).map(|i| (f64::from(i), 1.0)).collect();
        points[54_321].1 = 1e5;
        let line = Line {
            name: "a".to_owned(),
            points,
            band: vec![],
            dashed: false,
            hue: Hue::Distinct(0),
        };
        let plot = |lines| Plot::Curves {
            lines,
            x_label: "x".to_owned(),
            y_label: "y".to_owned(),
            log_x: false,
            log_y: true,
            reference_y: None,
            x_ticks: Vec::new(),
        };
        let svg = plot::svg(&plot(vec![line]));
        assert!(svg.len() < 20_000, "{}", svg.len());
        assert!(svg.contains(">5</tspan>"), "the axis reaches the peak");
    }

    #[test]
    fn more_curves_than_colours_stay_apart() {
        let curves = (0..10)
            .map(|i| Series {
                name: format!("d = {i}"),
                points: vec![(1.0, 0.9), (100.0, 0.1)],
                hue: Hue::Distinct(i),
            })
            .collect();
        let svg = plot::svg(&Plot::Survival {
            curves,
            x_label: "step".to_owned(),
            marks: Vec::new(),
        });
        assert_picture(&svg);
        // Three curves beyond the seven colours: one ring in the legend and two or more on the
        // line.
        assert!(svg.matches("<circle").count() >= 9);
    }

    #[test]
    fn a_page_asks_the_network_for_nothing() {
        let whole = render(&page("a"));
        let html = markup(&whole);
        // What the scripts could load is refused by the page's own policy.
        assert!(whole.contains(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'nonce-"
        ));
        let without_names = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in ["http://", "https://", "src=", "url(", "@import", "<script"] {
            assert!(!without_names.contains(outside), "{outside}");
        }
        for target in html.split("href=\"").skip(1) {
            assert!(
                target.starts_with('#') || target.starts_with("data:"),
                "{target:.30}"
            );
        }
    }

    #[test]
    fn every_figure_has_a_caption_and_a_label() {
        let page = page("a");
        let html = render(&page);
        let html = markup(&html);
        let figures = html.matches("<figure data-figure=\"a\"").count();
        assert_eq!(figures, 3 * plots("a", &[(1.0, 0.9), (10.0, 0.2)]).len());
        assert_eq!(html.matches("<figcaption>a</figcaption>").count(), figures);
        assert_eq!(html.matches("role=\"img\" aria-label=\"").count(), figures);
        assert!(!html.contains("aria-label=\"\""));
    }

    #[test]
    fn the_same_page_is_the_same_bytes() {
        assert_eq!(render(&page("a")), render(&page("a")));
    }
}
