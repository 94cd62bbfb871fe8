//! Which point of a front a user asked for.

use super::sweep::{Front, Point, TrainError};

/// What a user asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The cheapest program that is, out of sample, at least as good as the best single candidate plus a margin in reward.
    AtLeastBestSingle {
        /// How much better it has to be; may be negative.
        margin: f64,
    },
    /// The cheapest program of at least this mean reward.
    AtLeast(f64),
    /// The program of the largest mean reward whose mean cost is at most this many milliseconds.
    AtMostMs(f64),
    /// The program of a price, in reward per millisecond. The price must be among those of the sweep.
    Lambda(f64),
}

/// The point that meets a goal.
///
/// # Errors
/// Where none does, with the nearest that the front has.
pub fn choose(front: &Front, goal: Goal) -> Result<&Point, TrainError> {
    let cheapest = |meets: &dyn Fn(&&Point) -> bool| front.points.iter().find(meets);
    let best = front.points.iter().map(|p| p.reward).fold(f64::MIN, f64::max);
    match goal {
        Goal::AtLeastBestSingle { margin } => cheapest(&|p| p.over_best_single >= margin).ok_or_else(|| {
            let most = front.points.iter().map(|p| p.over_best_single).fold(f64::MIN, f64::max);
            TrainError(format!(
                "--at-least best-single with margin {margin}: expected a program that is that much better, got {most:.4} at most; \
                 ask for less"
            ))
        }),
        Goal::AtLeast(reward) => cheapest(&|p| p.reward >= reward).ok_or_else(|| {
            TrainError(format!("--at-least {reward}: expected a program of that reward, got {best:.4} at most; ask for less"))
        }),
        Goal::AtMostMs(ms) => {
            let within = front.points.iter().filter(|p| p.cost_ns <= ms * 1e6);
            within.max_by(|a, b| a.reward.total_cmp(&b.reward).then(b.cost_ns.total_cmp(&a.cost_ns))).ok_or_else(|| {
                let least = front.points.iter().map(|p| p.cost_ns).fold(f64::MAX, f64::min) / 1e6;
                TrainError(format!(
                    "--at-most-ms {ms}: expected a program within that, got {least:.4} ms at least; allow more"
                ))
            })
        }
        Goal::Lambda(lambda) => {
            let near = |p: &&Point| p.lambda_per_ms.is_some_and(|l| (l - lambda).abs() <= lambda.abs() * 1e-9);
            cheapest(&near).ok_or_else(|| {
                TrainError(format!("--lambda {lambda}: expected a price of the sweep, got another; add it to the settings"))
            })
        }
    }
}
