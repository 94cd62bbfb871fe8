//! x
use trt_select_premodel::train::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let p = Profile::read(std::path::Path::new(&a[1])).unwrap();
    let costs: Vec<f64> = if a[2] == "own" { p.cost_vector().unwrap() } else { a[2].split(',').map(|x| x.parse::<f64>().unwrap() * 1e6).collect() };
    let mut s = Settings::default();
    for x in &a[3..] { let (k, v) = x.split_once('=').unwrap(); match k { "folds" => s.folds = v.parse().unwrap(), "repeats" => s.repeats = v.parse().unwrap(), "tests" => s.tests = v.parse().unwrap(), "runs" => s.max_runs = v.parse().unwrap(), "steps" => s.steps = v.parse().unwrap(), "seed" => s.seed = v.parse().unwrap(), "z" => s.significance = v.parse().unwrap(), _ => panic!() } }
    let t = std::time::Instant::now();
    let f = sweep(&p, &costs, p.features_cost_ns(), &s, &|_, _| {}).unwrap();
    eprintln!("{:?}", t.elapsed());
    let best = &f.singles[f.best_single.index()];
    for q in f.points.iter().filter(|q| q.on_front || q.single.is_some()) {
        println!("{:.3}x {:+.2} +-{:.2} {}", best.cost / q.cost_ns, 100.0 * q.over_best_single, 100.0 * q.over_best_single_se, q.single.map_or(String::new(), |c| f.candidates()[c.index()].clone()));
    }
    let at = |x: f64| f.points.iter().filter(|q| q.single.is_none()).min_by(|a, b| (best.cost / a.cost_ns - x).abs().total_cmp(&(best.cost / b.cost_ns - x).abs())).unwrap();
    let q = at(2.0);
    println!("near 2x: {:.3}x {:+.3}\n{}", best.cost / q.cost_ns, 100.0 * q.over_best_single, f.premodel(q).unwrap().tree());
}
