//! The features against checked-in golden numbers, OpenCV, and their invariants.

mod golden;
mod implementations;
mod patterns;
mod properties;
