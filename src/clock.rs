//! The clock of the hot path: the processor's own counter where it is known to run steadily, else the system's monotonic clock.
//!
//! Reading the system's clock takes tens of nanoseconds, and an input needs three to five readings. Reading the counter (the time stamp
//! counter of x86-64, the virtual counter of aarch64) takes a fraction of that. The counter is used if
//! - on x86-64: the processor says that the counter runs at one speed in all of its power states, Linux keeps its own time by the counter
//!   (which means that Linux found it to agree between processors), and two measurements of its speed, a millisecond each, agree;
//! - on aarch64: the processor tells the counter's speed.
//!
//! The choice is made once in a process, by the first call of [`Clock::chosen`].
#![deny(unsafe_code)]

mod counter;

use std::time::Instant;

use counter::Counter;

/// A moment that a clock has read. Only [`Clock::ns_between`] of the same clock can tell what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// A clock. It is a plain value that may be copied.
///
/// ```
/// use trt_select::clock::Clock;
///
/// let clock = Clock::chosen();
/// let start = clock.now();
/// std::thread::sleep(std::time::Duration::from_millis(2));
/// let end = clock.now();
/// assert!(clock.ns_between(start, end) >= 1_900_000);
/// assert_eq!(clock.ns_between(end, start), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock(Source);

#[derive(Clone, Copy, Debug)]
enum Source {
    /// The processor's counter, and the length of one of its ticks in nanoseconds, times 2^32.
    Counter(Counter, u64),
    /// The system's clock. A moment is the number of nanoseconds since this `Instant`, at which the clock was made.
    System(Instant),
}

/// How long one measurement of the counter's speed takes, in nanoseconds. In the worst case the moments at its two ends are known to some
/// hundred nanoseconds, and the speed to some parts in ten thousand. On the developers' machine it was mostly a few in a hundred thousand.
const MEASURE_NS: u64 = 1_000_000;
/// Two measurements must agree to this share of the speed, or neither is believed: one part in 512.
const AGREEMENT_SHIFT: u32 = 9;
/// How often the speed is measured before the counter is given up.
const ATTEMPTS: usize = 8;

impl Clock {
    /// The processor's counter if it can be trusted, else the system's clock. The first call in a process measures the counter's speed. On
    /// x86-64 this takes two milliseconds, and up to sixteen on a machine that is so busy that the measurements disagree.
    pub fn chosen() -> Clock {
        static CHOSEN: std::sync::OnceLock<Option<(Counter, u64)>> = std::sync::OnceLock::new();
        match *CHOSEN.get_or_init(|| Counter::detect().and_then(|c| Some((c, scale_of(c)?)))) {
            Some((counter, scale)) => Clock(Source::Counter(counter, scale)),
            None => Clock::system(),
        }
    }

    /// The system's monotonic clock, whatever the processor offers.
    pub fn system() -> Clock {
        Clock(Source::System(Instant::now()))
    }

    /// Whether this clock reads the processor's counter.
    pub fn is_counter(&self) -> bool {
        matches!(self.0, Source::Counter(..))
    }

    /// The present moment.
    #[inline]
    pub fn now(&self) -> Moment {
        Moment(match self.0 {
            Source::Counter(counter, _) => counter.read(),
            Source::System(start) => nanoseconds(start.elapsed()),
        })
    }

    /// Nanoseconds from one moment of this clock to another; 0 if the second one is not later.
    #[inline]
    pub fn ns_between(&self, from: Moment, to: Moment) -> u64 {
        let ticks = to.0.saturating_sub(from.0);
        match self.0 {
            Source::Counter(_, scale) => ((u128::from(ticks) * u128::from(scale)) >> 32) as u64,
            Source::System(_) => ticks,
        }
    }
}

/// A duration in nanoseconds. From 584 years on the result stays at the largest number.
fn nanoseconds(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// The length of a tick in nanoseconds, times 2^32; `None` if the counter's speed cannot be found, or two measurements disagree.
fn scale_of(counter: Counter) -> Option<u64> {
    if let Some(hertz) = counter.hertz() {
        return scale(1_000_000_000, hertz);
    }
    // If the operating system suspends the thread in the middle of a reading, the measurement is wrong, and one of the next ones will be
    // right. If the counter is not steady, no two measurements agree.
    (0..ATTEMPTS).find_map(|_| measured(counter))
}

fn measured(counter: Counter) -> Option<u64> {
    let epoch = Instant::now();
    let ends = [0, 1, 2].map(|i| {
        while nanoseconds(epoch.elapsed()) < i * MEASURE_NS {
            std::hint::spin_loop();
        }
        pair(counter, epoch)
    });
    let speed = |a: (u64, u64), b: (u64, u64)| scale(b.1.checked_sub(a.1)?, b.0.checked_sub(a.0)?);
    let (first, second) = (speed(ends[0], ends[1])?, speed(ends[1], ends[2])?);
    if first.abs_diff(second) > first >> AGREEMENT_SHIFT {
        return None;
    }
    speed(ends[0], ends[2])
}

/// `ns / ticks · 2^32`; `None` if that is not between 0.01 and 10,000 ns a tick, which no real counter is.
fn scale(ns: u64, ticks: u64) -> Option<u64> {
    let scale = (u128::from(ns) << 32).checked_div(u128::from(ticks))?;
    u64::try_from(scale).ok().filter(|s| ((1 << 32) / 100..10_000 << 32).contains(s))
}

/// The counter and the system's clock at the same moment. It reads both several times and returns the reading that took least time, since
/// that one can have been interrupted least.
fn pair(counter: Counter, epoch: Instant) -> (u64, u64) {
    let reading = || {
        let before = counter.read();
        let ns = nanoseconds(epoch.elapsed());
        let after = counter.read();
        (after.saturating_sub(before), before, ns)
    };
    let (took, before, ns) = (0..16).map(|_| reading()).min().unwrap_or_else(reading);
    (before + took / 2, ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds both clocks against the system's clock for a while, which is long enough that an interruption between two readings does not
    /// matter.
    #[test]
    fn clocks_run_at_the_right_speed() {
        for clock in [Clock::chosen(), Clock::system()] {
            let (from, start) = (clock.now(), Instant::now());
            std::thread::sleep(std::time::Duration::from_secs(1));
            let (to, took) = (clock.now(), start.elapsed());
            let (got, want) = (clock.ns_between(from, to) as f64, took.as_nanos() as f64);
            assert!((got / want - 1.0).abs() < 0.01, "{clock:?}: {got} ns, {want} by Instant");
            println!("{clock:?}: {:+.6} off", got / want - 1.0);
        }
    }

    #[test]
    fn moments_do_not_run_back() {
        for clock in [Clock::chosen(), Clock::system()] {
            let mut last = clock.now();
            for _ in 0..1_000_000 {
                let now = clock.now();
                assert!(now >= last, "{clock:?}: {last:?}, then {now:?}");
                last = now;
            }
            assert_eq!(clock.ns_between(Moment(u64::MAX), Moment(5)), 0);
        }
    }

    #[test]
    fn scales_are_exact_and_bounded() {
        assert_eq!(scale(1_000_000_000, 1_000_000_000), Some(1 << 32));
        assert_eq!(scale(1_000_000_000, 31_250_000), Some(32 << 32));
        assert_eq!(scale(1, 0), None);
        assert_eq!(scale(0, 1_000), None);
        assert_eq!(scale(1_000_000_000, 1), None);
        let Some((counter, _)) = Counter::detect().map(|c| (c, ())) else { return };
        let clock = Clock(Source::Counter(counter, 3 << 31));
        assert_eq!(clock.ns_between(Moment(100), Moment(1_100)), 1_500);
        // A week at 5 GHz does not overflow.
        assert_eq!(clock.ns_between(Moment(0), Moment(1 << 52)), 3 << 51);
    }
}
