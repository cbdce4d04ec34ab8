//! The fast engine for processors.

mod dispatch;
mod group;
mod kernel;
mod lane;
mod layer;
mod limit;
mod output;
mod rule;
mod single;
mod slope;
mod tiles;

pub use dispatch::Cpu;
