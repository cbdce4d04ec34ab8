//! Figures as pixels, for slides and for journals that take no SVG.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::page::Page;
use super::{File, figures, plot};

/// Pixels to an inch: what journals ask for.
pub const DPI: f32 = 300.0;

/// Every figure of a page as `figures/*.png`: as wide as its SVG at [`DPI`], on white.
///
/// # Errors
///
/// A message that names the figure, if its SVG cannot be drawn.
pub fn files(page: &Page) -> Result<Vec<File>, String> {
    figures(page)
        .into_iter()
        .map(|figure| {
            let name = &figure.name;
            let bytes = raster(&plot::svg_file(&figure.plot))
                .map_err(|message| format!("the figure `{name}` {message}"))?;
            Ok(File {
                path: format!("figures/{name}.png").into(),
                bytes,
            })
        })
        .collect()
}

/// An SVG as PNG; text in it must be outlines.
fn raster(svg: &str) -> Result<Vec<u8>, String> {
    let options = Options {
        dpi: DPI,
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|e| format!("is no SVG: {e}"))?;
    let size = tree.size().to_int_size();
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| format!("would have {} x {} pixels", size.width(), size.height()))?;
    pixels.fill(Color::WHITE);
    resvg::render(&tree, Transform::default(), &mut pixels.as_mut());
    pixels
        .encode_png()
        .map_err(|e| format!("cannot be encoded: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{Hue, Line, Plot};

    fn falling(from: f64, to: f64) -> Plot {
        Plot::Curves {
            lines: vec![Line {
                name: "loss".into(),
                points: vec![(0.0, from), (1.0, to)],
                band: Vec::new(),
                dashed: false,
                hue: Hue::Distinct(0),
            }],
            x_label: "step".into(),
            y_label: "loss".into(),
            log_x: false,
            log_y: false,
            reference_y: None,
            x_ticks: Vec::new(),
        }
    }

    fn pixels(plot: &Plot) -> Pixmap {
        let png = raster(&plot::svg_file(plot)).expect("it is an SVG");
        Pixmap::decode_png(&png).expect("it is a PNG")
    }

    /// Ink: coloured pixels of the series, in the left and in the right third, by their mean
    /// height.
    fn heights(of: &Pixmap) -> [f64; 2] {
        let third = of.width() / 3;
        let mean = |from: u32, to: u32| {
            let mut all = Vec::new();
            for y in 0..of.height() {
                for x in from..to {
                    let p = of.pixel(x, y).expect("it is inside");
                    // Blue lines, not grey frames.
                    if p.blue() > p.red().saturating_add(60) && y > of.height() / 6 {
                        all.push(f64::from(y));
                    }
                }
            }
            all.iter().sum::<f64>() / all.len() as f64
        };
        [mean(0, third), mean(2 * third, of.width())]
    }

    #[test]
    fn a_figure_is_as_wide_as_a_column_at_300_dots_an_inch() {
        let of = pixels(&falling(1.0, 0.0));
        assert_eq!(of.width(), (88.0f32 / 25.4 * DPI).round() as u32);
        assert!(of.height() > of.width() / 3);
        let corner = of.pixel(0, 0).expect("it is inside");
        assert_eq!(
            (corner.red(), corner.green(), corner.blue(), corner.alpha()),
            (255, 255, 255, 255)
        );
        // Text and frame are dark: outlines and `currentColor` were understood.
        assert!(
            of.pixels()
                .iter()
                .any(|p| p.red() < 40 && p.green() < 40 && p.blue() < 40)
        );
    }

    /// The line of a falling loss is high on the left, that of a rising one on the right.
    #[test]
    fn the_ink_is_where_the_numbers_are() {
        let [left, right] = heights(&pixels(&falling(1.0, 0.0)));
        assert!(left + 100.0 < right, "{left} {right}");
        let [left, right] = heights(&pixels(&falling(0.0, 1.0)));
        assert!(right + 100.0 < left, "{left} {right}");
    }
}
