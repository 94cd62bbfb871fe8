//! What a user asks of a front.

/// Which program of a front a user wants: see [`Front::meeting`](super::Front::meeting).
///
/// Milliseconds stand for what [`Unit::shown`](super::Unit::shown) says: where energy is counted, they are millijoules.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Goal {
    /// The cheapest program that is, on rows it was not trained on, at least as good as the best single candidate plus a
    /// margin in reward.
    AtLeastBestSingle {
        /// How much better it has to be; may be negative.
        margin: f64,
    },
    /// The cheapest program of at least this mean reward.
    AtLeast(f64),
    /// The program of the largest mean reward whose mean cost is at most this many milliseconds.
    AtMost(f64),
    /// The program of a price, in reward per millisecond. The price must be among those of the sweep: see
    /// [`Settings::prices`](super::Settings::prices).
    Price(f64),
}
