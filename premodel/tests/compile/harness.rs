//! Walks every row of a file with one form of a program, and writes the requests. The test appends the forms to this file.

fn main() {
    use std::io::Write;
    let arguments: Vec<String> = std::env::args().collect();
    let rows = std::fs::read(&arguments[2]).unwrap();
    std::io::stdout().write_all(&dispatch(&arguments[1], &rows)).unwrap();
}

fn split<const N: usize>(row: &[u8]) -> ([f32; N], u32) {
    let word = |i: usize| <[u8; 4]>::try_from(&row[4 * i..4 * i + 4]).unwrap();
    (std::array::from_fn(|i| f32::from_le_bytes(word(i))), u32::from_le_bytes(word(N)))
}

macro_rules! standalone {
    ($run:ident, $module:ident) => {
        fn $run(rows: &[u8], out: &mut Vec<u8>) {
            use $module::{Request, SIGNALS, Walk};
            let mut put = |word: u32| out.extend(word.to_le_bytes());
            let word = |request: Request| match request {
                Request::Run(c) => 1 << 24 | u32::from(c) << 16,
                Request::Answer(c) => 2 << 24 | u32::from(c) << 16,
                Request::Average(mask) => 3 << 24 | u32::from(mask),
                Request::NoneWorks => 0,
            };
            for row in rows.chunks_exact(4 * SIGNALS + 4) {
                let (signals, failing) = split::<SIGNALS>(row);
                let mut walk = Walk::START;
                let mut request = walk.step(&signals);
                put(word(request));
                while let Request::Run(c) = request {
                    request = if failing >> c & 1 == 1 { walk.failed(c) } else { walk.step(&signals) };
                    put(word(request));
                }
                put(word(walk.step(&signals)));
                put(0xff00_0000 | u32::from(walk.node()));
            }
        }
    };
}

macro_rules! baked {
    ($run:ident, $module:ident, $signals:expr) => {
        fn $run(rows: &[u8], out: &mut Vec<u8>) {
            use trt_select_premodel::{Answer, Request};
            let mut put = |word: u32| out.extend(word.to_le_bytes());
            let word = |request: Request| match request {
                Request::Run(c) => 1 << 24 | u32::from(c.0) << 16,
                Request::Answer(Answer::Candidate(c)) => 2 << 24 | u32::from(c.0) << 16,
                Request::Answer(Answer::Average(mask)) => 3 << 24 | u32::from(mask.0),
                Request::NoneWorks => 0,
            };
            let program = $module::program();
            assert!($module::is_baked(&program) && $module::PROGRAM == Some(program.hash()));
            for row in rows.chunks_exact(4 * $signals + 4) {
                let (signals, failing) = split::<$signals>(row);
                let mut walk = program.start();
                let mut request = program.step_by(&mut walk, |at| $module::next(at, &signals));
                put(word(request));
                while let Request::Run(c) = request {
                    request = if failing >> c.0 & 1 == 1 {
                        program.failed(&mut walk, c)
                    } else {
                        program.step_by(&mut walk, |at| $module::next(at, &signals))
                    };
                    put(word(request));
                }
                put(word(program.step_by(&mut walk, |at| $module::next(at, &signals))));
                put(0xff00_0000 | walk.node() as u32);
            }
        }
    };
}

