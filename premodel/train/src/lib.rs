//! Making premodels: the profile table, candidate-set selection, training, judging.
//!
//! ```text
//! profile.csv ─► Profile ─► algorithm_1 (which candidates are worth keeping)
//!                   │
//!                   └─────► sweep (λ after λ, cross-validated) ─► Front ─► choose ─► Premodel
//! ```
//! Every candidate ran on every input of the profile, so the reward of any program on any row is known, and a program is
//! trained by maximising mean reward − λ · mean cost directly ([`sweep`]); there is no proxy loss.
#![forbid(unsafe_code)]

mod bins;
mod calibrate;
mod choose;
mod judge;
mod nested;
mod policy;
mod profile;
mod risk;
mod rows;
mod select;
mod smooth;
mod stats;
mod sweep;
mod table;
mod topk;

pub use choose::{Goal, choose};
pub use judge::{Judged, Signals, Single, judge, oracle, random_mix, singles};
pub use nested::{nested, nested_over};
pub use profile::{Column, MAX_COST, Profile, ProfileError};
pub use rows::Teacher;
pub use select::{Kept, algorithm_1};
pub use stats::{Rng, bootstrap_mean, bootstrap_ratio, percentile};
pub use sweep::{Front, Point, Settings, TrainError, sweep, sweep_judged};
pub use topk::{Scratch, TopK};
