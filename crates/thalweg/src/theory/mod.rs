//! Predictions. This room shares no derivative with the engines or the measurements it is confronted
//! with: a kernel measured on weights reaches it as plain numbers.

pub mod linear;
