//! Tables in plain text, and summaries of times.

use serde_json::{Value, json};
use trt_select_premodel::{FrontProgram, Premodel};
use trt_select_train::{Warning, percentile};

/// How many times cheaper than the best single network a program is expected to be, by the costs that the premodel states; `None` where
/// nothing is expected of it. The best single network is the first of the fallback list.
pub(crate) fn times_cheaper(premodel: &Premodel, program: &FrontProgram<'_>) -> Option<f64> {
    let best = premodel.fallback().first()?;
    let cost_ns = program.expected()?.cost_ns.mean;
    (cost_ns > 0.0).then(|| premodel.trained_for.costs_ns[best.index()] / cost_ns)
}

/// A table in plain text. Columns of numbers are aligned to the right, all others to the left. The first row is the head.
pub(crate) struct TextTable {
    rows: Vec<Vec<String>>,
}

impl TextTable {
    pub(crate) fn new(head: &[&str]) -> TextTable {
        TextTable { rows: vec![head.iter().map(|h| (*h).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows[0].len();
        let cell = |row: &Vec<String>, c: usize| row.get(c).cloned().unwrap_or_default();
        let width = |c| self.rows.iter().map(|r| cell(r, c).chars().count()).max().unwrap_or(0);
        // A column holds numbers if every cell below its head is a number or a dash.
        let is_number = |s: &str| s == "-" || s.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c));
        let numeric = |c| self.rows[1..].iter().all(|r| is_number(&cell(r, c)));
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for c in 0..columns {
                let (value, width) = (cell(row, c), width(c));
                if c > 0 {
                    line.push_str("  ");
                }
                line.push_str(&if numeric(c) { format!("{value:>width$}") } else { format!("{value:<width$}") });
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Warnings as JSON: the kind of each, and its line.
pub(crate) fn warnings_json(warnings: &[Warning]) -> Value {
    warnings.iter().map(|warning| json!({ "kind": warning.kind.name(), "text": warning.to_string() })).collect()
}

/// The measured times of one stage or candidate, in milliseconds and sorted.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    sorted: Vec<f64>,
}

/// The percentiles that the table of stages shows.
pub(crate) const PERCENTILES: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];

impl Times {
    pub(crate) fn of_ns(ns: impl IntoIterator<Item = u64>) -> Times {
        let mut sorted: Vec<f64> = ns.into_iter().map(|n| n as f64 / 1e6).collect();
        sorted.sort_by(f64::total_cmp);
        Times { sorted }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted.first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted.last().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sorted.iter().sum::<f64>() / self.sorted.len() as f64
    }

    /// The middle value, or the mean of the two middle ones: trtexec's median.
    pub(crate) fn median(&self) -> f64 {
        let n = self.sorted.len();
        if n == 0 { f64::NAN } else { (self.sorted[(n - 1) / 2] + self.sorted[n / 2]) / 2.0 }
    }

    pub(crate) fn percentile(&self, p: f64) -> f64 {
        if p == 50.0 { self.median() } else { percentile(&self.sorted, p) }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "min_ms": self.min(), "mean_ms": self.mean(), "median_ms": self.median(), "p90_ms": self.percentile(90.0),
            "p95_ms": self.percentile(95.0), "p99_ms": self.percentile(99.0), "p99_9_ms": self.percentile(99.9),
            "max_ms": self.max(),
        })
    }

    /// The line that trtexec prints for a group of times.
    pub(crate) fn line(&self, what: &str, percentiles: &[f64]) -> String {
        let (min, max, mean, median) = (self.min(), self.max(), self.mean(), self.median());
        let mut text =
            format!("{what}: min = {min:.6} ms, max = {max:.6} ms, mean = {mean:.6} ms, median = {median:.6} ms");
        for &p in percentiles {
            text += &format!(", percentile({p}%) = {:.6} ms", self.percentile(p));
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = TextTable::new(&["name", "n", "words"]);
        table.row(["a".into(), "1.5".into(), "left".into()]);
        table.row(["longer".into(), "10.5".into(), "x".into()]);
        assert_eq!(table.render(), "name       n  words\na        1.5  left\nlonger  10.5  x\n");
    }

    #[test]
    fn times_follow_trtexec() {
        let times = Times::of_ns((1..=1000).map(|i| i * 1_000_000));
        assert_eq!((times.min(), times.max(), times.median()), (1.0, 1000.0, 500.5));
        assert_eq!((times.percentile(90.0), times.percentile(99.9)), (900.0, 999.0));
        assert!(times.line("Latency", &[90.0]).ends_with("percentile(90%) = 900.000000 ms\n"));
    }
}
