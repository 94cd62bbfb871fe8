//! An engine without a network: it answers what it was told to. For tests, and for measuring what the selector itself
//! costs.
