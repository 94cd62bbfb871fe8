//! Decision programs.
