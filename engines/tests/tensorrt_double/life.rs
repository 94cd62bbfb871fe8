//! From a library to a network that runs, and every way in which that may fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use half::f16;
use trt_select_engines::tensorrt::{Allocator, Context, CudaEngine, Runtime};
use trt_select_engines::{DataType, Error, ErrorKind};

use super::double::{Double, alone, doubles};
use super::toy_plan::{Form, ToyPlan, ToyTensor};

const STREAM: u64 = 0x1000;

/// Memory aligned as the driver's.
#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(256))]
struct Page([u8; 256]);

struct Block(Vec<Page>);

impl Block {
    fn new(bytes: usize) -> Block {
        Block(vec![Page([0xa5; 256]); bytes.div_ceil(256).max(1)])
    }

    fn address(&mut self) -> u64 {
        self.0.as_mut_ptr() as u64
    }

    fn bytes(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

/// Counts what it hands out.
#[derive(Default)]
struct Counted {
    blocks: Mutex<HashMap<u64, (Block, u64)>>,
    most_bytes: Mutex<u64>,
    empty: bool,
}

// SAFETY: the blocks are the double's, and stay until they are freed.
unsafe impl Allocator for Counted {
    fn allocate(&self, bytes: u64, alignment: u64) -> Option<u64> {
        assert_eq!(alignment, 256);
        if self.empty {
            return None;
        }
        let mut block = Block::new(bytes as usize);
        let address = block.address();
        let mut blocks = self.blocks.lock().expect("no panic in here");
        blocks.insert(address, (block, bytes));
        let sum = blocks.values().map(|(_, bytes)| bytes).sum();
        let mut most = self.most_bytes.lock().expect("no panic in here");
        *most = (*most).max(sum);
        Some(address)
    }

    fn free(&self, address: u64) -> bool {
        self.blocks.lock().expect("no panic in here").remove(&address).is_some()
    }
}

/// A network with memory for its tensors. The context goes first.
struct Network {
    context: Context,
    plan: ToyPlan,
    blocks: Vec<Block>,
    activation: Block,
}

impl Network {
    fn open(runtime: &Arc<Runtime>, plan: &ToyPlan) -> Result<Network, Error> {
        Self::with(runtime.deserialize(&plan.bytes(), "toy")?, plan)
    }

    fn with(engine: Arc<CudaEngine>, plan: &ToyPlan) -> Result<Network, Error> {
        let mut activation = Block::new(plan.activation_bytes as usize);
        let mut blocks: Vec<Block> = [&plan.input, &plan.output].map(|t| Block::new(4 * t.len())).into();
        let mut context = engine.create_context()?;
        // SAFETY: the block is large enough and outlives the context.
        unsafe { context.set_activation(activation.address(), engine.activation_bytes())? };
        for (index, tensor) in engine.tensors().iter().enumerate() {
            if tensor.input && !tensor.is_static() {
                let shape: Vec<i64> = tensor.shape.iter().map(|extent| extent.abs()).collect();
                context.set_input_shape(index, &shape)?;
            }
            // SAFETY: as above.
            unsafe { context.bind(index, blocks[index].address())? };
        }
        for index in 0..2 {
            assert!(context.shape(index)?.iter().all(|&extent| extent > 0));
        }
        Ok(Network { context, plan: plan.clone(), blocks, activation })
    }

    fn input(&mut self) -> Vec<f32> {
        let values: Vec<f32> = (0..self.plan.input.len()).map(|i| (i % 7) as f32 / 4.0 - 0.75).collect();
        let half = self.plan.input.half;
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|&v| if half { f16::from_f32(v).to_le_bytes().to_vec() } else { v.to_le_bytes().to_vec() })
            .collect();
        self.blocks[0].bytes()[..bytes.len()].copy_from_slice(&bytes);
        values
    }

    fn output(&mut self) -> Vec<f32> {
        let count = self.plan.output.len();
        let bytes = self.blocks[1].bytes();
        if self.plan.output.half {
            bytes.chunks_exact(2).take(count).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        } else {
            bytes.chunks_exact(4).take(count).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
    }

    fn enqueue(&mut self) -> Result<(), Error> {
        // SAFETY: the stand-in takes any stream; everything is bound.
        unsafe { self.context.enqueue(STREAM) }
    }

    fn run(&mut self) -> Result<(), Error> {
        let input = self.input();
        self.enqueue()?;
        let rounded = |v: f32| if self.plan.output.half { f16::from_f32(v).to_f32() } else { v };
        let expected: Vec<f32> = self.plan.run(&input).into_iter().map(rounded).collect();
        assert_eq!(self.output(), expected);
        Ok(())
    }
}

fn small(double: &Double) -> ToyPlan {
    double.plan(ToyTensor::single("image", &[1, 3, 4, 4]), ToyTensor::single("logits", &[1, 10]), 4096)
}

fn checked(double: &Double, test: impl FnOnce()) {
    double.reset();
    test();
    assert_eq!(double.misuse(), (0, String::new()));
    assert_eq!(double.live(), [0; 4], "runtimes, engines, contexts, weight blocks");
}

#[test]
fn networks_of_both_types_and_open_batches_run() {
    let _alone = alone();
    for double in doubles() {
        checked(double, || {
            let allocator = Arc::new(Counted::default());
            let runtime =
                Runtime::new(&double.library, Some(Arc::clone(&allocator) as Arc<dyn Allocator>)).expect("a runtime");
            assert!(runtime.counts_memory());
            for (input, output) in [
                (ToyTensor::single("image", &[1, 3, 4, 4]), ToyTensor::single("logits", &[1, 10])),
                (ToyTensor::half("image", &[1, 3, 5, 7]), ToyTensor::half("logits", &[1, 100])),
                (ToyTensor::single("image", &[-1, 3, 8, 8]), ToyTensor::single("logits", &[-1, 1000])),
                (ToyTensor::half("x", &[2]), ToyTensor::single("y", &[])),
            ] {
                let plan = double.plan(input, output, 10_000);
                let engine = runtime.deserialize(&plan.bytes(), "toy").expect("a good plan");
                assert_eq!((engine.activation_bytes(), engine.profile_count()), (10_000, 1));
                for (told, toy) in engine.tensors().iter().zip([&plan.input, &plan.output]) {
                    let data_type = if toy.half { DataType::F16 } else { DataType::F32 };
                    assert_eq!(
                        (told.name.as_str(), told.data_type, &told.shape),
                        (toy.name.as_str(), Some(data_type), &toy.shape)
                    );
                    assert!(told.linear && told.on_device);
                }
                assert!(engine.tensors()[0].input && !engine.tensors()[1].input);
                let weight_bytes: u64 = allocator.blocks.lock().unwrap().values().map(|(_, bytes)| bytes).sum();
                assert_eq!(weight_bytes, 4 * (plan.weights.len() + plan.bias.len()) as u64);
                let mut network = Network::with(engine, &plan).expect("a context");
                for _ in 0..3 {
                    network.run().expect("it runs");
                }
            }
            assert!(allocator.blocks.lock().unwrap().is_empty());
            assert!(*allocator.most_bytes.lock().unwrap() > 1000 * 192 * 4);
        });
        eprintln!("{}: {} calls", double.library, double.calls("*"));
    }
}

#[test]
fn without_an_allocator_weights_come_from_the_driver() {
    let _alone = alone();
    for double in doubles() {
        checked(double, || {
            let runtime = Runtime::new(&double.library, None).expect("a runtime");
            let mut network = Network::open(&runtime, &small(double)).expect("a network");
            assert_eq!(double.driver_blocks(), 2);
            network.run().expect("it runs");
            // What it was made from lives as long as it does.
            drop(runtime);
            network.run().expect("it runs");
        });
        assert_eq!(double.driver_blocks(), 0);
    }
}

/// Open and run, with everything made and destroyed in here.
fn life(double: &Double) -> Result<(), Error> {
    let runtime = Runtime::new(&double.library, Some(Arc::new(Counted::default())))?;
    let plan = double.plan(ToyTensor::single("image", &[-1, 8]), ToyTensor::single("logits", &[-1, 3]), 256);
    let mut network = Network::open(&runtime, &plan)?;
    for _ in 0..3 {
        network.run()?;
    }
    Ok(())
}

#[test]
fn every_call_that_can_fail_fails_once_and_the_next_try_works() {
    let _alone = alone();
    for double in doubles() {
        let names = double.failable();
        double.reset();
        life(double).expect("nothing fails");
        let counts: Vec<u64> = names.iter().map(|name| double.calls(name)).collect();
        let mut failed = 0;
        for (name, count) in names.iter().zip(counts) {
            // Those of the builder, of plugins and of lean runtimes: tests/tensorrt makes them fail.
            if ["loadRuntime", "createInferBuilder", "buildSerializedNetwork"].contains(&name.as_str()) {
                assert_eq!(count, 0, "{name}");
                continue;
            }
            assert!(count > 0, "{name} is called");
            for nth in 1..=count {
                checked(double, || {
                    double.fail(name, nth);
                    let error = life(double).expect_err(name);
                    let text = error.to_string();
                    assert!(!text.contains('\n'), "{text}");
                    assert!(text.contains(name.as_str()) && text.contains("told to fail"), "{name} {nth}: {text}");
                    let expected = match name.as_str() {
                        // Asked for at open, and again for each tensor that is bound or shaped.
                        "getIOTensorName" => error.kind(),
                        "createInferRuntime" => ErrorKind::LibraryMissing,
                        "setDeviceMemory" | "setDeviceMemoryV2" => ErrorKind::DeviceMemory,
                        "setTensorAddress" | "enqueueV2" | "enqueueV3" => ErrorKind::Run,
                        "setInputShape" | "setBindingDimensions" => ErrorKind::Shape,
                        "contextGetTensorShape" | "contextGetBindingDimensions" => ErrorKind::Shape,
                        _ => ErrorKind::Plan,
                    };
                    assert_eq!(error.kind(), expected, "{name} {nth}: {text}");
                    life(double).expect("only once");
                });
                failed += 1;
            }
        }
        assert!(failed >= 13, "{failed} calls were made to fail");
    }
}

#[test]
fn damaged_and_foreign_plans_are_refused() {
    let _alone = alone();
    for double in doubles() {
        checked(double, || {
            let runtime = Runtime::new(&double.library, None).expect("a runtime");
            let plan = small(double);
            let good = plan.bytes();
            let mut refused = 0;
            let mut refuse = |bytes: &[u8], what: &str| {
                let error = runtime.deserialize(bytes, what).expect_err(what);
                assert_eq!(error.kind(), ErrorKind::Plan, "{error}");
                assert!(error.to_string().contains("Error Code"), "{error}");
                refused += 1;
            };
            for i in 0..100 {
                refuse(&good[..good.len() * i / 100], "truncated");
            }
            for i in 0..1000 {
                let mut bytes = good.clone();
                let bit = i * 7919 % (8 * bytes.len());
                bytes[bit / 8] ^= 1 << (bit % 8);
                refuse(&bytes, "a flipped bit");
            }
            let version = Form { version: [1, 8, 0, 0], serialization: 7, ..plan.form };
            refuse(&ToyPlan { form: version, ..plan.clone() }.bytes(), "another version");
            let edition = Form { magic: *b"qtrt", ..plan.form };
            refuse(&ToyPlan { form: edition, ..plan.clone() }.bytes(), "another edition");
            refuse(&ToyPlan { weights: vec![0.0; 7], ..plan.clone() }.bytes(), "too few weights");
            assert_eq!(refused, 1103);
            runtime.deserialize(&good, "good").expect("it is good");
        });
        assert_eq!(double.driver_blocks(), 0);
    }
}

#[test]
fn memory_that_cannot_be_had_is_told_as_such() {
    let _alone = alone();
    for double in doubles() {
        checked(double, || {
            let allocator = Counted { empty: true, ..Counted::default() };
            let runtime = Runtime::new(&double.library, Some(Arc::new(allocator))).expect("a runtime");
            let error = runtime.deserialize(&small(double).bytes(), "toy").expect_err("no memory");
            assert_eq!(error.kind(), ErrorKind::DeviceMemory, "{error}");
            assert!(error.to_string().contains("out of memory"), "{error}");
        });
        checked(double, || {
            let runtime = Runtime::new(&double.library, None).expect("a runtime");
            let engine = runtime.deserialize(&small(double).bytes(), "toy").expect("a good plan");
            let mut context = engine.create_context().expect("a context");
            let mut block = Block::new(4096);
            // SAFETY: the double refuses these before it uses them.
            let too_small = unsafe { context.set_activation(block.address(), 4095) };
            // Before 10.1 TensorRT is not told the size.
            let knows_size = double.calls("setDeviceMemoryV2") > 0;
            assert_eq!(too_small.map_err(|e| e.kind()), if knows_size { Err(ErrorKind::DeviceMemory) } else { Ok(()) });
            // SAFETY: as above.
            let unaligned = unsafe { context.set_activation(block.address() + 8, 4096) };
            assert_eq!(unaligned.expect_err("refused").kind(), ErrorKind::DeviceMemory);
            let error = context.set_input_shape(0, &[2, 3, 4, 4]).expect_err("a batch of two");
            assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
            assert!(error.to_string().contains("`image`") && error.to_string().contains("[2, 3, 4, 4]"), "{error}");
            assert_eq!(context.set_input_shape(0, &[1; 9]).expect_err("nine extents").kind(), ErrorKind::Shape);
        });
    }
}

/// The double sees what it is for: otherwise its silence would prove nothing.
#[test]
fn misuse_is_seen() {
    let _alone = alone();
    for double in doubles() {
        double.reset();
        let runtime = Runtime::new(&double.library, None).expect("a runtime");
        let plan = small(double);
        let seen = |word: &str| {
            let (count, text) = double.misuse();
            assert!(count == 1 && text.contains(word), "{word}: {count} {text}");
            double.reset();
        };

        let engine = runtime.deserialize(&plan.bytes(), "toy").expect("a good plan");
        let mut context = engine.create_context().expect("a context");
        // SAFETY: the double refuses it before anything is used.
        let error = unsafe { context.enqueue(STREAM) }.expect_err("nothing is bound");
        assert_eq!(error.kind(), ErrorKind::Run, "{error}");
        seen("Neither address");
        drop(context);

        let mut first = Network::with(Arc::clone(&engine), &plan).expect("a network");
        let mut second = Network::with(engine, &plan).expect("a network");
        double.opened(true);
        let address = first.blocks[0].address();
        // SAFETY: the same address as before.
        unsafe { first.context.bind(0, address) }.expect("TensorRT takes it");
        if !double.has_bindings() {
            seen("setTensorAddress after open");
        }

        // Two networks may interleave as long as each has its own block.
        double.defer(true);
        first.enqueue().expect("enqueued");
        second.enqueue().expect("enqueued");
        double.run_queued(&[0, 2, 1, 3]);
        assert_eq!(double.misuse(), (0, String::new()));
        // SAFETY: the block is large enough and outlives the context.
        unsafe { second.context.set_activation(first.activation.address(), 4096) }.expect("TensorRT takes it");
        first.enqueue().expect("enqueued");
        second.enqueue().expect("enqueued");
        double.run_queued(&[0, 1, 2, 3]);
        assert_eq!(double.misuse(), (0, String::new()), "one after the other is right");
        first.enqueue().expect("enqueued");
        second.enqueue().expect("enqueued");
        double.run_queued(&[0, 2, 1, 3]);
        seen("activation memory was written by others");

        first.enqueue().expect("enqueued");
        drop(first);
        double.run_queued(&[0, 1]);
        seen("work of a context that was destroyed");
        double.defer(false);
        drop((second, runtime));
        assert_eq!(double.live(), [0; 4]);
    }
}

/// Shared runtime and engines, a context a thread; errors carry their own thread's messages.
#[test]
fn threads_share_a_runtime() {
    let _alone = alone();
    for double in doubles() {
        checked(double, || {
            let runtime = Runtime::new(&double.library, Some(Arc::new(Counted::default()))).expect("a runtime");
            let engine = runtime.deserialize(&small(double).bytes(), "toy").expect("a good plan");
            std::thread::scope(|scope| {
                for thread in 0..4_usize {
                    let (runtime, engine) = (&runtime, &engine);
                    scope.spawn(move || {
                        let plan = small(double);
                        for _ in 0..50 {
                            if thread == 3 {
                                let text = runtime.deserialize(b"garbage", "garbage").expect_err("garbage").to_string();
                                assert_eq!(text.matches("Error Code").count(), 1, "{text}");
                            } else {
                                let mut network = Network::with(Arc::clone(engine), &plan).expect("a network");
                                network.run().expect("it runs");
                                Network::open(runtime, &plan).expect("another").run().expect("it runs");
                            }
                        }
                    });
                }
            });
        });
    }
}
