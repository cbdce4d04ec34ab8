//! The report.
mod axis;
pub mod html;
pub mod page;
pub mod plot;
mod svg;
