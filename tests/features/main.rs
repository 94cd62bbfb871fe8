//! The scalar features against checked-in golden numbers, OpenCV, and their invariants.

mod golden;
mod patterns;
mod properties;
