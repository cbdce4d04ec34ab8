//! The fast engine for processors.

mod activation;
mod dispatch;
mod elementary;
mod group;
mod kernel;
mod lane;
mod layer;
mod limit;
mod loss;
mod output;
mod rule;
mod single;
mod slope;
#[cfg(test)]
mod sweep;
mod tiles;

pub use dispatch::Cpu;
pub use lane::{Constants, constants};
