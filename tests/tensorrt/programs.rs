//! A premodel of several programs on the GPU: whichever decides, it does as on the CPU, and an input costs what its program reads.

use trt_select::premodel::{
    Alternative, AverageSignal, CandidateId, Expected, Interval, Mask, Node, Premodel, Signal, SignalId,
};
use trt_select_base::random::Rng;

use super::doubles::with_doubles;
use super::heap::Heap;
use super::toy::{premodel, premodel_of};
use super::{assert_same, on_cpu, open, pictures};

const PROGRAMS: usize = 4;
/// The first program reads image features, the others none. The last one reads and answers with an average.
const BY_FEATURES: usize = 0;
const BY_AVERAGE: usize = 3;

/// The program of the toy bundle, two networks alone, and a cascade by the average of two.
fn several() -> Premodel {
    let [small, middle, large] = [CandidateId(0), CandidateId(1), CandidateId(2)];
    let two = Mask::of(small).with(middle);
    let first = premodel();
    let (mut signals, nodes) = (first.signals().to_vec(), first.program().nodes().to_vec());
    let average = SignalId(signals.len() as u16);
    signals.push(Signal::Average(two, AverageSignal::Top1));
    let by_average = vec![
        Node::run(small, 1),
        Node::run(middle, 2),
        Node::test(average, 0.3, 3, 5),
        Node::run(large, 4),
        Node::answer(large),
        Node::average(two),
    ];
    let at = |mean: f64| Interval { mean, low: mean, high: mean };
    let expected = |reward, ns| Some(Expected::new(at(reward), at(ns), at(0.0), "an example".to_owned()));
    let programs = vec![
        Alternative::new(nodes.clone()).expected(expected(0.65, 3e6)),
        Alternative::single(small, 3).expected(expected(0.5, 1e6)),
        Alternative::single(large, 3).expected(expected(0.6, 2e6)),
        Alternative::new(by_average).expected(expected(0.675, 4e6)),
    ];
    premodel_of(signals, nodes).with_programs(programs, BY_FEATURES).expect("a premodel")
}

#[test]
fn each_program_decides_on_the_gpu_as_on_the_cpu() {
    with_doubles("programs::each_program_decides_on_the_gpu_as_on_the_cpu", &[], |doubles| {
        let pictures = pictures(24);
        let (mut gpu, mut cpu) = (open(doubles).expect("open"), on_cpu(doubles));
        for selector in [&mut gpu, &mut cpu] {
            selector.reload(several()).expect("reloaded");
        }
        pictures.iter().for_each(|picture| gpu.warm_up(picture.frame().into()).expect("warm"));
        // The numbers are drawn beforehand: what is counted is the inputs alone.
        let mut random = Rng::new(7);
        let numbers: Vec<usize> = (0..400).map(|_| random.below(PROGRAMS)).collect();
        let mut outcomes = Vec::with_capacity(numbers.len());
        let heap = Heap::of_thread();
        for (i, &number) in numbers.iter().enumerate() {
            gpu.set_program(number).expect("a program");
            outcomes.push(gpu.infer(pictures[i % pictures.len()].frame()).expect("answered"));
        }
        let allocated = heap.since();
        println!("{}", Heap::words(allocated));
        assert_eq!(allocated.unwrap_or(0), 0, "switching allocates on the heap");
        let mut ends = std::collections::HashSet::new();
        for (i, (&number, outcome)) in numbers.iter().zip(&outcomes).enumerate() {
            cpu.set_program(number).expect("a program");
            let expected = cpu.infer(pictures[i % pictures.len()].frame()).expect("answered");
            assert_eq!((outcome.program, expected.program), (number, number));
            assert_same(outcome, &expected, "a program");
            assert_eq!(outcome.times.features_ns > 0, number == BY_FEATURES, "who reads none computes none");
            ends.insert((number, outcome.node));
        }
        let of = |number| ends.iter().filter(|(program, _)| *program == number).count();
        assert!(of(BY_FEATURES) >= 4 && of(1) == 1 && of(2) == 1 && of(BY_AVERAGE) == 2, "{ends:?}");
        drop(gpu);
        doubles.assert_all_freed();
    });
}

/// An input that is given up while the device is at work for one program leaves nothing to the next one, which another program decides.
#[test]
fn an_input_that_is_given_up_leaves_the_next_one_its_own_program() {
    let name = "programs::an_input_that_is_given_up_leaves_the_next_one_its_own_program";
    with_doubles(name, &[], |doubles| {
        let pictures = pictures(12);
        let (mut gpu, mut cpu) = (open(doubles).expect("open"), on_cpu(doubles));
        for selector in [&mut gpu, &mut cpu] {
            selector.reload(several()).expect("reloaded");
        }
        // A millisecond more gains 0.1, 0.05 and 0.025.
        let by_price = [1.0, 0.07, 0.03, 1e-6].map(|price| gpu.set_price(price).expect("a price"));
        assert_eq!(by_price, [1, 2, BY_FEATURES, BY_AVERAGE]);
        for i in 0..4 * pictures.len() {
            let (given_up, number) = (i % PROGRAMS, i / PROGRAMS % PROGRAMS);
            gpu.set_program(given_up).expect("a program");
            doubles.cuda.delay(u64::MAX);
            let mut flight = gpu.submit(pictures[(i + 5) % pictures.len()].frame()).expect("submitted");
            assert!(flight.poll().expect("no failure").is_none(), "the device is at work");
            doubles.cuda.delay(0);
            gpu.set_program(number).expect("a program");
            cpu.set_program(number).expect("a program");
            let frame = pictures[i % pictures.len()].frame();
            let (outcome, expected) = (gpu.infer(frame).expect("answered"), cpu.infer(frame).expect("answered"));
            assert_eq!((outcome.program, expected.program), (number, number));
            assert_same(&outcome, &expected, "after one that was given up");
        }
        drop(gpu);
        doubles.assert_all_freed();
    });
}
