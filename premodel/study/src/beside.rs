//! The trainer's front compared with single networks and cascades, each at its own mean time.
//!
//! A front is worth something where it lies above what there is without it. It has points with gaps between them, and few of them
//! have exactly the mean time of another selector. So the front's accuracy at a mean time is what the best random mix of two of its
//! programs reaches, just as *random mix* is for two single networks.

use trt_select_train::{Worth, random_mix};

use super::outcome::Group;
use super::{CascadePoint, Study};

/// Another selector, and the front's accuracy at its mean time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Beside {
    /// The other's name; of a cascade its order.
    pub name: String,
    /// What it is.
    pub kind: Rival,
    /// Its mean reward.
    pub accuracy: f64,
    /// Mean time of its answers.
    pub mean_ns: f64,
    /// Mean reward of the front at that mean time; `None` where the front has no program so fast.
    pub front: Option<f64>,
}

/// What a front is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rival {
    /// A single network.
    Single,
    /// A cascade whose order and thresholds were chosen on the training rows of a fold, as programs are.
    Cascade,
    /// A cascade that no cascade of any order beats. Its order is picked by the same rows that judge it, which no user could do.
    Hindsight,
}

impl Rival {
    /// All of them.
    pub const ALL: [Rival; 3] = [Rival::Single, Rival::Cascade, Rival::Hindsight];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Rival::Single => "single network",
            Rival::Cascade => "cascade chosen in the fold",
            Rival::Hindsight => "cascade picked in hindsight",
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
        let front = self.fronts.iter().filter(|f| f.group == Group::Program).flat_map(|f| &f.points);
        let front: Vec<Worth> = front.map(|p| Worth { reward: p.accuracy, cost: p.mean_ns }).collect();
        let mut hindsight: Vec<&CascadePoint> =
            self.cascades.iter().filter(|p| !self.cascades.iter().any(|q| q.beats(p))).collect();
        hindsight.sort_by(|a, b| a.mean_ns.total_cmp(&b.mean_ns));
        let of_group = |kind: Rival, group: Group| {
            self.of(group).map(move |s| Beside {
                name: s.name.clone(),
                kind,
                accuracy: s.accuracy.mean,
                mean_ns: s.mean_ns,
                front: None,
            })
        };
        let of_point = |p: &&CascadePoint| Beside {
            name: self.names(&p.order, " > "),
            kind: Rival::Hindsight,
            accuracy: p.accuracy,
            mean_ns: p.mean_ns,
            front: None,
        };
        let mut found: Vec<Beside> = of_group(Rival::Single, Group::Single)
            .chain(of_group(Rival::Cascade, Group::Cascade))
            .chain(hindsight.iter().map(of_point))
            .collect();
        for other in &mut found {
            // Sums of the same costs in another order may differ in the last digit.
            other.front = random_mix(&front, other.mean_ns * (1.0 + 1e-9));
        }
        // Neighbouring prices often choose the same cascades, and orders share their first networks.
        found.dedup_by(|a, b| a.kind == b.kind && a.accuracy == b.accuracy && a.mean_ns == b.mean_ns);
        found
    }
}
