//! The fast engine for processors: a lane of every vector is a replicate.

mod dispatch;
mod kernel;
mod lane;

pub use dispatch::Cpu;
