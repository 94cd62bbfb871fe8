//! The trainer's front beside single networks and cascades, each at its own mean time.
//!
//! A front is worth something where it lies above what is had without it. Its points are those of a sweep, with gaps between them;
//! at the time of another selector it is worth what a coin between two of its programs reaches, the yardstick that *random mix* is
//! for single networks.

use super::outcome::Group;
use super::{CascadePoint, Study};

/// Another selector, and the front at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside {
    /// The other's name; of a cascade its order.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its mean reward.
    pub accuracy: f64,
    /// Mean time of its answers.
    pub mean_ns: f64,
    /// Mean reward of the front at that mean time; `None` where the front has no program so fast.
    pub front: Option<f64>,
}

/// What a front is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A single network.
    Single,
    /// A cascade whose order and thresholds a fold's training rows chose, as those of the programs are chosen.
    Cascade,
    /// A point that no cascade of any order beats, its order picked by the rows that judge it: more than a user could do.
    Hindsight,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Single, Kind::Cascade, Kind::Hindsight];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Single => "single network",
            Kind::Cascade => "cascade chosen in the fold",
            Kind::Hindsight => "cascade picked in hindsight",
        }
    }
}

impl Beside {
    /// Mean reward of the front less the other's.
    pub fn over(&self) -> Option<f64> {
        self.front.map(|accuracy| accuracy - self.accuracy)
    }
}

impl Study {
    /// The front of the decision programs beside every single network and cascade.
    pub fn beside(&self) -> Vec<Beside> {
        let front = self.fronts.iter().filter(|f| f.0 == Group::Program).flat_map(|f| &f.1);
        let front: Vec<(f64, f64)> = front.map(|p| (p.mean_ns, p.accuracy)).collect();
        let mut hindsight: Vec<&CascadePoint> =
            self.cascades.iter().filter(|p| !is_beaten(p, &self.cascades)).collect();
        hindsight.sort_by(|a, b| a.mean_ns.total_cmp(&b.mean_ns));
        let of = |group| self.of(group).map(|s| (s.name.clone(), s.accuracy.mean, s.mean_ns));
        let mut found: Vec<Beside> = of(Group::Single)
            .map(|other| (Kind::Single, other))
            .chain(of(Group::Cascade).map(|other| (Kind::Cascade, other)))
            .chain(hindsight.iter().map(|p| (Kind::Hindsight, (self.names(&p.order, " > "), p.accuracy, p.mean_ns))))
            .map(|(kind, (name, accuracy, mean_ns))| {
                // Sums of the same costs in another order may differ in the last digit.
                let front = super::mix(&front, mean_ns * (1.0 + 1e-9));
                Beside { name, kind, accuracy, mean_ns, front }
            })
            .collect();
        // Neighbouring prices often choose the same cascades, and orders share their first networks.
        found.dedup_by(|a, b| a.kind == b.kind && a.accuracy == b.accuracy && a.mean_ns == b.mean_ns);
        found
    }
}

fn is_beaten(p: &CascadePoint, by: &[CascadePoint]) -> bool {
    by.iter().any(|q| {
        q.accuracy >= p.accuracy && q.mean_ns <= p.mean_ns && (q.accuracy > p.accuracy || q.mean_ns < p.mean_ns)
    })
}
