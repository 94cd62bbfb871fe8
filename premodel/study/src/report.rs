//! A study as CSV files and as one Markdown page.

use std::fmt::Write;

use trt_select_premodel::{CandidateId, Interval};
use trt_select_train::{Worth, random_mix};

use super::outcome::{Group, Summary};
use super::{Beside, FrontPoint, Rival, Study, chain, classify, svm};

/// Rows of cells, the first one the header.
type Rows = Vec<Vec<String>>;

fn cells<const N: usize>(head: [&str; N]) -> Rows {
    vec![head.iter().map(|h| (*h).to_string()).collect()]
}

fn ms(ns: f64) -> String {
    format!("{:.6}", ns / 1e6)
}

fn share(value: f64) -> String {
    format!("{value:.6}")
}

fn maybe(value: Option<f64>, f: impl Fn(f64) -> String) -> String {
    value.map_or_else(String::new, f)
}

/// CSV by RFC 4180: fields are quoted where they must be.
fn csv(rows: &Rows) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        // Writing to memory does not fail.
        let _ = writer.write_record(row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

impl Study {
    fn name(&self, id: CandidateId) -> String {
        self.candidates.get(id.index()).cloned().unwrap_or_default()
    }

    pub(super) fn names(&self, set: &[CandidateId], between: &str) -> String {
        set.iter().map(|&c| self.name(c)).collect::<Vec<_>>().join(between)
    }

    fn best_single(&self) -> Option<&Summary> {
        let better = |a: &&Summary, b: &&Summary| {
            a.accuracy.mean.total_cmp(&b.accuracy.mean).then(b.mean_ns.total_cmp(&a.mean_ns))
        };
        self.of(Group::Single).max_by(better)
    }
}

/// All tables as CSV files: name and text.
pub(super) fn tables(study: &Study) -> Vec<(String, String)> {
    let mut files = vec![
        ("selectors.csv", selectors(study)),
        ("classes.csv", classes(study)),
        ("optimal.csv", optimal(study)),
        ("algorithm1.csv", algorithm_1(study)),
        ("fronts.csv", fronts(study)),
        ("cascades.csv", cascades(study)),
        ("beside.csv", beside(&study.beside())),
        ("counts.csv", counts(study)),
        ("overhead.csv", overhead(study)),
    ];
    if let Some(found) = &study.correlations {
        let mut matrix = vec![[String::from("feature")].into_iter().chain(found.features.iter().cloned()).collect()];
        for (name, r) in found.features.iter().zip(&found.r) {
            matrix.push([name.clone()].into_iter().chain(r.iter().map(|v| format!("{v:.4}"))).collect());
        }
        let mut dropped = cells(["feature", "because_of", "r"]);
        for d in &found.dropped {
            let because = d.because.clone().unwrap_or_else(|| "constant".to_string());
            dropped.push(vec![d.feature.clone(), because, format!("{:.4}", d.r)]);
        }
        files.push(("correlations.csv", matrix));
        files.push(("correlated.csv", dropped));
        files.push(("feature_loss.csv", losses(&study.losses)));
        files.push(("feature_greedy.csv", losses(&study.greedy)));
    }
    files.into_iter().map(|(name, rows)| (name.to_string(), csv(&rows))).collect()
}

fn selectors(study: &Study) -> Rows {
    let mut rows = cells([
        "selector",
        "group",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "over_best_single",
        "over_low",
        "over_high",
        "selector_accuracy",
        "mean_ms",
        "speedup",
        "speedup_low",
        "speedup_high",
        "p99_ms",
        "worst_ms",
        "random_mix",
        "top5",
        "energy_mj",
        "macro_precision",
        "macro_recall",
        "macro_f1",
    ]);
    for s in &study.selectors {
        let mut row = vec![s.name.clone(), s.group.name().to_string()];
        for interval in [&s.accuracy, &s.over_best_single] {
            row.extend([interval.mean, interval.low, interval.high].map(share));
        }
        row.extend([share(s.selector_accuracy), ms(s.mean_ns)]);
        row.extend([s.speedup.mean, s.speedup.low, s.speedup.high].map(|v| format!("{v:.4}")));
        row.extend([ms(s.p99_ns), ms(s.worst_ns), maybe(s.random_mix, share), maybe(s.top5, share)]);
        row.push(maybe(s.energy_mj, |v| format!("{v:.4}")));
        row.extend(s.macro_scores.map(share));
        rows.push(row);
    }
    rows
}

fn classes(study: &Study) -> Rows {
    let mut rows = cells(["selector", "class", "precision", "recall", "f1", "support"]);
    // Of the cascades the one with a goal is enough: those of a price have the same classes.
    for s in study.selectors.iter().filter(|s| !by_price(s)) {
        for c in &s.classes {
            let class = c.candidate.map_or_else(|| "none".to_string(), |id| study.name(id));
            let scores = [c.precision, c.recall, c.f1].map(share);
            rows.push([s.name.clone(), class].into_iter().chain(scores).chain([c.support.to_string()]).collect());
        }
    }
    rows
}

fn by_price(s: &Summary) -> bool {
    s.group == Group::Cascade && s.name.ends_with("per ms")
}

fn optimal(study: &Study) -> Rows {
    let mut rows = cells(["network", "cost_ms", "accuracy", "share_optimal"]);
    for (i, s) in study.of(Group::Single).enumerate() {
        rows.push(vec![s.name.clone(), ms(s.mean_ns), share(s.accuracy.mean), share(study.optimal[i])]);
    }
    rows.push(vec!["none".into(), String::new(), String::new(), share(study.optimal[study.candidates.len()])]);
    rows
}

fn algorithm_1(study: &Study) -> Rows {
    let mut rows = cells(["network", "union_accuracy", "gain"]);
    rows.extend(study.kept.iter().map(|k| vec![study.name(k.candidate), share(k.union_accuracy), share(k.gain)]));
    rows
}

fn fronts(study: &Study) -> Rows {
    let mut rows =
        cells(["group", "kind", "lambda_per_ms", "accuracy", "over_best_single", "mean_ms", "random_mix", "on_front"]);
    let singles = study.singles();
    for front in &study.fronts {
        for p in &front.points {
            rows.push(vec![
                front.group.name().to_string(),
                p.kind.name().to_string(),
                maybe(p.price, |l| format!("{l:.6}")),
                share(p.accuracy),
                share(p.over_best_single),
                ms(p.mean_ns),
                maybe(random_mix(&singles, p.mean_ns), share),
                u8::from(p.on_front).to_string(),
            ]);
        }
    }
    rows
}

fn cascades(study: &Study) -> Rows {
    let mut rows = cells(["order", "lambda_per_ms", "accuracy", "mean_ms"]);
    for p in &study.cascades {
        let lambda = format!("{:.6}", p.price_per_ns * 1e6);
        rows.push(vec![study.names(&p.order, " > "), lambda, share(p.accuracy), ms(p.mean_ns)]);
    }
    rows
}

fn beside(all: &[Beside]) -> Rows {
    let mut rows = cells(["other", "kind", "mean_ms", "accuracy", "front_accuracy", "front_over"]);
    for b in all {
        let other = [b.name.clone(), b.kind.name().to_string(), ms(b.mean_ns), share(b.accuracy)];
        rows.push(other.into_iter().chain([maybe(b.front, share), maybe(b.over(), share)]).collect());
    }
    rows
}

fn counts(study: &Study) -> Rows {
    let mut rows = cells([
        "networks",
        "added",
        "oracle_accuracy",
        "oracle_ms",
        "single_accuracy",
        "single_ms",
        "chain_selector_accuracy",
        "chain_accuracy",
        "cascade_accuracy",
        "cascade_ms",
        "program_accuracy",
        "program_ms",
    ]);
    for c in &study.counts {
        let worth = |w: Option<Worth>| [maybe(w.map(|w| w.reward), share), maybe(w.map(|w| w.cost), ms)];
        let added =
            if c.set.len() == 2 { study.names(&c.set, " + ") } else { study.names(&c.set[c.set.len() - 1..], "") };
        let mut row = vec![c.set.len().to_string(), added];
        row.extend(worth(Some(c.oracle)));
        row.extend(worth(Some(c.single)));
        row.extend([maybe(c.chain.map(|a| a.selector), share), maybe(c.chain.map(|a| a.answers), share)]);
        row.extend(worth(c.cascade));
        row.extend(worth(c.program));
        rows.push(row);
    }
    rows
}

fn overhead(study: &Study) -> Rows {
    let mut rows = cells(["selector", "decision_ns", "training_s"]);
    for o in &study.overheads {
        rows.push(vec![
            o.selector.clone(),
            maybe(o.decision_ns, |v| format!("{v:.1}")),
            format!("{:.4}", o.training_s),
        ]);
    }
    rows
}

fn losses(losses: &[super::Loss]) -> Rows {
    let mut rows = cells(["removed", "left", "selector_accuracy", "answer_accuracy", "selector_lost", "answer_lost"]);
    let Some(first) = losses.first() else { return rows };
    for l in losses {
        let removed = if l.feature.is_empty() { "(none)".to_string() } else { l.feature.clone() };
        let lost = [first.selector_accuracy - l.selector_accuracy, first.answer_accuracy - l.answer_accuracy];
        let values = [l.selector_accuracy, l.answer_accuracy].into_iter().chain(lost).map(share);
        rows.push([removed, l.left.to_string()].into_iter().chain(values).collect());
    }
    rows
}

/// A Markdown table: first column to the left, the others to the right.
fn table(rows: &Rows) -> String {
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let line: Vec<String> = row.iter().map(|c| c.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", line.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "| --- |{}", " ---: |".repeat(row.len().saturating_sub(1)));
        }
    }
    text
}

fn percent(value: f64) -> String {
    format!("{:.2}", 100.0 * value)
}

fn short_ms(ns: f64) -> String {
    let ms = ns / 1e6;
    if ms >= 10.0 { format!("{ms:.2}") } else { format!("{ms:.4}") }
}

fn selector_rows(study: &Study) -> Rows {
    let has_top5 = study.selectors.iter().any(|s| s.top5.is_some());
    let has_energy = study.selectors.iter().any(|s| s.energy_mj.is_some());
    let mut rows = cells([
        "selector",
        "top-1 % (95 %)",
        "less best single",
        "random mix %",
        "selector %",
        "mean ms",
        "times faster (95 %)",
        "p99 ms",
        "worst ms",
        "precision",
        "recall",
        "F1",
    ]);
    for (has, head) in [(has_top5, "top-5 %"), (has_energy, "energy mJ")] {
        if has {
            rows[0].push(head.to_string());
        }
    }
    let mut before: Option<&Summary> = None;
    for s in &study.selectors {
        // Neighbouring prices often choose the same cascades; selectors.csv has all of them.
        let same =
            before.is_some_and(|b| by_price(b) && by_price(s) && b.accuracy == s.accuracy && b.mean_ns == s.mean_ns);
        before = Some(s);
        if same {
            continue;
        }
        let i = |v: &Interval| format!("{} ({}…{})", percent(v.mean), percent(v.low), percent(v.high));
        let signed = |v: f64| format!("{:+.2}", 100.0 * v);
        let over = &s.over_best_single;
        let mut row = vec![
            s.name.clone(),
            i(&s.accuracy),
            format!("{} ({}…{})", signed(over.mean), signed(over.low), signed(over.high)),
            maybe(s.random_mix, percent),
            percent(s.selector_accuracy),
            short_ms(s.mean_ns),
            format!("{:.2} ({:.2}…{:.2})", s.speedup.mean, s.speedup.low, s.speedup.high),
            short_ms(s.p99_ns),
            short_ms(s.worst_ns),
        ];
        row.extend(s.macro_scores.map(|v| format!("{v:.3}")));
        if has_top5 {
            row.push(maybe(s.top5, percent));
        }
        if has_energy {
            row.push(maybe(s.energy_mj, |v| format!("{v:.2}")));
        }
        rows.push(row);
    }
    rows
}

/// A table for people: numbers with decimals are rounded to four of them.
fn rounded(rows: Rows) -> Rows {
    let round = |cell: String| match cell.parse::<f64>() {
        Ok(v) if cell.contains('.') => format!("{v:.4}"),
        _ => cell,
    };
    rows.into_iter().map(|row| row.into_iter().map(round).collect()).collect()
}

/// The page with everything. `names` are the other files.
pub(super) fn markdown(study: &Study, names: &[String]) -> String {
    let mut text = String::from("# Study\n\n");
    let o = &study.options;
    let _ = writeln!(
        text,
        "{} rows, {} networks; {}-fold cross-validation, seed {}; profile SHA-256 `{}`.",
        study.rows,
        study.candidates.len(),
        o.folds,
        o.seed,
        study.profile.sha256
    );
    for (key, value) in
        study.profile.comments.iter().filter(|(k, _)| ["engine", "device", "precision"].contains(&k.as_str()))
    {
        let _ = writeln!(text, "{key}: {value}.");
    }
    text.push_str(
        "\nEvery figure is from rows that the selector was not fitted on; folds are shuffled by the seed. *Top-1* is the mean \
         reward of the answers. *Selector* is the share of rows on which the fastest right network was foretold, or rightly \
         that none is right: it is no accuracy of answers. Intervals are paired bootstraps (1,000 resamples). Times are sums \
         of the networks' costs (medians of the profile, or those given)",
    );
    let _ = writeln!(
        text,
        ", and of the image features' ({} ms) where a selector reads them; a selector's own time stands under *Overhead*. \
         *Random mix* is what a coin between two single networks reaches at the same mean time: a selector below it is worth \
         nothing.\n",
        short_ms(study.features_ns)
    );
    let plot = |text: &mut String, name: &str, what: &str| {
        if names.iter().any(|n| n == name) {
            let _ = writeln!(text, "![{what}]({name})\n");
        }
    };
    plot(&mut text, "accuracy.svg", "accuracy against mean time");
    text.push_str("## Selectors\n\n");
    text.push_str(&table(&selector_rows(study)));
    text.push_str(&findings(study));
    notes(study, &mut text);
    text.push_str(
        "\n## The front beside others\n\nFor every single network and cascade what the front of the decision programs reaches at the same mean time, by \
         a coin between two of its programs. Cascades are chosen in the fold as programs are, by price; those picked in hindsight \
         are what no cascade of any order and price beats on the rows that judge them, which is more than a user could choose.\n\n",
    );
    let all = study.beside();
    text.push_str(&above(&all));
    text.push_str(&table(&rounded(beside(&all))));

    text.push_str("\n## Which network is optimal\n\nShare of rows for which a network is the fastest right one.\n\n");
    text.push_str(&table(&rounded(optimal(study))));
    text.push('\n');
    plot(&mut text, "optimal.svg", "share of rows for which each network is optimal");
    let _ = writeln!(text, "## Algorithm 1\n\nθ = {}. Networks in the order of keeping.\n", o.theta);
    text.push_str(&table(&rounded(algorithm_1(study))));
    text.push_str(
        "\n## Number of networks\n\nThe first networks of Algorithm 1 without its stop, then by accuracy; this order is taken on \
         all rows. Chain: nearest neighbours, one stage a network. Cascade and program: the cheapest at least as good as the best \
         network of the set (the program within a tenth of a point).\n\n",
    );
    text.push_str(&table(&rounded(counts(study))));
    text.push('\n');
    plot(&mut text, "counts.svg", "effect of the number of networks");
    feature_tables(study, &mut text, &plot);
    text.push_str(
        "## Overhead\n\nMeasured on one core: the time of all decisions for one input (features not included), and of training on \
         all rows (programs: the whole cross-validated sweep, on all cores). Cascades: all orders and prices of one fold, with \
         the other folds at work beside it; leaving one is one comparison a network, and was not measured.\n\n",
    );
    text.push_str(&table(&overhead(study)));
    text.push_str("\n## Files\n\n");
    for name in names {
        let _ = writeln!(text, "- [{name}]({name})");
    }
    text
}

fn notes(study: &Study, text: &mut String) {
    if study.options.features.is_empty() {
        text.push_str("\nThe profile has no image features: no chains, no classifiers.\n");
        return;
    }
    let _ = writeln!(
        text,
        "\nChains and classifiers choose between {} (the first that Algorithm 1 takes on the training rows; {} of {} folds took \
         others or another order) by {}, scaled to 0..1 on the training rows. knn: {} neighbours, Euclidean, uniform; dt: depth \
         {}; svm: RBF, gamma 0.001, C = 1 (on {} rows at most); nb: Gaussian. Stage i of a chain is trained on the rows whose \
         fastest right network is none of the stages before it. Where no network is expected to be right, the chain's most \
         capable one answers. {} chains. With gamma 0.001 on features in 0..1 the kernel hardly varies, so an svm mostly names \
         the more frequent class.",
        study.names(&study.chain, ", "),
        study.other_chains,
        study.options.folds,
        study.options.features.join(", "),
        classify::NEIGHBOURS,
        classify::TREE_DEPTH,
        svm::MAX_ROWS,
        chain::STAGES.len().pow(study.chain.len() as u32),
    );
}

/// The main results in a few lines.
fn findings(study: &Study) -> String {
    let mut text = String::from("\n");
    if let Some(best) = study.best_single() {
        let _ = writeln!(
            text,
            "- Best single network: {} ({} %, {} ms).",
            best.name,
            percent(best.accuracy.mean),
            short_ms(best.mean_ns)
        );
    }
    for (group, what) in [(Group::Chain, "chain"), (Group::Classifier, "single classifier")] {
        let top = |of: fn(&Summary) -> f64| study.of(group).max_by(|a, b| of(a).total_cmp(&of(b)));
        if let (Some(selector), Some(answers)) = (top(|s| s.selector_accuracy), top(|s| s.accuracy.mean)) {
            let _ = writeln!(
                text,
                "- Best {what} by selector accuracy: {} ({} %, answers {} %); by answers: {} ({} %, a random mix as fast has {} %).",
                selector.name,
                percent(selector.selector_accuracy),
                percent(selector.accuracy.mean),
                answers.name,
                percent(answers.accuracy.mean),
                maybe(answers.random_mix, percent)
            );
        }
    }
    for front in &study.fronts {
        let best = study.best_single().map_or(f64::NAN, |s| s.mean_ns);
        let fit = front.points.iter().filter(|p| p.price.is_some() && p.over_best_single >= 0.0);
        let cheapest: Option<&FrontPoint> = fit.min_by(|a, b| a.mean_ns.total_cmp(&b.mean_ns));
        let said = cheapest.map_or_else(
            || "none is as good as the best single network".to_string(),
            |p| {
                let faster = best / p.mean_ns;
                format!(
                    "the cheapest as good as the best single network is {faster:.2} times faster ({} %)",
                    percent(p.accuracy)
                )
            },
        );
        let _ = writeln!(
            text,
            "- Front of the {} ({} points, λ given beforehand): {said}.",
            front.group.name(),
            front.points.len()
        );
    }
    text
}

/// For each kind of rival one line: how often the front is better, equal and worse.
fn above(all: &[Beside]) -> String {
    let mut text = String::new();
    for kind in Rival::ALL {
        let over: Vec<f64> = all.iter().filter(|b| b.kind == kind).filter_map(Beside::over).collect();
        let missing = all.iter().filter(|b| b.kind == kind && b.front.is_none()).count();
        let Some(least) = over.iter().copied().min_by(f64::total_cmp) else { continue };
        let count = |of: fn(f64) -> bool| over.iter().filter(|&&v| of(v)).count();
        let _ = writeln!(
            text,
            "- {}: the front is better than {}, equal to {}, worse than {} ({:+.2} points at the least); as fast as {missing} it has none.",
            kind.name(),
            count(|v| v > 1e-9),
            count(|v| v.abs() <= 1e-9),
            count(|v| v < -1e-9),
            100.0 * least
        );
    }
    text.push('\n');
    text
}

fn feature_tables(study: &Study, text: &mut String, plot: &dyn Fn(&mut String, &str, &str)) {
    let Some(found) = &study.correlations else { return };
    let kept: Vec<&str> = found.kept.iter().map(|&k| found.features[k].as_str()).collect();
    let _ = writeln!(
        text,
        "## Features\n\nOf {} features {} are dropped: constant, or correlated (|r| > {}) with one that stays; of a pair the one \
         with the larger sum of |r| to the others goes. Left: {}. All correlations: [correlations.csv](correlations.csv).\n",
        found.features.len(),
        found.dropped.len(),
        super::features::LIMIT,
        kept.join(", ")
    );
    let mut rows = cells(["dropped", "because of", "r"]);
    for d in &found.dropped {
        rows.push(vec![
            d.feature.clone(),
            d.because.clone().unwrap_or_else(|| "constant".to_string()),
            format!("{:.3}", d.r),
        ]);
    }
    text.push_str(&table(&rows));
    let _ = writeln!(text, "\nAccuracy of the knn chain without one of its features ({} rows):\n", study.removal_rows);
    text.push_str(&table(&rounded(losses(&study.losses))));
    text.push('\n');
    plot(text, "features.svg", "accuracy lost with each feature");
    text.push_str("Those left above, removed one by one, each time the one that is missed least:\n\n");
    text.push_str(&table(&rounded(losses(&study.greedy))));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let rows = vec![vec!["a,b".to_string(), "c\"d".into(), "e".into()]];
        assert_eq!(csv(&rows), "\"a,b\",\"c\"\"d\",e\n");
        assert_eq!(
            table(&vec![vec!["h".into(), "i".into()], vec!["a|b".into(), "1".into()]]),
            "| h | i |\n| --- | ---: |\n| a\\|b | 1 |\n"
        );
    }
}
