//! Making premodels: the profile table, the choice of candidates, training, judging.
//!
//! ```text
//! profile.csv ─► Profile ─► algorithm_1 (which candidates are worth keeping)
//!                   │
//!                   └─► Task (with costs) ─► sweep (price after price, cross-validated) ─► Front ─► meeting(Goal) ─► Premodel
//! ```
//! Every candidate ran on every input of the profile, so the reward of any program on any row is known, and a program is
//! trained by maximising mean reward − price · mean cost directly ([`sweep`]); there is no proxy loss.
//!
//! ```
//! use trt_select_train::{Goal, Profile, Settings, Task, Unit, judge, sweep};
//!
//! // The cheap network is right where its margin is large; the dear one nearly always.
//! let mut csv = String::from("input,cheap.reward,cheap.cost_ns,cheap.margin,dear.reward,dear.cost_ns\n");
//! for row in 0..400 {
//!     let sure = row % 3 > 0;
//!     csv += &format!("r{row},{},1000000,{},1,9000000\n", u8::from(sure), if sure { 0.8 } else { 0.1 });
//! }
//! let profile = Profile::parse("profile.csv", csv.as_bytes())?;
//! let costs = profile.median_costs(Unit::Time).expect("the table has costs");
//! let front = sweep(&Task::new(&profile, costs), &Settings::new().steps(12).repeats(1), &|_, _| {})?;
//! let point = front.meeting(Goal::AtLeastBestSingle { margin: 0.0 })?;
//! let premodel = front.premodel(point)?;
//! let judged = judge(&premodel, &profile).expect("its own profile has all that it reads");
//! assert_eq!(judged.reward(), 1.0);
//! assert!(judged.cost() < 5e6, "a third of the rows at 10 ms, the others at 1 ms");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod bins;
mod calibrate;
mod cascade;
mod costs;
mod csv_table;
mod curve;
#[cfg(test)]
mod drawn;
mod error;
mod escalation;
mod folds;
mod front;
mod goal;
mod hull;
mod inputs_again;
mod judge;
mod label_free;
mod mixer;
mod mixture;
mod nested;
mod plan;
mod prices;
mod problem;
mod profile;
mod profile_board;
mod recordings;
mod reward;
mod risk;
mod row_set;
mod search;
mod select;
mod settings;
mod stats;
mod sweep;
mod task;
mod topk;
mod training_table;
mod tree;
mod warning;
mod weights;

pub use costs::{Costs, Unit, Worth};
pub use error::{Message, ProfileError, ProfileErrorKind, TrainError, TrainErrorKind};
pub use escalation::{Escalation, escalations};
pub use folds::deal;
pub use front::{Front, Kind, Mixed, Point};
pub use goal::Goal;
pub use judge::{Judged, Single, judge, oracle, random_mix, singles};
pub use label_free::Teacher;
pub use nested::{Split, nested};
pub use profile::{Column, MAX_COST, Profile};
pub use profile_board::ProfileBoard;
pub use recordings::{Recording, Recordings};
pub use select::{Kept, algorithm_1};
pub use settings::{FoldBy, Settings};
pub use stats::{Bootstrap, bootstrap_mean, bootstrap_ratio, percentile};
pub use sweep::{Progress, sweep};
pub use task::Task;
pub use topk::TopK;
pub use trt_select_base::random::Rng;
pub use warning::{FEW_DIFFERING, FEW_ROWS, UNEVEN_COSTS, Warning, WarningKind};
pub use weights::Weights;
