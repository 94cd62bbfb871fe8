//! Verifies plans: a plan on the GPU and its model on the CPU answer the same inputs, and what they say is compared.
//!
//! A plan is verified before it takes its place, in a folder of its own beside that place: whatever happens meanwhile, the plan that is
//! in place and its sidecar stay as they are. Only one candidate is open at a time.

use std::path::Path;

use trt_select::bundle::{Bundle, InputKind, SampleSource};
use trt_select::cuda::driver::Context;
use trt_select::engines::registry::{self, EngineKind};
use trt_select::engines::tensorrt::sidecar::{self, Sidecar, Verified};
use trt_select::engines::{OpenOptions, Precision};
use trt_select::samples::{Buffer, Samples};
use trt_select::{CandidateSet, Error, ErrorKind, GpuConfig, Input, OpenConfig, Result};
use trt_select_base::random::Rng;
use trt_select_premodel::{CandidateId, Top};

use super::super::{Args, Target};
use super::{Failure, Job, file_name, places};
use crate::common::progress;

/// The only candidate of a set of one.
const ONLY: CandidateId = CandidateId(0);

/// Where the random tensors begin. A plan that is built again answers the same ones.
const SEED: u64 = 1;

/// A bundle for a model that is given alone. What it says of the candidate is replaced by what is known of the model.
const OF_A_MODEL: &str = "format = 1\nname = \"model\"\ninput = { kind = \"tensor\", shape = [1] }\n\
                          [[candidate]]\nname = \"model\"\nonnx = \"model.onnx\"\n";

/// How plans are verified: with which inputs, and beside which engine.
pub(super) struct Verification<'a> {
    args: &'a Args,
    /// The engine of the CPU.
    cpu: EngineKind,
    bundle: Bundle,
    inputs: Inputs,
    /// What the inputs are, for people to read.
    name: String,
    /// Number of inputs.
    count: usize,
}

/// What plan and model are given.
enum Inputs {
    Samples(Samples),
    /// Tensors of this many elements.
    Random(usize),
}

/// How a plan and its model answered.
#[derive(Debug, Default)]
struct Comparison {
    samples: u64,
    agreed: u64,
    largest_difference: f32,
}

impl Comparison {
    /// Adds the class probabilities that both gave for one input.
    fn add(&mut self, plan: &[f32], model: &[f32]) {
        self.samples += 1;
        self.agreed += u64::from(Top::of(plan).class == Top::of(model).class);
        let differences = plan.iter().zip(model).map(|(a, b)| (a - b).abs());
        self.largest_difference = differences.fold(self.largest_difference, f32::max);
    }

    /// The record for the sidecar, after at least one input. Differences are rounded to 9 digits, which is finer than 32-bit floats near 1
    /// can tell apart.
    fn record(&self, inputs: &str, with: &str) -> Verified {
        Verified {
            samples: self.samples,
            inputs: inputs.to_owned(),
            top1_agreement: self.agreed as f64 / self.samples as f64,
            largest_difference: (f64::from(self.largest_difference) * 1e9).round() / 1e9,
            with: with.to_owned(),
        }
    }
}

/// The smallest percentage of agreement that is taken if the user names none.
fn default_bound(precision: Precision) -> f64 {
    if precision == Precision::Fp32 { 99.5 } else { 99.0 }
}

/// Whether the agreement is at least this many percent. 199 of 200 are 99.5 %, although the product may round to less.
fn reaches(verified: &Verified, bound: f64) -> bool {
    verified.top1_agreement * 100.0 + 1e-9 >= bound
}

/// The agreement for people to read. It is rounded down, so that only full agreement is 100 %.
pub(super) fn percent(verified: &Verified) -> String {
    format!("{} %", (verified.top1_agreement * 1e4 + 1e-6).floor() / 100.0)
}

impl<'a> Verification<'a> {
    /// Finds the engine and opens the inputs. `gpu` is the compute capability that plans are built for.
    pub(super) fn open(
        args: &'a Args,
        bundle: Option<&Bundle>,
        jobs: &[Job],
        gpu: (u32, u32),
    ) -> Result<Verification<'a>> {
        if args.target != Target::Current {
            is_this_gpu(args.device, gpu)?;
        }
        let cpu = registry::resolve_host(EngineKind::Auto).map_err(|e| {
            let (expected, remedy) = (
                "an engine on the CPU, which runs the model beside the plan",
                "build trt-select with --features tract, or with ort where ONNX Runtime is installed",
            );
            let error = Error::from(e);
            Error::expected(error.kind(), "build --verify", expected, format_args!("none ({error})"), remedy)
        })?;
        let cpu = cpu.kind;
        let bundle = match (bundle, jobs.first()) {
            (Some(bundle), _) => bundle.clone(),
            (None, Some(job)) => bundle_of(job, cpu)?,
            // A model that is given alone is always a job.
            (None, None) => Bundle::parse(Path::new(""), OF_A_MODEL)?,
        };
        let most = args.verify_samples as usize;
        let (inputs, name) = match (args.samples.source(&bundle), bundle.input.tensor_len()) {
            (None, Some(len)) if !args.source.is_dir() => (Inputs::Random(len), "random tensors".to_owned()),
            (source, _) => {
                (Inputs::Samples(args.samples.open(&bundle)?), source.as_ref().map_or_else(String::new, name))
            }
        };
        let count = match &inputs {
            Inputs::Samples(samples) => samples.len().min(most),
            Inputs::Random(_) => most,
        };
        Ok(Verification { args, cpu, bundle, inputs, name, count })
    }

    /// Lets a job's model answer the first input, since building takes minutes: it shows whether the engine can run the model, and
    /// whether the inputs fit.
    pub(super) fn try_model(&self, job: &Job) -> Result<()> {
        let mut on_cpu = self.open_on_cpu(&self.alone(job, &job.plan))?;
        let classes = on_cpu.as_slice()[0].classes();
        if classes < 2 {
            return Err(Error::expected(
                ErrorKind::Model,
                job.onnx.display(),
                "scores of at least 2 classes, whose largest is compared",
                classes,
                "leave out --verify",
            ));
        }
        let mut feed = Feed::new(&self.inputs);
        let run = on_cpu.run(ONLY, &feed.load(0)?);
        run.map(drop).map_err(|e| e.within(format_args!("{}: {}", job.onnx.display(), feed.name(0))))
    }

    /// Verifies a plan that was just built, in a folder of its own beside its place. `sidecar` is its sidecar so far.
    pub(super) fn before_its_place(
        &self,
        job: &Job,
        bytes: &[u8],
        sidecar: &Sidecar,
    ) -> std::result::Result<Verified, Failure> {
        let verified = || -> Result<Verified> {
            let folder = places::folder_beside(&job.plan)?;
            let draft = folder.path().join(file_name(&job.plan));
            sidecar::write(&draft, bytes, sidecar)?;
            self.compare(job, &draft)
        };
        let verified = verified().map_err(|e| not_verified(job, e, "it was not put into its place"))?;
        let remedy = "it was not put into its place; try --no-timing-cache, another precision or another TensorRT, or take it with \
                      --verify-at-least";
        self.judge(job, verified, remedy)
    }

    /// Verifies the plan that is in its place, if its record does not say so already, and adds the record to its sidecar. Returns the
    /// sidecar. A plan that is refused stays where it is.
    pub(super) fn in_place(&self, job: &Job, mut sidecar: Sidecar) -> std::result::Result<Sidecar, Failure> {
        let remedy = "it is in its place and wrong: build it again with --force and --no-timing-cache, with another precision or \
                      another TensorRT, or take it with --verify-at-least";
        if let Some(verified) = sidecar.verified.clone().filter(|_| self.is_recorded(&sidecar)) {
            return self.judge(job, verified, remedy).map(|_| sidecar);
        }
        let is_there = |e| not_verified(job, e, "it stays in its place");
        let verified = self.judge(job, self.compare(job, &job.plan).map_err(is_there)?, remedy)?;
        // Another program may have built another plan meanwhile, which this record is not of.
        if Sidecar::read(&job.plan).map_err(|e| is_there(e.into()))?.as_ref() != Some(&sidecar) {
            let (expected, got) =
                ("a plan that stays as it is while it is verified", "one that was replaced meanwhile");
            let error = Error::expected(ErrorKind::Io, job.plan.display(), expected, got, "verify it again");
            return Err(Failure { what: "not verified", error, verified: None });
        }
        sidecar.verified = Some(verified);
        sidecar::rewrite(&job.plan, &sidecar).map_err(|e| is_there(e.into()))?;
        Ok(sidecar)
    }

    /// Whether a sidecar has a record of these inputs, and of at least as many.
    pub(super) fn is_recorded(&self, sidecar: &Sidecar) -> bool {
        let covers = |verified: &Verified| verified.inputs == self.name && verified.samples >= self.count as u64;
        sidecar.verified.as_ref().is_some_and(covers)
    }

    /// Refuses a plan that agrees with its model on too few inputs.
    fn judge(&self, job: &Job, verified: Verified, remedy: &str) -> std::result::Result<Verified, Failure> {
        let bound = self.args.verify_at_least.unwrap_or_else(|| default_bound(job.precision));
        if reaches(&verified, bound) {
            return Ok(verified);
        }
        let error = Error::expected(
            ErrorKind::Engine,
            job.plan.display(),
            format_args!(
                "the class that {} gives on {}, for at least {bound} % of {} inputs ({})",
                file_name(&job.onnx),
                verified.with,
                verified.samples,
                verified.inputs
            ),
            format_args!("{}, with probabilities up to {} apart", percent(&verified), verified.largest_difference),
            remedy,
        );
        Err(Failure { what: "refused", error, verified: Some(verified) })
    }

    /// Lets the plan at `plan` and the job's model answer all inputs.
    fn compare(&self, job: &Job, plan: &Path) -> Result<Verified> {
        let bundle = self.alone(job, plan);
        let gpu = GpuConfig::default().ordinal(self.args.device);
        let (mut on_gpu, _) = CandidateSet::open(&bundle, &OpenConfig::new(EngineKind::Tensorrt).gpu(gpu))?;
        let mut on_cpu = self.open_on_cpu(&bundle)?;
        let [ours, theirs] = [&on_gpu, &on_cpu].map(|set| set.as_slice()[0].classes());
        if ours != theirs {
            let expected = format!("{theirs} scores, as {} has", job.onnx.display());
            return Err(Error::expected(ErrorKind::Engine, "the plan's output", expected, ours, "build it again"));
        }
        let with = on_cpu.as_slice()[0].description().version.clone();
        let bar = progress(self.count as u64, "verifying");
        bar.set_message(format!("verifying {}", job.name));
        let mut feed = Feed::new(&self.inputs);
        let mut comparison = Comparison::default();
        let mut answer = |i: usize| -> Result<()> {
            let input = feed.load(i)?;
            let ran = on_gpu.run(ONLY, &input).map_err(|e| e.within("the plan"));
            ran.and_then(|_| on_cpu.run(ONLY, &input).map_err(|e| e.within(job.onnx.display())))
                .map_err(|e| e.within(feed.name(i)))?;
            comparison.add(on_gpu.probabilities(ONLY), on_cpu.probabilities(ONLY));
            bar.inc(1);
            Ok(())
        };
        let answered = (0..self.count).try_for_each(&mut answer);
        bar.finish_and_clear();
        answered?;
        Ok(comparison.record(&self.name, &with))
    }

    /// The bundle with the job's candidate alone, whose plan lies at `plan`.
    fn alone(&self, job: &Job, plan: &Path) -> Bundle {
        let mut bundle = self.bundle.clone();
        bundle.premodel = None;
        bundle.candidates.retain(|spec| spec.name == job.name);
        bundle.candidates.iter_mut().for_each(|spec| spec.plan = Some(plan.to_path_buf()));
        bundle
    }

    fn open_on_cpu(&self, bundle: &Bundle) -> Result<CandidateSet> {
        // Nothing is measured here, so the engine may take all cores.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(CandidateSet::open(bundle, &OpenConfig::new(self.cpu).threads(threads))?.0)
    }
}

/// Loads one input after the other.
struct Feed<'a> {
    inputs: &'a Inputs,
    buffer: Buffer,
    random: Rng,
    tensor: Vec<f32>,
}

impl<'a> Feed<'a> {
    fn new(inputs: &'a Inputs) -> Feed<'a> {
        Feed { inputs, buffer: Buffer::new(), random: Rng::new(SEED), tensor: Vec::new() }
    }

    /// Loads an input. Random tensors follow each other, whatever number is asked for.
    fn load(&mut self, i: usize) -> Result<Input<'_>> {
        match self.inputs {
            Inputs::Samples(samples) => {
                samples.load(i, &mut self.buffer)?;
                self.buffer.input()
            }
            Inputs::Random(len) => {
                self.tensor.clear();
                self.tensor.extend((0..*len).map(|_| self.random.unit_f32()));
                Ok(Input::Tensor(&self.tensor))
            }
        }
    }

    fn name(&self, i: usize) -> String {
        match self.inputs {
            Inputs::Samples(samples) => samples.name(i),
            Inputs::Random(_) => format!("random tensor {i}"),
        }
    }
}

/// The failure of a plan that could not be compared with its model.
fn not_verified(job: &Job, error: Error, where_it_is: &str) -> Failure {
    let error = error.within(format_args!("{}: {where_it_is}, since it could not be verified", job.plan.display()));
    Failure { what: "not verified", error, verified: None }
}

/// Checks that this machine's GPU has this compute capability.
fn is_this_gpu(device: u32, wanted: (u32, u32)) -> Result<()> {
    let got = match Context::primary(device).map(|context| context.device().compute_capability) {
        Ok(here) if here == wanted => return Ok(()),
        Ok((major, minor)) => format!("sm_{major}{minor}"),
        Err(e) => format!("none ({e})"),
    };
    let (object, expected) = ("build --verify", format!("the GPU that is built for, sm_{}{}", wanted.0, wanted.1));
    let remedy = "leave out --verify here, and build with it where that GPU is";
    Err(Error::expected(ErrorKind::Usage, object, expected, got, remedy))
}

/// A bundle of the job's model alone, which takes tensors of the shape that the model says.
fn bundle_of(job: &Job, cpu: EngineKind) -> Result<Bundle> {
    let options = OpenOptions::default().precision(job.precision);
    let engine = registry::open(cpu, &job.onnx, &job.name, &options)?;
    let mut bundle = Bundle::parse(Path::new(""), OF_A_MODEL)?;
    // A model of several inputs is refused later, where candidates are opened.
    if let Some(input) = engine.description().inputs.first() {
        bundle.input = InputKind::Tensor { shape: input.shape.clone() };
    }
    for spec in &mut bundle.candidates {
        (spec.name, spec.onnx, spec.precision) = (job.name.clone(), Some(job.onnx.clone()), job.precision);
    }
    Ok(bundle)
}

/// The name of the samples' file.
fn name(source: &SampleSource) -> String {
    match source {
        SampleSource::Idx { images: file, .. }
        | SampleSource::List { list: file, .. }
        | SampleSource::Table { table: file } => file_name(file),
        _ => "samples".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(agreed: u64, samples: u64) -> Verified {
        Comparison { samples, agreed, largest_difference: 0.0 }.record("x.csv", "tract")
    }

    #[test]
    fn classes_are_counted_and_the_largest_difference_is_kept() {
        let mut comparison = Comparison::default();
        comparison.add(&[0.5, 0.25, 0.25], &[0.5, 0.25, 0.25]);
        assert_eq!(comparison.record("x.csv", "tract").largest_difference, 0.0);
        comparison.add(&[0.25, 0.625, 0.125], &[0.5, 0.375, 0.125]);
        comparison.add(&[0.0, 0.25, 0.75], &[0.125, 0.25, 0.625]);
        let verified = comparison.record("x.csv", "tract 0.23.9");
        assert_eq!((verified.samples, verified.top1_agreement), (3, 2.0 / 3.0));
        assert_eq!((verified.largest_difference, verified.with.as_str()), (0.25, "tract 0.23.9"));
        assert_eq!(percent(&verified), "66.66 %");
    }

    #[test]
    fn the_bound_itself_is_reached() {
        for (agreed, samples, bound, is_enough) in [
            (199, 200, 99.5, true),
            (198, 200, 99.5, false),
            (198, 200, 99.0, true),
            (2_999, 3_000, 100.0, false),
            (29, 30, 96.67, false),
            (0, 7, 0.0, true),
            (7, 7, 100.0, true),
        ] {
            assert_eq!(reaches(&of(agreed, samples), bound), is_enough, "{agreed} of {samples}, {bound} %");
        }
        for n in 1..2_000 {
            assert!(reaches(&of(n, n), 100.0) && percent(&of(n, n)) == "100 %");
            assert!(!reaches(&of(n, n + 1), 100.0) && percent(&of(n, n + 1)) != "100 %");
            assert!(reaches(&of(n, 2_000), n as f64 / 20.0), "{n} of 2000");
        }
        assert_eq!([Precision::Fp32, Precision::Fp16, Precision::Int8].map(default_bound), [99.5, 99.0, 99.0]);
    }

    #[test]
    fn random_tensors_are_the_same_every_time() {
        let inputs = Inputs::Random(16);
        let tensors = || {
            let mut feed = Feed::new(&inputs);
            let mut one = |i| match feed.load(i).unwrap() {
                Input::Tensor(values) => values.to_vec(),
                other => panic!("{other:?}"),
            };
            [one(0), one(1)]
        };
        let [first, second] = tensors();
        assert_eq!(tensors(), [first.clone(), second.clone()]);
        assert_ne!(first, second);
        assert!(first.iter().all(|x| (0.0..1.0).contains(x)));
    }
}
