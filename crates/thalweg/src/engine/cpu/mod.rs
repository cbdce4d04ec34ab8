//! The fast engine for processors.

mod dispatch;
mod group;
mod kernel;
mod lane;
mod limit;
mod rule;
mod single;
mod tiles;

pub use dispatch::Cpu;
