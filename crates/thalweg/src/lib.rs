//! A laboratory for gradient descent on small networks: the front page is the README.
//!
#![doc = include_str!("../README.md")]

pub mod analysis;
pub mod decide;
pub mod error;
pub mod explain;
pub mod inputs;
pub mod lab;
pub mod linalg;
pub mod observe;
pub mod plan;
pub mod price;
pub mod record;
pub mod stats;
pub mod study;
pub mod theory;
pub mod threads;

pub use thalweg_engine::{self as engine, seed};

pub use error::Error;
pub use inputs::Inputs;
pub use plan::Plan;
pub use study::{Setting, Source, Study, claim, data, descent, net};
