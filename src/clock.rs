//! The clock of the hot path: the processor's own counter where it is known to be steady, else the system's monotonic clock.
//!
//! A reading of the system's clock costs tens of nanoseconds, and an input needs three to five. The counter (the time stamp counter of
//! x86-64, the virtual counter of aarch64) costs a fraction. It is taken where
//! - x86-64: the processor says that it runs at one speed in all states, Linux keeps its own time by it (so it was found to
//!   agree between processors), and two measurements of its speed, a millisecond each, agree with each other;
//! - aarch64: it says its speed.
//!
//! The choice is made once in a process, at the first [`Clock::chosen`].
#![deny(unsafe_code)]

mod counter;

use std::time::Instant;

use counter::Counter;

/// A moment as a clock read it. Only [`Clock::ns_between`] of the same clock knows what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// A clock. It is a plain value: whoever measures holds one.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Source);

#[derive(Clone, Copy, Debug)]
enum Source {
    /// Nanoseconds a tick, times 2^32.
    Counter(Counter, u64),
    /// Nanoseconds since the clock was made.
    System(Instant),
}

/// How long the counter's speed is measured, in nanoseconds. The moments of both ends are known within some hundred
/// nanoseconds at worst, so the speed within some parts in ten thousand; here mostly within a few in a hundred thousand.
const MEASURE_NS: u64 = 1_000_000;
/// Two measurements that differ by more than this share of the speed are not believed: one in 512.
const AGREEMENT_SHIFT: u32 = 9;
/// How often it is measured before the counter is given up.
const ATTEMPTS: usize = 8;

impl Clock {
    /// The counter where it can be trusted, else the system's clock. The first call of a process measures the counter's speed,
    /// which takes two milliseconds on x86-64, and up to sixteen where the machine is so busy that measurements disagree.
    pub fn chosen() -> Clock {
        static CHOSEN: std::sync::OnceLock<Option<(Counter, u64)>> = std::sync::OnceLock::new();
        match *CHOSEN.get_or_init(|| Counter::detect().and_then(|c| Some((c, scale_of(c)?)))) {
            Some((counter, scale)) => Clock(Source::Counter(counter, scale)),
            None => Clock::system(),
        }
    }

    /// The system's monotonic clock.
    pub fn system() -> Clock {
        Clock(Source::System(Instant::now()))
    }

    /// Whether it reads the processor's counter.
    pub fn is_counter(&self) -> bool {
        matches!(self.0, Source::Counter(..))
    }

    /// Now.
    #[inline]
    pub fn now(&self) -> Moment {
        Moment(match self.0 {
            Source::Counter(counter, _) => counter.read(),
            Source::System(start) => nanoseconds(start.elapsed()),
        })
    }

    /// Nanoseconds from one moment of this clock to another; 0 where the second is not later.
    #[inline]
    pub fn ns_between(&self, from: Moment, to: Moment) -> u64 {
        let ticks = to.0.saturating_sub(from.0);
        match self.0 {
            Source::Counter(_, scale) => ((u128::from(ticks) * u128::from(scale)) >> 32) as u64,
            Source::System(_) => ticks,
        }
    }
}

/// A duration as nanoseconds; past 584 years it stays there.
fn nanoseconds(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds a tick, times 2^32; `None` where the counter's speed cannot be told or does not hold.
fn scale_of(counter: Counter) -> Option<u64> {
    if let Some(hertz) = counter.hertz() {
        return scale(1_000_000_000, hertz);
    }
    // A thread that is set aside in the middle of a reading measures wrongly; a counter that is steady agrees with itself before long.
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

/// `ns / ticks · 2^32`, where that makes sense: between 0.01 and 10,000 ns a tick.
fn scale(ns: u64, ticks: u64) -> Option<u64> {
    let scale = (u128::from(ns) << 32).checked_div(u128::from(ticks))?;
    u64::try_from(scale).ok().filter(|s| ((1 << 32) / 100..10_000 << 32).contains(s))
}

/// The counter and the system's clock at one moment: of several readings, the one that took the least time.
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

    /// Both clocks against the system's over a while, which is long enough that scheduling in between shows in neither.
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
        // A week at 5 GHz overflows nothing.
        assert_eq!(clock.ns_between(Moment(0), Moment(1 << 52)), 3 << 51);
    }
}
