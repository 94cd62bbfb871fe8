//! x
use trt_select_premodel::train::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let p = Profile::read(std::path::Path::new(&a[1])).unwrap();
    let costs: Vec<f64> = if a[2] == "own" {
        p.cost_vector().unwrap()
    } else {
        a[2].split(',').map(|x| x.parse::<f64>().unwrap() * 1e6).collect()
    };
    let mut s = Settings::default();
    let (mut nest, mut free, mut seeds, mut margin) = (0, String::new(), 1, 0.0);
    for x in &a[3..] {
        let (k, v) = x.split_once('=').unwrap();
        match k {
            "folds" => s.folds = v.parse().unwrap(),
            "repeats" => s.repeats = v.parse().unwrap(),
            "tests" => s.tests = v.parse().unwrap(),
            "runs" => s.max_runs = v.parse().unwrap(),
            "steps" => s.steps = v.parse().unwrap(),
            "seed" => s.seed = v.parse().unwrap(),
            "z" => s.significance = v.parse().unwrap(),
            "nested" => nest = v.parse().unwrap(),
            "free" => free = v.into(),
            "seeds" => seeds = v.parse().unwrap(),
            "margin" => margin = v.parse().unwrap(),
            _ => panic!(),
        }
    }
    let t = std::time::Instant::now();
    let learn = match free.as_str() {
        "" => p.clone(),
        "avg" => p.label_free(Teacher::Average, &costs).unwrap(),
        "best" => p
            .label_free(Teacher::Candidate(trt_select_premodel::CandidateId(p.candidates.len() as u8 - 1)), &costs)
            .unwrap(),
        _ => panic!(),
    };
    let fc = p.features_cost_ns();
    if nest > 0 {
        let base = singles(&p, &costs);
        let best = base.iter().max_by(|a, b| a.reward.total_cmp(&b.reward)).unwrap().clone();
        let goals = [
            Goal::AtLeastBestSingle { margin },
            Goal::AtLeastBestSingle { margin: -0.001 },
            Goal::AtLeastBestSingle { margin: 0.002 },
            Goal::AtMostMs(best.cost / 2e6),
            Goal::AtMostMs(best.cost / 2.5e6),
        ];
        let mut sum = vec![(0.0, 0.0); goals.len()];
        for seed in 0..seeds {
            s.seed = seed + 1;
            let r = nested(&learn, &p, &costs, fc, &s, &goals, nest, &|_, _| {}).unwrap();
            for (g, n) in r.iter().enumerate() {
                let d = n.over(&p.rewards[best.candidate.index()], 1);
                let c = n.times_cheaper(best.cost, 1);
                print!(
                    "{:.3}x[{:.2},{:.2}] {:+.2}[{:+.2},{:+.2}] | ",
                    c.mean,
                    c.low,
                    c.high,
                    100.0 * d.mean,
                    100.0 * d.low,
                    100.0 * d.high
                );
                sum[g].0 += best.cost / c.mean / seeds as f64;
                sum[g].1 += d.mean / seeds as f64;
            }
            println!(" {:?}", t.elapsed());
        }
        for (g, (c, d)) in goals.iter().zip(&sum) {
            println!("MEAN {g:?}: {:.3}x {:+.3}", best.cost / c, 100.0 * d);
        }
        return;
    }
    let f = sweep_judged(&learn, &p, &costs, fc, &s, &|_, _| {}).unwrap();
    eprintln!("{:?}", t.elapsed());
    let best = &f.singles[f.best_single.index()];
    for q in f.points.iter().filter(|q| q.on_front || q.single.is_some()) {
        println!(
            "{:.3}x {:+.2} +-{:.2} {}",
            best.cost / q.cost_ns,
            100.0 * q.over_best_single,
            100.0 * q.over_best_single_se,
            q.single.map_or(String::new(), |c| f.candidates()[c.index()].clone())
        );
    }
    let at = |x: f64| {
        f.points
            .iter()
            .filter(|q| q.single.is_none())
            .min_by(|a, b| (best.cost / a.cost_ns - x).abs().total_cmp(&(best.cost / b.cost_ns - x).abs()))
            .unwrap()
    };
    let q = at(2.0);
    println!(
        "near 2x: {:.3}x {:+.3}\n{}",
        best.cost / q.cost_ns,
        100.0 * q.over_best_single,
        f.premodel(q).unwrap().tree()
    );
}
