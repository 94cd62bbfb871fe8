//! On the null engine, the way from frame to decision allocates nothing, takes no lock and makes no system call. This program also holds
//! the parts whose instructions `benches/count-instructions` counts.
//!
//! This program has no test harness, so that it has only one thread. When cargo runs it, it starts itself again in the modes that the
//! environment variable `TRT_SELECT_HOT_LOOP` names:
//! - `loop`: the loop, between two marks that strace and `tests/doubles/count_calls.c` see;
//! - `planted`: the same loop with one lock, one system call and one allocation in it, which must be found;
//! - `count`: every part once, each in a function with its name, for callgrind.

mod count;
#[path = "../common/mod.rs"]
mod null;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;

use null::{cascade, null_candidates, tensor_candidates};
use trt_select::cuda::Format;
use trt_select::{Frame, Input, Selector};

/// The environment variable that names the program's mode.
const VARIABLE: &str = "TRT_SELECT_HOT_LOOP";
/// File numbers that are never open. Closing one of them marks the begin or the end of the loop.
const MARKS: [c_int; 2] = [-7001, -7002];

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

unsafe extern "C" {
    fn close(file: c_int) -> c_int;
    fn getppid() -> c_int;
    fn syscall(number: std::ffi::c_long, ...) -> std::ffi::c_long;
    fn pthread_mutex_lock(mutex: *mut c_void) -> c_int;
    fn pthread_mutex_unlock(mutex: *mut c_void) -> c_int;
}

fn mark(which: usize) {
    // SAFETY: no open file has this number, so nothing is closed.
    unsafe { close(MARKS[which]) };
}

/// Does each thing once that the loop must not do.
fn plant() {
    black_box(Box::new(black_box(7_u64)));
    // In glibc, a mutex of all zeros is an initialised one.
    let mut mutex = [0_u64; 16];
    // SAFETY: the mutex outlives both calls. `getppid`, and a futex wake that nobody waits for, change nothing.
    unsafe {
        pthread_mutex_lock(mutex.as_mut_ptr().cast());
        pthread_mutex_unlock(mutex.as_mut_ptr().cast());
        syscall(if cfg!(target_arch = "x86_64") { 202 } else { 98 }, mutex.as_ptr(), 1_i64, 1_i64);
        getppid();
    }
}

/// Runs 100,000 inputs: tensors by `infer`, and frames with features by submit and poll, on engines that are done at once and on engines
/// that take two polls.
fn hot_loop(planted: bool) {
    let rounds = if cfg!(debug_assertions) { 2_000 } else { 100_000_u32 };
    let pixels: Vec<u8> = (0..28 * 28_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let frame = Frame::packed(Format::Gray8, 28, 28, 28, &pixels).unwrap();
    let values = [0.5_f32; 16];
    let alternating = |n: u64| if n.is_multiple_of(2) { [4.0, 0.0] } else { [0.1, 0.0] };
    let mut of_frames = [0, 2].map(|polls| {
        let (candidates, _) = null_candidates(polls, alternating);
        Selector::new(candidates, cascade(true)).unwrap()
    });
    let mut of_tensors = Selector::new(tensor_candidates([0.1, 0.0], [0.0, 5.0]), cascade(false)).unwrap();
    for selector in &mut of_frames {
        selector.warm_up(frame.into()).unwrap();
    }
    of_tensors.warm_up(Input::Tensor(&values)).unwrap();
    let mut ran = [0_u32; 3];
    let before = ALLOCATIONS.get();
    mark(0);
    for round in 0..rounds {
        if planted && round == 0 {
            plant();
        }
        let selector = &mut of_frames[round as usize % 2];
        let mut flight = selector.submit(black_box(frame)).unwrap();
        let outcome = loop {
            if let Some(outcome) = flight.poll().unwrap() {
                break outcome;
            }
        };
        ran[outcome.ran.len() as usize] += 1;
        black_box(of_tensors.infer(Input::Tensor(black_box(&values))).unwrap());
    }
    mark(1);
    let allocations = ALLOCATIONS.get() - before;
    assert_eq!(allocations, u64::from(planted), "allocations in {rounds} rounds");
    assert!(ran[1] > rounds / 3 && ran[2] > rounds / 3, "both paths: {ran:?}");
    println!("{rounds} rounds, {allocations} allocations; candidates that ran: {ran:?}");
}

/// This program again in a mode, under another program where `under` names one.
fn again(mode: &str, under: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match under {
        [] => Command::new(&this),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&this);
            command
        }
    };
    command.env(VARIABLE, mode);
    command
}

/// Numbers of locks, raw system calls and allocations in the loop, as the preloaded library counts them.
fn counted(library: &std::path::Path, mode: &str) -> Vec<u64> {
    let out = again(mode, &[]).env("LD_PRELOAD", library).output().unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{mode}: {stderr}");
    let line = stderr.lines().find_map(|l| l.strip_prefix("counted: ")).expect("the library counts");
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

fn no_locks() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doubles/count_calls.c");
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libtrtsel_count_calls.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    if cfg!(not(target_env = "gnu")) {
        return println!("skipped: locks: expected glibc, got another C library");
    }
    let built = Command::new(&compiler)
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-shared", "-fPIC", "-o"])
        .args([library.as_os_str(), source.as_ref(), "-ldl".as_ref()])
        .output();
    match built {
        Err(e) => return println!("skipped: locks: no C compiler {}: {e}", compiler.to_string_lossy()),
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr)),
    }
    assert_eq!(counted(&library, "planted"), [2, 1, 1], "what was planted is found");
    assert_eq!(counted(&library, "loop"), [0, 0, 0], "locks, raw system calls, allocations");
    println!("locks: 0 locks, 0 futex calls, 0 allocations by the preloaded counter");
}

/// The system calls between the marks, as strace prints them.
fn traced(mode: &str) -> Vec<String> {
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hot-loop-{mode}.strace"));
    let log_name = log.to_str().unwrap();
    let out = again(mode, &["strace", "-f", "-e", "trace=all", "-o", log_name]).output().unwrap();
    assert!(out.status.success(), "{mode}: {}", String::from_utf8_lossy(&out.stderr));
    let text = std::fs::read_to_string(&log).unwrap();
    let at = |mark: c_int| {
        let call = format!("close({mark})");
        let found: Vec<_> = text.lines().enumerate().filter(|(_, l)| l.contains(&call)).map(|(i, _)| i).collect();
        assert_eq!(found.len(), 1, "{call} in {log_name}");
        found[0]
    };
    let (begin, end) = (at(MARKS[0]), at(MARKS[1]));
    text.lines().skip(begin + 1).take(end - begin - 1).map(str::to_owned).collect()
}

fn no_system_calls() {
    let usable = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match usable {
        Err(e) => return println!("skipped: system calls: no strace: {e}"),
        Ok(out) if !out.status.success() => {
            let reason = String::from_utf8_lossy(&out.stderr);
            return println!(
                "skipped: system calls: strace cannot trace here: {}",
                reason.lines().next().unwrap_or("no reason")
            );
        }
        Ok(_) => {}
    }
    let planted = traced("planted");
    assert!(planted.len() == 2 && planted[0].contains("futex(") && planted[1].contains("getppid("), "{planted:?}");
    let calls = traced("loop");
    assert!(calls.is_empty(), "{calls:?}");
    println!("system calls: 0 by strace");
}

fn main() {
    match std::env::var(VARIABLE).as_deref() {
        Ok("loop") => return hot_loop(false),
        Ok("planted") => return hot_loop(true),
        Ok("count") => return count::all(),
        Ok(other) => panic!("{VARIABLE}: expected loop, planted or count, got {other}"),
        Err(_) => {}
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let tests: [(&str, fn()); 4] = [
        ("no_allocations", || hot_loop(false)),
        ("no_locks", no_locks),
        ("no_system_calls", no_system_calls),
        ("every_part_runs", count::all),
    ];
    for (name, test) in tests {
        if args.iter().any(|a| a == "--list") {
            println!("{name}: test");
        } else if args.iter().all(|a| a.starts_with('-') || name.contains(a.as_str())) {
            println!("hot_loop::{name}");
            test();
        }
    }
}
