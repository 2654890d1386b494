//! Reports: what is counted, and how it is written as a table, CSV, JSON or XLSX.
//!
//! Pure but for the writers, which write to what they are given. It knows no store and no clock.

pub mod cell;
pub mod columns;
pub mod counts;
pub mod csv;
mod failsafe;
pub mod format;
pub mod histogram;
pub mod json;
pub mod new_file;
pub mod text;
pub mod totals;
pub mod writer;
pub mod xlsx;
