//! Predictions. This room shares no derivative with the engines or the measurements it is
//! confronted with: a kernel measured on weights reaches it as plain numbers.

pub mod bounds;
pub mod chain;
pub mod crowding;
pub mod dual;
pub mod expect;
mod far;
mod features;
pub mod first;
mod hermite;
mod legendre;
pub mod linear;
pub mod mean_field;
mod memory;
pub mod ntk;
pub mod phase;
mod polytope;
pub mod regression;
pub mod spectrum;
mod stages;
