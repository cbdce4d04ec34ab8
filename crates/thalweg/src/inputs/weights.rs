//! Weights of other programs, matched to the tensors of a network.

use super::Array;
use crate::engine::Tensor;

/// A linear layer in a file: its weight, and its bias if it has one.
struct Layer<'a> {
    /// What comes before `.weight`.
    stem: &'a str,
    weight: &'a Array,
    bias: Option<&'a Array>,
}

/// The arrays of each network of a stack, as `torch.func.stack_module_state` makes one; one list
/// for a file of one network. Weights of a network have two axes at most, those of a stack three.
pub(super) fn unstacked(arrays: &[Array]) -> Result<Vec<Vec<Array>>, String> {
    let Some(deepest) = arrays.iter().find(|a| a.shape.len() == 3) else {
        return Ok(vec![arrays.to_vec()]);
    };
    let count = deepest.shape[0];
    if let Some(other) = arrays.iter().find(|a| a.shape.first() != Some(&count)) {
        let (name, shape) = (&other.name, &other.shape);
        return Err(format!(
            "is a stack of {count} networks, and holds `{name}` of shape {shape:?}"
        ));
    }
    if count == 0 {
        return Err("is a stack of no network".into());
    }
    let one = |i: usize| {
        let part = |array: &Array| {
            let size = array.values.len() / count;
            Array {
                name: array.name.clone(),
                shape: array.shape[1..].to_vec(),
                values: array.values[i * size..(i + 1) * size].to_vec(),
            }
        };
        arrays.iter().map(part).collect()
    };
    Ok((0..count).map(one).collect())
}

/// The arrays of a file in the order of a network's tensors.
///
/// Names that are the network's own are taken as they are, a prefix that all of them have
/// (`module.`, `_orig_mod.`, `net.`) left out. Other names are matched layer by layer: where the
/// shapes leave no choice by these, and among layers of one shape by the numbers in their names
/// (`fc1`, `fc2`; `layers.0.linear`, `layers.3.linear`). The error is what does not fit.
pub(super) fn matched<'a>(
    arrays: &'a [Array],
    tensors: &[Tensor],
) -> Result<Vec<&'a Array>, String> {
    let prefix = common_prefix(arrays);
    let own = |name: &str| arrays.iter().find(|a| a.name[prefix..] == *name);
    let named: Vec<&Array> = tensors.iter().filter_map(|t| own(&t.name)).collect();
    if named.len() == tensors.len() && arrays.len() == tensors.len() {
        return fits(named, tensors);
    }
    // With its own names a file that does not fit is told by them.
    let known = |a: &Array| tensors.iter().any(|t| t.name == a.name[prefix..]);
    if arrays.iter().any(known) && arrays.iter().filter(|a| known(a)).count() * 2 > tensors.len() {
        return Err(by_name(arrays, tensors, prefix));
    }
    let layers = layers(arrays)?;
    let wanted: Vec<&[Tensor]> = tensors.chunk_by(|a, b| a.layer == b.layer).collect();
    if layers.len() != wanted.len() {
        let (held, wanted) = (layers.len(), wanted.len());
        return Err(format!(
            "has {held} linear layers, and the network {wanted}"
        ));
    }
    let mut all = Vec::new();
    for (at, layer) in wanted.iter().enumerate() {
        let shape = &layer[0].shape;
        let alike = |l: &&Layer<'_>| l.weight.shape == *shape;
        let mut candidates: Vec<&Layer<'_>> = layers.iter().filter(alike).collect();
        let same = wanted.iter().filter(|w| w[0].shape == *shape).count();
        if candidates.len() != same {
            let held = candidates.len();
            return Err(format!(
                "has {held} layers of shape {shape:?}, and the network {same}"
            ));
        }
        if same > 1 {
            order(&mut candidates)?;
        }
        let before = wanted[..at].iter().filter(|w| w[0].shape == *shape).count();
        let found = candidates[before];
        all.push(found.weight);
        match (layer.get(1), found.bias) {
            (Some(_), Some(bias)) => all.push(bias),
            (None, None) => {}
            (Some(_), None) => return Err(format!("has no tensor `{}.bias`", found.stem)),
            (None, Some(bias)) => {
                let name = &bias.name;
                return Err(format!("holds `{name}`, which the network does not have"));
            }
        }
    }
    fits(all, tensors)
}

/// The arrays, if each has the shape of its tensor.
fn fits<'a>(arrays: Vec<&'a Array>, tensors: &[Tensor]) -> Result<Vec<&'a Array>, String> {
    match arrays.iter().zip(tensors).find(|(a, t)| a.shape != t.shape) {
        None => Ok(arrays),
        Some((array, _)) => {
            let Array { name, shape, .. } = array;
            Err(format!("holds `{name}` of shape {shape:?}"))
        }
    }
}

/// What is superfluous or missing in a file of the network's own names.
fn by_name(arrays: &[Array], tensors: &[Tensor], prefix: usize) -> String {
    let other = |a: &&Array| tensors.iter().all(|t| t.name != a.name[prefix..]);
    if let Some(array) = arrays.iter().find(other) {
        let name = &array.name;
        return format!("holds `{name}`, which the network does not have");
    }
    let missing = |t: &&Tensor| arrays.iter().all(|a| t.name != a.name[prefix..]);
    match tensors.iter().find(missing) {
        Some(tensor) => format!("has no tensor `{}`", tensor.name),
        None => "holds a tensor twice".into(),
    }
}

/// The length of the dotted parts that the names of all arrays begin with and that are no numbers:
/// those of `nn.Sequential` count its layers.
fn common_prefix(arrays: &[Array]) -> usize {
    let Some(first) = arrays.first() else {
        return 0;
    };
    let mut length = 0;
    for (dot, _) in first.name.match_indices('.') {
        let part = &first.name[length..dot];
        let number = part.bytes().all(|b| b.is_ascii_digit());
        let prefix = &first.name[..=dot];
        // What is left is more than `weight` and `bias`.
        let inside = |a: &Array| {
            a.name
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.contains('.'))
        };
        if number || !arrays.iter().all(inside) {
            break;
        }
        length = dot + 1;
    }
    length
}

/// The linear layers of a file.
fn layers(arrays: &[Array]) -> Result<Vec<Layer<'_>>, String> {
    let mut all = Vec::new();
    for weight in arrays {
        if let Some(stem) = weight.name.strip_suffix(".weight") {
            let bias = |a: &&Array| a.name.strip_suffix(".bias") == Some(stem);
            all.push(Layer {
                stem,
                weight,
                bias: arrays.iter().find(bias),
            });
        }
    }
    let used = |a: &&Array| {
        let stem = a.name.strip_suffix(".bias");
        !a.name.ends_with(".weight") && all.iter().all(|l| Some(l.stem) != stem)
    };
    match arrays.iter().find(used) {
        None => Ok(all),
        Some(array) => {
            let name = &array.name;
            Err(format!("holds `{name}`, which is of no linear layer"))
        }
    }
}

/// A name without its numbers, and its numbers.
fn numbered(stem: &str) -> (String, Vec<u64>) {
    let text = stem
        .chars()
        .map(|c| if c.is_ascii_digit() { '#' } else { c });
    let numbers = stem
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok());
    let mut text: Vec<char> = text.collect();
    text.dedup_by(|a, b| *a == '#' && *b == '#');
    (text.into_iter().collect(), numbers.collect())
}

/// Sorts layers of one shape by the numbers in their names.
fn order(layers: &mut [&Layer<'_>]) -> Result<(), String> {
    let pattern = |l: &Layer<'_>| numbered(l.stem).0;
    let first = pattern(layers[0]);
    if layers
        .iter()
        .any(|l| pattern(l) != first || !first.contains('#'))
    {
        let names: Vec<String> = layers.iter().map(|l| format!("`{}`", l.stem)).collect();
        return Err(format!(
            "does not say in which order its layers {} of one shape come",
            names.join(", ")
        ));
    }
    layers.sort_by_key(|l| numbered(l.stem).1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Net, tensors};

    /// Arrays of these names and shapes; the value of each is its place.
    fn arrays(all: &[(&str, &[usize])]) -> Vec<Array> {
        let array = |(i, (name, shape)): (usize, &(&str, &[usize]))| Array {
            name: (*name).to_string(),
            shape: shape.to_vec(),
            values: vec![i as f64; shape.iter().product()],
        };
        all.iter().enumerate().map(array).collect()
    }

    fn names(all: &[(&str, &[usize])], hidden: &[usize]) -> Result<Vec<String>, String> {
        let net = Net {
            hidden: hidden.to_vec(),
            ..Net::default()
        };
        let (arrays, tensors) = (arrays(all), tensors(&net, 3, 1));
        let found = matched(&arrays, &tensors)?;
        Ok(found.iter().map(|a| a.name.clone()).collect())
    }

    /// Whatever modules are called, and in whatever order a file has them.
    #[test]
    fn weights_are_matched_by_prefix_number_and_shape() {
        let (first, one, middle, last) = ([4, 3], [4], [4, 4], [1, 4]);
        for stems in [
            ["0", "2", "4"],
            ["module.0", "module.2", "module.4"],
            ["_orig_mod.net.0", "_orig_mod.net.2", "_orig_mod.net.4"],
            ["0", "3", "6"],
            ["fc1", "fc2", "fc3"],
            ["fc1", "fc2", "out"],
            ["head", "body", "tail"],
            ["layers.0.linear", "layers.1.linear", "layers.10.linear"],
        ] {
            let w: Vec<String> = stems.iter().map(|s| format!("{s}.weight")).collect();
            let b: Vec<String> = stems.iter().map(|s| format!("{s}.bias")).collect();
            // The order of a file is not that of its layers.
            let all: [(&str, &[usize]); 6] = [
                (&b[2], &[1]),
                (&w[1], &middle),
                (&b[0], &one),
                (&w[2], &last),
                (&w[0], &first),
                (&b[1], &one),
            ];
            let right = [0, 1, 2].map(|i| [w[i].clone(), b[i].clone()]).concat();
            assert_eq!(names(&all, &[4, 4]).expect(stems[0]), right, "{stems:?}");
        }
    }

    #[test]
    fn weights_that_leave_a_choice_are_refused() {
        let square: [usize; 2] = [3, 3];
        let two = |a: &'static str, b: &'static str| {
            let name = |s: &str, kind: &str| format!("{s}.{kind}");
            let (aw, ab) = (name(a, "weight"), name(a, "bias"));
            let (bw, bb) = (name(b, "weight"), name(b, "bias"));
            let all: [(&str, &[usize]); 6] = [
                (&aw, &square),
                (&ab, &[3]),
                (&bw, &square),
                (&bb, &[3]),
                ("out.weight", &[1, 3]),
                ("out.bias", &[1]),
            ];
            names(&all, &[3, 3])
        };
        let error = two("head", "body").expect_err("which is first?");
        assert!(error.contains("`head`, `body` of one shape"), "{error}");
        assert_eq!(two("l2", "l1").expect("by number")[0], "l1.weight");
        for (all, words) in [
            (
                &[("0.weight", &[4, 3][..])][..],
                "1 linear layers, and the network 2",
            ),
            (
                &[("a.weight", &[3, 4]), ("b.weight", &[1, 4])],
                "layers of shape [4, 3]",
            ),
            (
                &[("a.weight", &[4, 3]), ("b.weight", &[1, 4])],
                "no tensor `a.bias`",
            ),
            (
                &[("a.weight", &[4, 3]), ("scale", &[4])],
                "of no linear layer",
            ),
            (
                &[
                    ("0.weight", &[4, 3]),
                    ("0.bias", &[4]),
                    ("2.weight", &[1, 4]),
                    ("2.bias", &[1]),
                    ("4.weight", &[1, 1]),
                ],
                "holds `4.weight`, which the network does not have",
            ),
            (
                &[
                    ("0.weight", &[3, 4]),
                    ("0.bias", &[4]),
                    ("2.weight", &[1, 4]),
                    ("2.bias", &[1]),
                ],
                "holds `0.weight` of shape [3, 4]",
            ),
        ] {
            let error = names(all, &[4]).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }
}
