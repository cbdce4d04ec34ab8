//! NumPy's arrays: npy files of one array, npz archives of several.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write};
use std::path::Path;

use half::f16;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{io, write};
use thalweg::error::Error;

/// NumPy's own headers have some hundred bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// More bytes than this are not read into memory.
const MOST_BYTES: usize = 1 << 32;

/// An array as doubles in C order.
pub(super) struct Numbers {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

/// Reads an npy file; the error is what is wrong with it.
pub(super) fn read_npy(file: File) -> Result<Numbers, String> {
    read_array(BufReader::new(file))
}

/// More arrays of an archive are not read.
const MOST_ARRAYS: usize = 1000;

/// An array of an archive by its name, or what is wrong with it.
pub(super) type Named = (String, Result<Numbers, String>);

/// Each array of an npz archive by its name, or what is wrong with it; the error is what is wrong
/// with the archive.
pub(super) fn read_npz(file: File) -> Result<Vec<Named>, String> {
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|e| format!("is no npz archive: {e}"))?;
    if archive.len() > MOST_ARRAYS {
        return Err(format!(
            "has {} arrays, more than {MOST_ARRAYS}",
            archive.len()
        ));
    }
    let (mut all, mut left) = (Vec::new(), MOST_BYTES as u64);
    for i in 0..archive.len() {
        let entry = archive
            .by_index(i)
            .map_err(|e| format!("cannot be read: {e}"))?;
        let name = entry.name().map_err(|e| format!("cannot be read: {e}"))?;
        let name = name.trim_end_matches(".npy").to_string();
        // Whatever the entries claim, together they are read into no more memory than one may be.
        let mut limited = entry.take(left);
        let array = read_array(&mut limited);
        left = limited.limit();
        let array = array.map_err(|e| format!("{e}, in its array `{name}`"));
        all.push((name, array));
    }
    Ok(all)
}

/// One array in NumPy's format (numpy.lib.format, versions 1 to 3).
fn read_array(mut from: impl Read) -> Result<Numbers, String> {
    let cut = |e: std::io::Error| format!("is damaged: {e}");
    let mut start = [0; 8];
    from.read_exact(&mut start)
        .map_err(|_| "is no npy file: it is too short")?;
    if start[..6] != *b"\x93NUMPY" {
        return Err("is no npy file: it does not begin as one".into());
    }
    let length = match start[6] {
        1 => {
            let mut two = [0; 2];
            from.read_exact(&mut two).map_err(cut)?;
            usize::from(u16::from_le_bytes(two))
        }
        2 | 3 => {
            let mut four = [0; 4];
            from.read_exact(&mut four).map_err(cut)?;
            u32::from_le_bytes(four) as usize
        }
        other => return Err(format!("is an npy file of the unknown version {other}")),
    };
    if length > LONGEST_HEADER {
        return Err(format!(
            "is damaged: its header claims {length} bytes, more than {LONGEST_HEADER}"
        ));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text).map_err(cut)?;
    let text = String::from_utf8(text).map_err(|_| "is damaged: its header is not text")?;
    let header = Header::parse(&text)?;
    let (number, width) = Number::of(&header.kind)
        .ok_or_else(|| format!("holds `{}`: save `a.astype(\"float64\")`", header.kind))?;
    let shape = header.shape;
    let bytes = shape
        .iter()
        .try_fold(width, |n: usize, k| n.checked_mul(*k));
    let bytes = bytes
        .filter(|n| *n <= MOST_BYTES)
        .ok_or_else(|| format!("claims the shape {shape:?}, more than {MOST_BYTES} bytes"))?;
    let mut data = Vec::new();
    from.take(bytes as u64 + 1)
        .read_to_end(&mut data)
        .map_err(cut)?;
    if data.len() != bytes {
        let held = if data.len() > bytes {
            "more".into()
        } else {
            data.len().to_string()
        };
        return Err(format!(
            "is damaged: the shape {shape:?} takes {bytes} bytes, but {held} follow"
        ));
    }
    let mut values: Vec<f64> = data.chunks_exact(width).map(|b| number.read(b)).collect();
    if header.fortran {
        values = c_order(&values, &shape);
    }
    Ok(Numbers { shape, values })
}

/// The values of an array in Fortran order (the first index runs fastest) in C order (the last
/// one).
fn c_order(values: &[f64], shape: &[usize]) -> Vec<f64> {
    let mut place = vec![0; shape.len()];
    let mut all = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let at = (place.iter().zip(shape).rev()).fold(0, |at, (i, n)| at * n + i);
        all.push(values[at]);
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            if place[axis] < shape[axis] {
                break;
            }
            place[axis] = 0;
        }
    }
    all
}

/// How a number is written in an array.
#[derive(Clone, Copy)]
struct Number {
    kind: Kind,
    big_endian: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Float,
    Signed,
    Unsigned,
}

impl Number {
    /// That of NumPy's name, `<f4` or `|b1`, and its bytes; none if it is no real number of at most
    /// eight.
    fn of(name: &str) -> Option<(Number, usize)> {
        let mut letters = name.chars();
        let big_endian = match letters.next()? {
            '<' | '=' | '|' => false,
            '>' => true,
            _ => return None,
        };
        let (kind, widths): (Kind, &[usize]) = match letters.next()? {
            'f' => (Kind::Float, &[2, 4, 8]),
            'i' => (Kind::Signed, &[1, 2, 4, 8]),
            'u' => (Kind::Unsigned, &[1, 2, 4, 8]),
            'b' => (Kind::Unsigned, &[1]),
            _ => return None,
        };
        let width = letters.as_str().parse().ok()?;
        let known = widths.contains(&width);
        known.then_some((Number { kind, big_endian }, width))
    }

    /// The number that at most eight bytes hold.
    fn read(self, bytes: &[u8]) -> f64 {
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(bytes) {
            *to = *from;
        }
        if self.big_endian {
            eight[..bytes.len()].reverse();
        }
        let bits = u64::from_le_bytes(eight);
        // Bits above those that there are.
        let above = 64 - 8 * bytes.len() as u32;
        match self.kind {
            Kind::Unsigned => bits as f64,
            Kind::Signed => ((bits << above) as i64 >> above) as f64,
            Kind::Float => match bytes.len() {
                2 => f16::from_bits(bits as u16).to_f64(),
                4 => f64::from(f32::from_bits(bits as u32)),
                _ => f64::from_bits(bits),
            },
        }
    }
}

/// What the header of an array says.
struct Header {
    kind: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
    fn parse(text: &str) -> Result<Header, String> {
        let bad = || {
            let shown: String = text.trim().chars().take(80).collect();
            format!("is damaged: its header is `{shown}`")
        };
        let (mut kind, mut fortran, mut shape) = (None, None, None);
        let mut rest = text.trim().strip_prefix('{').ok_or_else(bad)?.trim_start();
        while !rest.starts_with('}') {
            let (key, after) = quoted(rest).ok_or_else(bad)?;
            let value = after
                .trim_start()
                .strip_prefix(':')
                .ok_or_else(bad)?
                .trim_start();
            rest = match key {
                "descr" => {
                    if value.starts_with('[') {
                        return Err("holds records: save `a.astype(\"float64\")`".into());
                    }
                    let (name, after) = quoted(value).ok_or_else(bad)?;
                    kind = Some(name.to_string());
                    after
                }
                "fortran_order" => {
                    let no = value.strip_prefix("False");
                    fortran = Some(no.is_none());
                    no.or_else(|| value.strip_prefix("True")).ok_or_else(bad)?
                }
                "shape" => {
                    let inside = value.strip_prefix('(').ok_or_else(bad)?;
                    let (inside, after) = inside.split_once(')').ok_or_else(bad)?;
                    let parts = inside.split(',').map(str::trim).filter(|p| !p.is_empty());
                    let sizes: Result<Vec<usize>, _> = parts.map(str::parse).collect();
                    shape = Some(sizes.map_err(|_| bad())?);
                    after
                }
                _ => return Err(bad()),
            }
            .trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Ok(Header {
            kind: kind.ok_or_else(bad)?,
            fortran: fortran.ok_or_else(bad)?,
            shape: shape.ok_or_else(bad)?,
        })
    }
}

/// A Python string without escapes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| "'\"".contains(*c))?;
    text[1..].split_once(quote)
}

/// Writes named arrays (name, shape, values in C order) as an npz file for `numpy.load`.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_arrays(path: &Path, arrays: &[(&str, &[usize], &[f64])]) -> Result<(), Error> {
    let encode = || -> zip::result::ZipResult<Vec<u8>> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, shape, values) in arrays {
            archive.start_file(format!("{name}.npy"), stored.large_file(true))?;
            archive.write_all(&header(shape))?;
            for value in *values {
                archive.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(archive.finish()?.into_inner())
    };
    let bytes = encode()
        .map_err(std::io::Error::other)
        .map_err(io("write", path))?;
    write(path, &bytes)
}

/// Everything before the numbers of an array of doubles; its length is a multiple of 64.
fn header(shape: &[usize]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let sizes = if shape.len() == 1 {
        sizes.trim_end()
    } else {
        sizes.trim_end_matches(", ")
    };
    let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({sizes}), }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn refused(bytes: &[u8], words: &str) {
        let Err(message) = read_array(bytes) else {
            panic!("{words}: it was read");
        };
        assert!(message.contains(words), "{message}");
        assert!(message.len() < 300, "{message}");
    }

    #[test]
    fn an_array_that_was_written_comes_back() {
        for shape in [&[3usize, 2][..], &[6], &[1, 6], &[6, 1], &[2, 3, 1]] {
            let values: Vec<f64> = (0..6).map(|i| f64::from(i) / 7.0).collect();
            let mut bytes = header(shape);
            assert_eq!(bytes.len() % 64, 0);
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            let read = read_array(&bytes[..]).expect("it is right");
            assert_eq!((&read.shape[..], read.values), (shape, values));
        }
    }

    /// As NumPy writes them: other order of keys, one axis, single precision, no axis at all.
    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        let one = 1.5f32.to_le_bytes();
        for (header, data, shape) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n",
                &one[..],
                vec![1],
            ),
            (
                "{\"shape\": (1, 1), \"descr\": \"<f4\", \"fortran_order\": False}",
                &one,
                vec![1, 1],
            ),
            (
                "{'descr':'<f4','fortran_order':True,'shape':()}",
                &one,
                vec![],
            ),
        ] {
            let read = read_array(&npy(header, data)[..]).expect(header);
            assert_eq!((read.shape, read.values), (shape, vec![1.5]));
        }
    }

    /// Every kind of real number, as NumPy writes 1 and -2 (or 254 where there is no sign).
    #[test]
    fn numbers_of_every_kind_are_read() {
        let read = |kind: &str, data: &[u8]| {
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2,), }}");
            read_array(&npy(&header, data)[..]).expect(kind).values
        };
        for (kind, data, second) in [
            ("|b1", &[1u8, 0][..], 0.0),
            ("|i1", &[1, 0xfe], -2.0),
            ("|u1", &[1, 0xfe], 254.0),
            ("<i2", &[1, 0, 0xfe, 0xff], -2.0),
            (">i2", &[0, 1, 0xff, 0xfe], -2.0),
            ("<u2", &[1, 0, 0xfe, 0], 254.0),
            ("<i4", &[1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff], -2.0),
            ("<f2", &[0x00, 0x3c, 0x00, 0xc0], -2.0),
            (">f2", &[0x3c, 0x00, 0xc0, 0x00], -2.0),
        ] {
            assert_eq!(read(kind, data), [1.0, second], "{kind}");
        }
        let of = |one: [u8; 8], two: [u8; 8]| [one, two].concat();
        let little = of(1i64.to_le_bytes(), (-2i64).to_le_bytes());
        assert_eq!(read("<i8", &little), [1.0, -2.0]);
        let big = of(1f64.to_be_bytes(), (-2f64).to_be_bytes());
        assert_eq!(read(">f8", &big), [1.0, -2.0]);
        // The smallest and the largest half, and those that are no numbers.
        assert_eq!(read("<f2", &[1, 0, 0xff, 0x7b]), [2f64.powi(-24), 65504.0]);
        let not = read("<f2", &[0, 0x7c, 0, 0x7e]);
        assert!(not[0].is_infinite() && not[1].is_nan());
    }

    /// An array in Fortran order is the same array.
    #[test]
    fn the_order_in_memory_does_not_matter() {
        let header = "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3)}";
        let read = read_array(&npy(header, &[0, 3, 1, 4, 2, 5])[..]).expect("it is right");
        assert_eq!(read.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let deep = "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 2, 2)}";
        let read = read_array(&npy(deep, &[0, 4, 2, 6, 1, 5, 3, 7])[..]).expect("it is right");
        let rising: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(read.values, rising);
    }

    /// Headers that claim more than there is are refused before anything is made of them.
    #[test]
    fn arrays_that_claim_too_much_are_refused_at_once() {
        let of =
            |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
        let mut long = b"\x93NUMPY\x02\x00".to_vec();
        long.extend(u32::MAX.to_le_bytes());
        refused(&long, "its header claims 4294967295 bytes");
        refused(
            &npy(&of("(4294967296, 4294967296)"), &[]),
            "claims the shape",
        );
        refused(
            &npy(&of("(2, 9223372036854775808)"), &[]),
            "claims the shape",
        );
        refused(&npy(&of("(99999999999999999999,)"), &[]), "its header is");
        refused(&npy(&of("(3,)"), &[0; 23]), "takes 24 bytes, but 23 follow");
        refused(
            &npy(&of("(3,)"), &[0; 25]),
            "takes 24 bytes, but more follow",
        );
        refused(&npy(&"{'a': ".repeat(10_000), &[]), "its header is");
        refused(
            &npy(&format!("{{'shape': {}", "[".repeat(60_000)), &[]),
            "its header is",
        );
        for kind in ["<c16", "<U8", "|O", "<f16", "<i3", "?", "<M8[s]"] {
            refused(
                &npy(&of("(1,)").replace("<f8", kind), &[0; 8]),
                &format!("holds `{kind}`: save"),
            );
        }
        refused(
            &npy(&of("(1,)").replace("'<f8'", "[('a', '<f8')]"), &[0; 8]),
            "holds records",
        );
        refused(b"\x93NUMPY\x09\x00\x00\x00", "unknown version 9");
        refused(b"PK\x03\x04 something", "does not begin as one");
        refused(b"", "too short");
    }
}
