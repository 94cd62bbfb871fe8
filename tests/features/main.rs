//! Compares the features with checked-in golden numbers and with OpenCV, and checks properties that they must always have.

mod golden;
mod implementations;
mod patterns;
mod properties;
