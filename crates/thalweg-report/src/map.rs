//! The maps of a study, as figures of its page and as pictures of their own.

use resvg::tiny_skia::{IntSize, Pixmap};

use thalweg::maps::{Border, BorderKind, Picture, Pixel};
use thalweg::plan::Axis;
use thalweg::study::{Drawn, Replicates};

use super::File;
use super::page::{Block, Figure, MapLine, Plot, Section, Shade};
use super::plot::map_colour;
use super::words::key::Key;
use super::words::numbers::{capital, count, number, percent};

/// What a map is called in files: `map`, with a number where there are several.
pub fn name(place: usize, of: usize) -> String {
    match of {
        1 => "map".into(),
        _ => format!("map-{}", place + 1),
    }
}

/// What a picture of a map is called in files.
fn file_name(map: &str, title: &str) -> String {
    format!("{map}-{}", title.replace(' ', "-"))
}

/// What an axis is called.
fn label(axis: &Axis) -> String {
    let (stem, place) = match axis.key.rsplit_once('.') {
        Some((head, "*")) => (head, "every layer".to_string()),
        Some((head, last)) => match last.parse::<usize>() {
            Ok(layer) => (head, format!("layer {}", layer + 1)),
            Err(_) => (axis.key.as_str(), String::new()),
        },
        None => (axis.key.as_str(), String::new()),
    };
    let name = match stem {
        "descent.rate" => "learning rate".into(),
        "descent.rate.of_limit" => "rate over the largest stable one".into(),
        "net.gains" => format!("scale of {place}"),
        "net.hidden" => format!("units of {place}"),
        "descent.layer_rates" => format!("rate factor of {place}"),
        other => Key::of(other).map_or_else(|| other.to_string(), |key| key.noun().into()),
    };
    if axis.log {
        format!("{name} (log)")
    } else {
        name
    }
}

/// The condition of a map, as the beginning of a sentence; empty without one.
fn condition(picture: &Picture) -> String {
    let named = picture.condition.iter().map(|(key, _)| {
        Key::of(key).map_or_else(|| key.clone(), |key| key.value(&picture.setting))
    });
    named.collect::<Vec<_>>().join(", ")
}

fn border_name(kind: BorderKind) -> &'static str {
    match kind {
        BorderKind::LargestStableRate => "largest stable rate",
        BorderKind::Catapult => "4/λ, the catapult's end",
        BorderKind::Interpolation => "d = N − 1",
        BorderKind::Capacity => "as many parameters as targets",
    }
}

/// What a picture shows, and where its colours begin and end.
struct Scale {
    title: &'static str,
    /// Of values, the places of colours from 0 to 1.
    low: f64,
    high: f64,
    log: bool,
    marks: Vec<(Shade, String)>,
}

impl Scale {
    fn of(drawn: Drawn, picture: &Picture) -> Scale {
        let shown = || picture.pixels.iter().flatten().map(|p| p.value(drawn));
        let (title, log) = match drawn {
            Drawn::Success => ("success", false),
            Drawn::Predicted => ("predicted success", false),
            Drawn::Steps => ("median steps", true),
            Drawn::Loss => ("median loss at the end", true),
            Drawn::Divergence => ("median step of divergence", true),
        };
        if !log {
            let mark = |share: f64| (Shade::Value(share), percent(share));
            return Scale {
                title,
                low: 0.0,
                high: 1.0,
                log,
                marks: [0.0, 0.25, 0.5, 0.75, 1.0].map(mark).to_vec(),
            };
        }
        let known = || {
            shown()
                .filter(|v| v.is_finite() && *v > 0.0)
                .map(f64::log10)
        };
        let (low, high) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
            (a.min(v), b.max(v))
        });
        let one = high - low < 1e-9;
        let high = if one { low + 1.0 } else { high };
        let mark = |share: f64| {
            let value = 10f64.powf(low + share * (high - low));
            (Shade::Value(share), number(value))
        };
        Scale {
            title,
            low,
            high,
            log,
            marks: match (low.is_finite(), one) {
                (true, false) => [0.0, 0.5, 1.0].map(mark).to_vec(),
                (true, true) => vec![mark(0.0)],
                (false, _) => Vec::new(),
            },
        }
    }

    fn shade(&self, drawn: Drawn, pixel: Option<&Pixel>) -> Shade {
        let Some(pixel) = pixel else {
            return Shade::Nothing;
        };
        let value = pixel.value(drawn);
        let known = if self.log {
            value > 0.0 && value.is_finite()
        } else {
            value.is_finite()
        };
        if known {
            let at = if self.log { value.log10() } else { value };
            return Shade::Value((at - self.low) / (self.high - self.low));
        }
        match drawn {
            // What converged is no part of a picture of divergence.
            Drawn::Divergence => Shade::Beyond,
            Drawn::Success | Drawn::Steps | Drawn::Loss | Drawn::Predicted => {
                if 2 * pixel.diverged > pixel.replicates {
                    Shade::Diverged
                } else if self.log && value == 0.0 {
                    Shade::Value(0.0)
                } else {
                    Shade::Beyond
                }
            }
        }
    }

    fn shades(&self, drawn: Drawn, picture: &Picture) -> Vec<Shade> {
        let places = 0..picture.pixels.len();
        places
            .map(|place| self.shade(drawn, picture.at(place)))
            .collect()
    }
}

/// The figures of a map.
fn figures(name: &str, picture: &Picture) -> Vec<Figure> {
    let line = |border: &Border| MapLine {
        name: border_name(border.kind).into(),
        points: border.points.clone(),
    };
    let lines: Vec<MapLine> = picture.borders.iter().map(line).collect();
    let begun = |sentence: &str| match condition(picture) {
        none if none.is_empty() => capital(sentence),
        some => format!("At {some}: {sentence}"),
    };
    let plot = |title: &str, shades, marks, lines: &[MapLine]| Plot::Map {
        x: picture.x.values.clone(),
        y: picture.y.values.clone(),
        x_label: label(&picture.x),
        y_label: label(&picture.y),
        log_x: picture.x.log,
        log_y: picture.y.log,
        title: title.into(),
        shades,
        marks,
        lines: lines.to_vec(),
    };
    let mut all = Vec::new();
    for drawn in &picture.draw {
        let scale = Scale::of(*drawn, picture);
        let shades = scale.shades(*drawn, picture);
        all.push(Figure {
            name: file_name(name, scale.title),
            caption: begun(&told(*drawn, picture)),
            plot: plot(scale.title, shades, scale.marks, &lines),
        });
    }
    if let Some(figure) = sureness(name, picture, &begun, &plot) {
        all.push(figure);
    }
    if picture.draw.contains(&Drawn::Success) && picture.draw.contains(&Drawn::Predicted) {
        let difference = |place: usize| match picture.at(place) {
            Some(p) if p.predicted.is_finite() => Shade::Signed(p.share() - p.predicted),
            _ => Shade::Nothing,
        };
        let shades = (0..picture.pixels.len()).map(difference).collect();
        let mark = |share: f64, text: &str| (Shade::Signed(share), text.to_string());
        let marks = vec![
            mark(-1.0, "−100 %"),
            mark(0.0, "as predicted"),
            mark(1.0, "+100 %"),
        ];
        all.push(Figure {
            name: format!("{name}-difference"),
            caption: begun(
                "the observed share of successes minus the predicted one, in points of per cent.",
            ),
            plot: plot("observed − predicted", shades, marks, &[]),
        });
    }
    all
}

/// Draws shades under a title, with the meaning of some, and lines over them.
type Draw<'a> = dyn Fn(&str, Vec<Shade>, Vec<(Shade, String)>, &[MapLine]) -> Plot + 'a;

/// How wide the intervals of the shares are; none where every pixel has one replicate.
fn sureness(
    name: &str,
    picture: &Picture,
    begun: &dyn Fn(&str) -> String,
    plot: &Draw<'_>,
) -> Option<Figure> {
    let shares = picture.draw.contains(&Drawn::Success);
    let several = picture.pixels.iter().flatten().any(|p| p.replicates > 1);
    if !shares || !several {
        return None;
    }
    let width = |place: usize| {
        picture.at(place).map_or(Shade::Nothing, |pixel| {
            let interval = picture.interval(pixel);
            Shade::Value(interval.high - interval.low)
        })
    };
    let shades: Vec<Shade> = (0..picture.pixels.len()).map(width).collect();
    let marks = [0.0, 0.5, 1.0].map(|share| (Shade::Value(share), percent(share)));
    Some(Figure {
        name: format!("{name}-interval"),
        caption: begun(
            "how far the 95 % interval of each pixel's probability of success reaches, from its \
             lower to its upper end: the darker, the surer.",
        ),
        plot: plot("width of the interval", shades, marks.to_vec(), &[]),
    })
}

/// What a picture says, in sentences.
fn told(drawn: Drawn, picture: &Picture) -> String {
    let pixels = picture.pixels.len();
    let trained = match picture.trained {
        all if all == pixels => format!("all of its {} pixels were trained", count(all as u64)),
        some => format!(
            "{} of its {} pixels were trained, most where neighbours differ; the others have the \
             colour of the nearest one of the grid",
            count(some as u64),
            count(pixels as u64)
        ),
    };
    let each = match picture.setting.replicates {
        Replicates::Fixed(1) => "one network each".into(),
        Replicates::Fixed(n) => format!("{} networks each", count(n)),
        Replicates::UntilDecided { at_most, .. } => {
            format!(
                "as many networks each as a decision takes, {} at most",
                count(at_most)
            )
        }
    };
    let what = match drawn {
        Drawn::Success => "the share of networks that succeed",
        Drawn::Steps => "the step at which half of the networks are below the loss",
        Drawn::Loss => "the loss at the end, in the median",
        Drawn::Divergence => "the step at which networks diverge, in the median of those that do",
        Drawn::Predicted => "the share that infinitely wide networks on the same data predict",
    };
    format!("{what}; {trained}, {each}.")
}

/// What the border between training and divergence is, if it is long enough to say.
fn dimension(picture: &Picture) -> Option<String> {
    let found = picture.dimension?;
    Some(format!(
        "The border between the networks that diverge and the others has the box-counting \
         dimension {:.2} ({:.2} to {:.2}, 95 %, from {} sizes of boxes). A smooth line has 1; maps \
         of learning rates of two layers have been found between 1.17 and 1.98 (Sohl-Dickstein \
         2024, arXiv:2402.06184).",
        found.dimension, found.low, found.high, found.sizes
    ))
}

/// The section of the maps.
pub fn section(pictures: &[Picture]) -> Section {
    let mut blocks = Vec::new();
    for (place, picture) in pictures.iter().enumerate() {
        let all = figures(&name(place, pictures.len()), picture);
        blocks.extend(all.into_iter().map(Block::Figure));
        blocks.extend(dimension(picture).map(Block::Text));
    }
    Section {
        title: "The map".into(),
        blocks,
    }
}

/// Every map as a picture of its pixels alone, one for each that was computed, for posters:
/// `map/…`.
///
/// # Errors
///
/// If a picture cannot be encoded.
pub fn pixels(pictures: &[Picture]) -> Result<Vec<File>, String> {
    let mut all = Vec::new();
    for (place, picture) in pictures.iter().enumerate() {
        for drawn in &picture.draw {
            let scale = Scale::of(*drawn, picture);
            let shades = scale.shades(*drawn, picture);
            let (width, height) = (picture.x.values.len(), picture.y.values.len());
            let mut bytes = Vec::with_capacity(4 * shades.len());
            // The first row of a picture is its uppermost.
            for row in shades.chunks_exact(width).rev() {
                for shade in row {
                    let [r, g, b] = map_colour(*shade).unwrap_or([255; 3]);
                    bytes.extend([r, g, b, 255]);
                }
            }
            let size = IntSize::from_wh(width as u32, height as u32);
            let map = size.and_then(|size| Pixmap::from_vec(bytes, size));
            let png = map.ok_or("the map has no pixel")?.encode_png();
            let file = file_name(&name(place, pictures.len()), scale.title);
            all.push(File {
                path: format!("map/{file}.png").into(),
                bytes: png.map_err(|e| format!("a map cannot be encoded: {e}"))?,
            });
        }
    }
    Ok(all)
}

/// The answer of the maps in sentences, a line each.
pub fn words(pictures: &[Picture]) -> Vec<String> {
    let line = |picture: &Picture| {
        let known = picture.pixels.iter().flatten();
        let good = known
            .clone()
            .filter(|p| picture.interval(p).low >= picture.setting.success.share);
        let (good, all) = (good.count(), known.clone().count());
        let at = match condition(picture) {
            none if none.is_empty() => String::new(),
            some => format!(" at {some}"),
        };
        let share = percent(picture.setting.success.share);
        let all = count(all as u64);
        let mut said = match picture.setting.replicates {
            Replicates::Fixed(1) => {
                let sum = |of: fn(&Pixel) -> u64| count(known.clone().map(of).sum());
                format!(
                    "The map{at}: {} of {all} networks succeed, {} diverge.",
                    sum(|p| p.below),
                    sum(|p| p.diverged)
                )
            }
            Replicates::Fixed(_) | Replicates::UntilDecided { .. } => format!(
                "The map{at}: {} of {all} trained pixels reach {share} by their whole interval.",
                count(good as u64),
            ),
        };
        if let Some(dimension) = dimension(picture) {
            said = format!("{said} {dimension}");
        }
        said
    };
    pictures.iter().map(line).collect()
}
