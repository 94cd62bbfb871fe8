//! The harness for emitted Rust: it walks an emitted program over rows, and writes every request and every signal as words, as
//! `trace` in agree.rs does. The test appends a module for each program, and the function `dispatch` that chooses one by its
//! name.

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let rows = std::fs::read(&arguments[2]).unwrap();
    std::fs::write(&arguments[3], dispatch(&arguments[1], &rows)).unwrap();
}

/// Walks all rows with the program of a module. `own` lists the slots of the user's own signals; `kinds` has a character for each
/// candidate, `0` for logits and `1` for probabilities.
macro_rules! walk_all {
    ($module:ident, [$($own:expr),*], $kinds:expr, $rows:expr) => {{
        use $module::{Board, CANDIDATES, CLASSES, Request, SIGNALS, Scores, Walk};
        let own: &[usize] = &[$($own),*];
        let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        let mut out: Vec<u8> = Vec::new();
        let mut board = Board::new();
        for row in $rows.chunks_exact(4 * (own.len() + CANDIDATES * CLASSES)) {
            let (given, scores) = row.split_at(4 * own.len());
            board.begin();
            for (&at, value) in own.iter().zip(given.chunks_exact(4)) {
                board.signals[at] = float(value);
            }
            let mut put = |word: u32| out.extend(word.to_le_bytes());
            let mut all = |request: Request, signals: &[f32; SIGNALS]| {
                put(match request {
                    Request::Run(c) => 1 << 24 | u32::from(c) << 16,
                    Request::Answer(c) => 2 << 24 | u32::from(c) << 16,
                    Request::Average(mask) => 3 << 24 | u32::from(mask),
                    Request::NoneWorks => 0,
                });
                signals.iter().for_each(|v| put(v.to_bits()));
            };
            let mut walk = Walk::START;
            let mut request = walk.step(&board.signals);
            all(request, &board.signals);
            while let Request::Run(c) = request {
                let from = 4 * CLASSES * usize::from(c);
                let given: Vec<f32> = scores[from..from + 4 * CLASSES].chunks_exact(4).map(float).collect();
                let kind =
                    if $kinds.as_bytes()[usize::from(c)] == b'0' { Scores::Logits } else { Scores::Probabilities };
                let trusted = board.scores(c, kind, given.first_chunk().unwrap());
                request = if trusted { walk.step(&board.signals) } else { walk.failed(c) };
                all(request, &board.signals);
            }
            let mut put = |word: u32| out.extend(word.to_le_bytes());
            match board.answer(request) {
                Some((summary, probabilities)) => {
                    let hash = probabilities
                        .iter()
                        .fold(0x811c_9dc5_u32, |hash, p| (hash ^ p.to_bits()).wrapping_mul(0x0100_0193));
                    [1, summary.class, summary.probability.to_bits(), summary.margin.to_bits(), hash].into_iter().for_each(&mut put);
                }
                None => put(0),
            }
            put(0xff00_0000 | u32::from(walk.node()));
        }
        out
    }};
}

