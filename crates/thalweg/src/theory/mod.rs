//! Predictions. This room shares no derivative with the engines or the measurements it is
//! confronted with: a kernel measured on weights reaches it as plain numbers.

pub mod chain;
pub mod crowding;
pub mod dual;
pub mod expect;
mod hermite;
pub mod linear;
pub mod mean_field;
pub mod ntk;
pub mod phase;
pub mod regression;
pub mod spectrum;
