//! Which of a premodel's programs decides the next input.
//!
//! ```text
//! value of a program at a price = expected reward − price · expected cost
//! expected cost = the cost that was judged + Σ over candidates (multiplier − 1) · cost of one run · share of inputs that run it
//! ```
//! As lines over the price, the programs have an upper envelope: a list of programs from the cheapest to the best, with the prices at which
//! one takes over from the next. It is computed anew when a multiplier changes. A price is then answered by counting the prices of the
//! envelope that lie above it.
//!
//! Everything that is asked at an input or between two inputs is a short loop over memory that was taken when the control was made.
#![deny(clippy::disallowed_types)]

use core::fmt;

use alloc::vec;
use alloc::vec::Vec;

use crate::CandidateId;
use crate::alternative::{MAX_PROGRAMS, Mix, is_amount};
use crate::model::Premodel;

/// Why a [`Control`] refused what it was told, in one line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ControlError {
    /// A price that is not finite or below 0.
    Price(f64),
    /// No program has expectations, by which a price could choose one.
    NoExpectations,
    /// A number that no program has, and how many programs there are.
    Program(usize, usize),
    /// A number that no candidate has, and how many candidates there are.
    Candidate(usize, usize),
    /// A multiplier that is not finite or below 0.
    Multiplier(f64),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::Price(got) => {
                write!(
                    f,
                    "price: expected a finite number of at least 0, in reward per millisecond, got {got}; name another"
                )
            }
            ControlError::NoExpectations => f.write_str(
                "price: expected a premodel whose programs say what to expect of them, got one without; train it anew",
            ),
            ControlError::Program(got, count) => {
                write!(f, "program: expected a number from 0 to {}, got {got}; name another", count - 1)
            }
            ControlError::Candidate(got, count) => {
                write!(f, "candidate: expected a number from 0 to {}, got {got}; name another", count - 1)
            }
            ControlError::Multiplier(got) => {
                write!(
                    f,
                    "cost multiplier: expected a finite number of at least 0, got {got}; name one, where 1 is the cost that was measured"
                )
            }
        }
    }
}

impl core::error::Error for ControlError {}

/// What decides which program is used.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// The premodel's own choice.
    Own,
    /// The best program at this price.
    Price(f64),
    /// This program.
    Program(usize),
}

/// A premodel's mix, and how many inputs it has decided.
#[derive(Clone, Copy, Debug)]
struct Coin {
    mix: Mix,
    inputs: u64,
}

impl Coin {
    /// The program of the next input.
    fn toss(&mut self) -> usize {
        // One step of SplitMix64 from a state that is computed, so that the outcome depends on the seed and the input's number alone. The
        // premodel imports nothing, so the generator of trt-select-base is not at hand here.
        self.inputs = self.inputs.wrapping_add(1);
        let mut z = self.mix.seed.wrapping_add(self.inputs.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let unit = (z >> 11) as f64 / (1_u64 << 53) as f64;
        self.mix.programs[usize::from(unit >= self.mix.share)]
    }
}

/// How many prices of the envelope are compared at a time, and the most rows of them.
const LANES: usize = 16;
const ROWS: usize = MAX_PROGRAMS / LANES;
/// Takes the place of a price where the envelope has fewer: it lies above no price.
const NO_PRICE: f32 = -1.0;
/// The largest cost that is told from others.
const MOST_MS: f64 = 1e300;

/// Chooses the program of each input, by a price, by its number, or by the premodel's own choice. Only [`Control::new`] allocates.
///
/// | told | decides from the next input on |
/// | --- | --- |
/// | nothing | the premodel's mix if it has one, else its chosen program |
/// | [`set_price`](Control::set_price) | the program with the largest reward − price · cost; of several, the cheapest |
/// | [`set_program`](Control::set_program) | that program |
/// | [`set_cost_multiplier`](Control::set_cost_multiplier) | after a price: the best at that price and these costs. After a program: that program. Else the chosen program, until at its own price another one is better by more than it was at the costs that were measured |
/// | [`reset`](Control::reset) | as if nothing had been told |
///
/// Prices are in reward per millisecond, as a premodel states them: a program may cost one millisecond more for each `price` of reward that it
/// gains.
///
/// ```
/// use trt_select_premodel::{Alternative, CandidateId, Control, Expected, Interval, Node, Premodel, TrainedFor};
///
/// let names = vec!["small".to_string(), "large".to_string()];
/// let (small, large) = (CandidateId(0), CandidateId(1));
/// let nodes = vec![Node::run(small, 1), Node::answer(small)];
/// let trained_for = TrainedFor::of_costs(vec![1e6, 3e6]);
/// let premodel = Premodel::new(names, 10, vec![], nodes, vec![large, small], vec![], trained_for)?;
/// let at = |mean: f64| Interval { mean, low: mean, high: mean };
/// let expect = |reward, ns| Some(Expected::new(at(reward), at(ns), at(reward - 0.9), "an example".to_string()));
/// let premodel = premodel.with_programs(
///     vec![
///         Alternative::single(small, 2).expected(expect(0.8, 1e6)),
///         Alternative::single(large, 2).expected(expect(0.9, 3e6)),
///     ],
///     1,
/// )?;
///
/// let mut control = Control::new(&premodel);
/// assert_eq!(control.next_program(), 1);
/// // The large one gains 0.1 for 2 ms more: that is worth it below a price of 0.05 per ms.
/// assert_eq!(control.set_price(0.04), Ok(1));
/// assert_eq!(control.set_price(0.06), Ok(0));
/// // A slow server: the small network takes three times as long.
/// assert_eq!(control.set_cost_multiplier(small, 3.0), Ok(1));
/// control.reset();
/// assert_eq!(control.next_program(), 1);
/// # Ok::<(), trt_select_premodel::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Control {
    /// The program that decides; of a mix, the one that decided last.
    program: usize,
    /// Whether the mix decides.
    is_mixing: bool,
    /// The premodel's mix.
    coin: Option<Coin>,
    /// For each two neighbours of the envelope the price at which the cheaper one takes over, the highest first; then at least one
    /// [`NO_PRICE`]. They are 32-bit floats, of which twice as many are compared at a time: a price so near to one of these that it rounds to
    /// the same float counts as equal to it.
    prices: [[f32; LANES]; ROWS],
    /// The last number of each row of prices, which is its lowest.
    lowest: [f32; ROWS],
    /// The programs of the envelope, the cheapest first. Empty where no program has expectations.
    envelope: Vec<u16>,
    rule: Rule,
    chosen: usize,
    /// The chosen program's own price: the one that it was trained for, else one at which it is the best.
    own_price: Option<f64>,
    /// By how much another program was better at that price as the premodel was made: training judges by folds, so that the chosen program
    /// need not be the best one at the price that it was trained for.
    own_margin: f64,
    /// For each candidate what one run costs now, as a multiple of what it cost when the premodel was made.
    multipliers: Vec<f64>,
    /// For each candidate what one run cost then.
    costs_ns: Vec<f64>,
    programs: Vec<Offer>,
    /// For each program, candidate by candidate: cost of one run · share of inputs that run it, in milliseconds.
    parts: Vec<f64>,
}

/// What a program earns and costs.
#[derive(Clone, Copy, Debug)]
struct Offer {
    has_expectations: bool,
    reward: f64,
    /// Milliseconds, where every multiplier is 1.
    judged_ms: f64,
    /// Milliseconds, with the multipliers.
    cost_ms: f64,
}

/// How many of these prices lie above a price.
#[inline(always)]
fn above<const N: usize>(prices: &[f32; N], price: f32) -> usize {
    // Four counts, so that four comparisons are one instruction and their results are added by one more.
    let mut counts = [0_u32; 4];
    for four in prices.as_chunks::<4>().0 {
        for (count, own) in counts.iter_mut().zip(four) {
            *count += u32::from(*own > price);
        }
    }
    let [a, b, c, d] = counts;
    ((a + c) + (b + d)) as usize
}

// The last row is never full: a front has one price less than programs.
const _: () = assert!(ROWS * LANES == MAX_PROGRAMS);

impl Control {
    /// A control that was told nothing.
    pub fn new(premodel: &Premodel) -> Control {
        let candidates = premodel.candidates().len();
        let costs = &premodel.trained_for.costs_ns;
        let count = premodel.programs().len();
        let mut programs = Vec::with_capacity(count);
        let mut parts = vec![0.0; count * candidates];
        for program in premodel.programs() {
            let expected = program.expected();
            let judged_ms = expected.map_or(0.0, |expected| expected.cost_ns.mean / 1e6);
            programs.push(Offer {
                has_expectations: expected.is_some(),
                reward: expected.map_or(0.0, |expected| expected.reward.mean),
                judged_ms,
                cost_ms: judged_ms,
            });
            let own = &mut parts[program.number() * candidates..];
            for (part, (share, cost)) in own.iter_mut().zip(program.ran().iter().zip(costs)) {
                *part = share * cost / 1e6;
            }
        }
        let mut control = Control {
            program: premodel.chosen(),
            is_mixing: false,
            coin: premodel.mix().map(|mix| Coin { mix, inputs: 0 }),
            prices: [[NO_PRICE; LANES]; ROWS],
            lowest: [NO_PRICE; ROWS],
            envelope: Vec::with_capacity(count),
            rule: Rule::Own,
            chosen: premodel.chosen(),
            own_price: premodel.programs().nth(premodel.chosen()).and_then(|program| program.price()),
            own_margin: 0.0,
            costs_ns: costs.clone(),
            multipliers: vec![1.0; candidates],
            programs,
            parts,
        };
        control.find_costs();
        control.find_envelope();
        control.anchor();
        control.follow();
        control
    }

    /// Finds the price that stands for the premodel's own choice, and how much better another program is there.
    fn anchor(&mut self) {
        if self.own_price.is_none()
            && let Some(at) = self.envelope.iter().position(|&program| usize::from(program) == self.chosen)
        {
            // In the middle of the prices at which it is the best one.
            let price = |at: usize| f64::from(self.prices[at / LANES][at % LANES].max(0.0));
            let lower = price(at);
            self.own_price = Some(if at == 0 { 2.0 * lower } else { f64::midpoint(lower, price(at - 1)) });
        }
        self.own_margin = self.own_price.map_or(0.0, |price| self.advantage(price).map_or(0.0, |(_, more)| more));
    }

    /// The best program at a price, and by how much it is better than the chosen one. `None` where nothing is expected of either.
    fn advantage(&self, price: f64) -> Option<(usize, f64)> {
        let value = |program: usize| {
            let offer = self.programs.get(program).filter(|offer| offer.has_expectations)?;
            Some(offer.reward - price * offer.cost_ms)
        };
        let best = self.best_at(price)?;
        Some((best, value(best)? - value(self.chosen)?))
    }

    /// The program of the next input. To be called once for each input: a mix takes another chance each time.
    #[inline]
    pub fn next_program(&mut self) -> usize {
        if self.is_mixing
            && let Some(coin) = &mut self.coin
        {
            self.program = coin.toss();
        }
        self.program
    }

    /// The program that decides; of a mix, the one that the last input took.
    #[inline]
    pub fn program(&self) -> usize {
        self.program
    }

    /// Lets the best program at this price decide, in reward per millisecond, and returns its number. Ends a mix.
    ///
    /// # Errors
    /// [`ControlError::Price`] and [`ControlError::NoExpectations`]; then nothing changes.
    #[inline]
    pub fn set_price(&mut self, price: f64) -> Result<usize, ControlError> {
        if !is_amount(price) {
            return Err(ControlError::Price(price));
        }
        let best = self.best_at(price).ok_or(ControlError::NoExpectations)?;
        self.rule = Rule::Price(price);
        self.is_mixing = false;
        self.program = best;
        Ok(best)
    }

    /// Lets this program decide, whatever its cost is. Ends a mix.
    ///
    /// # Errors
    /// [`ControlError::Program`] where there is no program of this number; then nothing changes.
    #[inline]
    pub fn set_program(&mut self, program: usize) -> Result<(), ControlError> {
        if program >= self.programs.len() {
            return Err(ControlError::Program(program, self.programs.len()));
        }
        self.rule = Rule::Program(program);
        self.is_mixing = false;
        self.program = program;
        Ok(())
    }

    /// Says that one run of a candidate now costs this many times what it cost when the premodel was made, and returns the number of the
    /// program that decides with these costs. Only programs that say on which share of inputs a candidate runs
    /// ([`Alternative::ran`](crate::Alternative::ran)) change their cost. A mix pauses while a multiplier is not 1.
    ///
    /// # Errors
    /// [`ControlError::Candidate`] and [`ControlError::Multiplier`]; then nothing changes.
    pub fn set_cost_multiplier(&mut self, candidate: CandidateId, multiplier: f64) -> Result<usize, ControlError> {
        let count = self.multipliers.len();
        if !is_amount(multiplier) {
            return Err(ControlError::Multiplier(multiplier));
        }
        let Some(own) = self.multipliers.get_mut(candidate.index()) else {
            return Err(ControlError::Candidate(candidate.index(), count));
        };
        *own = multiplier;
        self.follow();
        Ok(self.program)
    }

    /// Forgets what it was told, multipliers included. A mix begins anew, with the same chances.
    pub fn reset(&mut self) {
        self.rule = Rule::Own;
        if let Some(coin) = &mut self.coin {
            coin.inputs = 0;
        }
        self.multipliers.fill(1.0);
        self.follow();
    }

    /// Takes over what another control was told: what runs cost now, and its price. A multiplier changes where the other premodel was made with
    /// another cost of that candidate, so that the cost stays what it was said to be. A program that it was told by number is not taken over,
    /// since the number may mean another program here. For a premodel that replaces another one with the same candidates. Where no program of
    /// this control has expectations, its chosen program decides whatever the price is.
    pub fn take_over(&mut self, before: &Control) {
        let costs = self.costs_ns.iter().zip(&before.costs_ns);
        for ((own, other), (new, old)) in self.multipliers.iter_mut().zip(&before.multipliers).zip(costs) {
            // What was never said to differ is taken to cost what the new premodel says.
            let scaled = *other * (old / new);
            *own = if *other == 1.0 || !is_amount(scaled) { *other } else { scaled };
        }
        self.rule = match before.rule {
            Rule::Price(price) => Rule::Price(price),
            Rule::Own | Rule::Program(_) => Rule::Own,
        };
        self.follow();
    }

    /// The price that was set; `None` where a program or nothing was told last.
    pub fn price(&self) -> Option<f64> {
        match self.rule {
            Rule::Price(price) => Some(price),
            Rule::Own | Rule::Program(_) => None,
        }
    }

    /// What one run of a candidate costs now, as a multiple of what it cost when the premodel was made; `None` where there is no such
    /// candidate.
    pub fn cost_multiplier(&self, candidate: CandidateId) -> Option<f64> {
        self.multipliers.get(candidate.index()).copied()
    }

    /// The expected cost of a program with the multipliers, in milliseconds; `None` where there is no such program or nothing is expected
    /// of it.
    pub fn cost_ms(&self, program: usize) -> Option<f64> {
        self.programs.get(program).filter(|offer| offer.has_expectations).map(|offer| offer.cost_ms)
    }

    /// The best program at a price; `None` where no program has expectations.
    #[inline]
    fn best_at(&self, price: f64) -> Option<usize> {
        // No jump depends on a price. Rows whose lowest price lies above this one lie above it as a whole, and the last row has no such price.
        let price = price as f32;
        let row = if self.envelope.len() <= LANES { 0 } else { above(&self.lowest, price) };
        let at = LANES * row + above(self.prices.get(row)?, price);
        self.envelope.get(at).map(|&program| usize::from(program))
    }

    /// Decides anew, after the rule or a multiplier changed.
    fn follow(&mut self) {
        self.find_costs();
        self.find_envelope();
        let is_as_made = self.multipliers.iter().all(|&m| m == 1.0);
        self.is_mixing = self.rule == Rule::Own && is_as_made && self.coin.is_some();
        let found = match self.rule {
            Rule::Program(program) => Some(program),
            Rule::Price(price) => self.best_at(price),
            Rule::Own if is_as_made => None,
            // The small number is there since sums of costs in another order may differ in their last digits.
            Rule::Own => self.own_price.and_then(|price| {
                let (best, more) = self.advantage(price)?;
                (more > self.own_margin + 1e-9).then_some(best)
            }),
        };
        self.program = found.unwrap_or(self.chosen);
    }

    fn find_costs(&mut self) {
        let rows = self.parts.chunks_exact(self.multipliers.len());
        for (offer, parts) in self.programs.iter_mut().zip(rows) {
            let more: f64 = parts.iter().zip(&self.multipliers).map(|(part, m)| (m - 1.0) * part).sum();
            // What was judged may be a little less than the sum of the parts, so that it could fall below 0 at multipliers near 0. Infinite
            // costs could not be compared.
            offer.cost_ms = (offer.judged_ms + more).clamp(0.0, MOST_MS);
        }
    }

    /// Finds the programs that are best at some price: the upper envelope of reward − price · cost, by a scan over the programs in the order of
    /// their costs (Andrew's monotone chain).
    fn find_envelope(&mut self) {
        let Control { programs, envelope, prices, lowest, .. } = self;
        let offer = |program: &u16| programs[usize::from(*program)];
        envelope.clear();
        envelope.extend((0_u16..).zip(programs.iter()).filter(|(_, offer)| offer.has_expectations).map(|(at, _)| at));
        envelope.sort_unstable_by(|a, b| {
            let (x, y) = (offer(a), offer(b));
            x.cost_ms.total_cmp(&y.cost_ms).then(y.reward.total_cmp(&x.reward)).then(a.cmp(b))
        });
        // The price at which `cheap` takes over from `dear`, which earns more.
        let between = |cheap: u16, dear: u16| {
            let (cheap, dear) = (offer(&cheap), offer(&dear));
            (dear.reward - cheap.reward) / (dear.cost_ms - cheap.cost_ms)
        };
        // The list is its own result: the first `kept` programs are those kept so far.
        let mut kept = 0;
        for at in 0..envelope.len() {
            let next = envelope[at];
            if kept > 0 && offer(&next).reward <= offer(&envelope[kept - 1]).reward {
                continue;
            }
            while kept > 1 && between(envelope[kept - 1], next) >= between(envelope[kept - 2], envelope[kept - 1]) {
                kept -= 1;
            }
            envelope[kept] = next;
            kept += 1;
        }
        envelope.truncate(kept);
        *prices = [[NO_PRICE; LANES]; ROWS];
        for (price, pair) in prices.as_flattened_mut().iter_mut().zip(envelope.windows(2)) {
            // However dear a program is, at the price 0 the best one decides.
            *price = (between(pair[0], pair[1]) as f32).max(f32::MIN_POSITIVE);
        }
        for (lowest, row) in lowest.iter_mut().zip(prices) {
            *lowest = row[LANES - 1];
        }
    }
}

#[cfg(test)]
mod tests;
