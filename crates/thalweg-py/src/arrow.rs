//! Columns as a stream of the Arrow C data interface, which polars, pandas, pyarrow and DuckDB take
//! without a copy in Python (<https://arrow.apache.org/docs/format/CStreamInterface.html>).
//!
//! The structures are those of the specification, and few enough to be written out: the crates that
//! have them bring a whole implementation of Arrow along.

#![allow(
    unsafe_code,
    reason = "the interface is a structure of pointers and functions of C"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use thalweg::analysis::columns::{Column, Columns};

/// `struct ArrowSchema`.
#[repr(C)]
struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut Schema,
    dictionary: *mut Schema,
    release: Option<unsafe extern "C" fn(*mut Schema)>,
    private: *mut c_void,
}

/// `struct ArrowArray`.
#[repr(C)]
struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private: *mut c_void,
}

/// `struct ArrowArrayStream`.
#[repr(C)]
pub(crate) struct Stream {
    get_schema: unsafe extern "C" fn(*mut Stream, *mut Schema) -> c_int,
    get_next: unsafe extern "C" fn(*mut Stream, *mut Array) -> c_int,
    get_last_error: unsafe extern "C" fn(*mut Stream) -> *const c_char,
    release: Option<unsafe extern "C" fn(*mut Stream)>,
    private: *mut c_void,
}

// SAFETY: the stream owns all that it points to, and nothing of it is shared.
unsafe impl Send for Stream {}

/// A column may have missing values.
const NULLABLE: i64 = 2;

/// What a schema points to.
struct SchemaOwned {
    /// Pointed to by `name`.
    name: CString,
    children: Vec<*mut Schema>,
}

/// What an array points to.
struct ArrayOwned {
    /// Pointed to by `buffers`.
    _words: Vec<Vec<u64>>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut Array>,
}

/// What a stream points to: one batch, then the end.
struct StreamOwned {
    columns: Columns,
    done: bool,
}

unsafe extern "C" fn drop_schema(schema: *mut Schema) {
    // SAFETY: `private` was made by `schema`, and a schema is released once.
    unsafe {
        let owned = Box::from_raw((*schema).private.cast::<SchemaOwned>());
        for child in owned.children {
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*schema).release = None;
    }
}

unsafe extern "C" fn drop_array(array: *mut Array) {
    // SAFETY: `private` was made by `array`, and an array is released once. Who takes a child over
    // leaves its `release` empty.
    unsafe {
        let owned = Box::from_raw((*array).private.cast::<ArrayOwned>());
        for child in owned.children {
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*array).release = None;
    }
}

unsafe extern "C" fn drop_stream(stream: *mut Stream) {
    // SAFETY: `private` was made by `stream`, and a stream is released once.
    unsafe {
        drop(Box::from_raw((*stream).private.cast::<StreamOwned>()));
        (*stream).release = None;
    }
}

fn schema(format: &'static CStr, name: &str, children: Vec<Schema>) -> Schema {
    let children: Vec<*mut Schema> = (children.into_iter())
        .map(|child| Box::into_raw(Box::new(child)))
        .collect();
    let mut owned = Box::new(SchemaOwned {
        name: CString::new(name).unwrap_or_default(),
        children,
    });
    Schema {
        format: format.as_ptr(),
        name: owned.name.as_ptr(),
        metadata: null(),
        flags: NULLABLE,
        n_children: owned.children.len() as i64,
        children: owned.children.as_mut_ptr(),
        dictionary: null_mut(),
        release: Some(drop_schema),
        private: Box::into_raw(owned).cast(),
    }
}

/// An array of these buffers; the first is the bits of what is there, none if all is.
fn array(length: usize, nulls: usize, words: Vec<Option<Vec<u64>>>, of: Vec<Array>) -> Array {
    let children: Vec<*mut Array> = (of.into_iter())
        .map(|child| Box::into_raw(Box::new(child)))
        .collect();
    let buffers = words.iter().map(|words| match words {
        Some(words) => words.as_ptr().cast(),
        None => null(),
    });
    let mut owned = Box::new(ArrayOwned {
        buffers: buffers.collect(),
        // The words stay where they are when their vector moves.
        _words: words.into_iter().flatten().collect(),
        children,
    });
    Array {
        length: length as i64,
        null_count: nulls as i64,
        offset: 0,
        n_buffers: owned.buffers.len() as i64,
        n_children: owned.children.len() as i64,
        buffers: owned.buffers.as_mut_ptr(),
        children: owned.children.as_mut_ptr(),
        dictionary: null_mut(),
        release: Some(drop_array),
        private: Box::into_raw(owned).cast(),
    }
}

/// How many values are missing, and the bits of those that are there if any is.
fn validity<T>(values: &[Option<T>]) -> (usize, Option<Vec<u64>>) {
    let nulls = values.iter().filter(|v| v.is_none()).count();
    let mut bits = vec![0u64; values.len().div_ceil(64).max(1)];
    for (i, _) in values.iter().enumerate().filter(|(_, v)| v.is_some()) {
        bits[i / 64] |= 1 << (i % 64);
    }
    (nulls, (nulls > 0).then_some(bits))
}

/// Numbers of eight bytes each.
fn numbers<T: Copy>(values: &[Option<T>], bits: impl Fn(T) -> u64) -> Array {
    let (nulls, valid) = validity(values);
    let words = values.iter().map(|v| v.map_or(0, &bits)).collect();
    array(values.len(), nulls, vec![valid, Some(words)], Vec::new())
}

/// Bytes as words of the machine, the last filled up.
fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    };
    bytes.chunks(8).map(word).collect()
}

fn column(column: &Column) -> Array {
    match column {
        Column::Int(values) => numbers(values, |v| v as u64),
        Column::Float(values) => numbers(values, f64::to_bits),
        Column::Text(values) => {
            let (nulls, valid) = validity(values);
            let (mut ends, mut text) = (vec![0u64], Vec::new());
            for value in values {
                text.extend_from_slice(value.as_deref().unwrap_or_default().as_bytes());
                ends.push(text.len() as u64);
            }
            let buffers = vec![valid, Some(ends), Some(words(&text))];
            array(values.len(), nulls, buffers, Vec::new())
        }
    }
}

/// The format of a column: int64, float64, large UTF-8.
fn format(column: &Column) -> &'static CStr {
    match column {
        Column::Int(_) => c"l",
        Column::Float(_) => c"g",
        Column::Text(_) => c"U",
    }
}

/// How many rows columns have.
pub(crate) fn rows(columns: &Columns) -> usize {
    columns.first().map_or(0, |(_, column)| match column {
        Column::Int(values) => values.len(),
        Column::Float(values) => values.len(),
        Column::Text(values) => values.len(),
    })
}

unsafe extern "C" fn get_schema(stream: *mut Stream, out: *mut Schema) -> c_int {
    // SAFETY: the stream is one of `stream`, and its reader hands over room for a schema.
    unsafe {
        let owned = &*(*stream).private.cast::<StreamOwned>();
        let of = |(name, column): &(String, Column)| schema(format(column), name, Vec::new());
        let children = owned.columns.iter().map(of).collect();
        out.write(schema(c"+s", "", children));
    }
    0
}

unsafe extern "C" fn get_next(stream: *mut Stream, out: *mut Array) -> c_int {
    // SAFETY: as in `get_schema`; an array of zeros, without `release`, is the end.
    unsafe {
        let owned = &mut *(*stream).private.cast::<StreamOwned>();
        if owned.done {
            out.write(std::mem::zeroed());
            return 0;
        }
        owned.done = true;
        let length = rows(&owned.columns);
        let children = owned.columns.iter().map(|(_, of)| column(of)).collect();
        out.write(array(length, 0, vec![None], children));
    }
    0
}

unsafe extern "C" fn no_error(_: *mut Stream) -> *const c_char {
    null()
}

/// The stream of these columns, to be put into a capsule named `arrow_array_stream`.
pub(crate) fn stream(columns: Columns) -> Stream {
    let owned = StreamOwned {
        columns,
        done: false,
    };
    Stream {
        get_schema,
        get_next,
        get_last_error: no_error,
        release: Some(drop_stream),
        private: Box::into_raw(Box::new(owned)).cast(),
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Who has taken the stream over leaves `release` empty.
        if let Some(release) = self.release {
            // SAFETY: it was not released yet.
            unsafe { release(self) };
        }
    }
}
