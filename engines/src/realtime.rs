//! Settings that keep the operating system from delaying an answer: memory that is never paged out, a core for one thread, a real-time
//! priority. And counts of how often the system interrupted the thread all the same.
//!
//! Each setting holds for the calling thread or for the process. trt-select itself never makes them: the caller does, after it has opened
//! and warmed up the selector, so that threads that engines have started keep their own settings.
//!
//! Linux only; elsewhere every call but [`usage`] is an error.

use crate::{Error, ErrorKind};

/// What the operating system did to the calling thread since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Times that the thread gave its core up by itself, because it waited.
    pub voluntary_switches: u64,
    /// Times that its core was taken from it.
    pub involuntary_switches: u64,
}

impl Usage {
    /// What was added since an earlier reading.
    ///
    /// ```
    /// use trt_select_engines::realtime::usage;
    /// let before = usage();
    /// let pages = vec![1_u8; 1 << 20];
    /// println!("{} page faults for {} bytes", usage().since(before).minor_faults, pages.len());
    /// ```
    #[must_use]
    pub fn since(self, earlier: Usage) -> Usage {
        Usage {
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self.involuntary_switches.saturating_sub(earlier.involuntary_switches),
        }
    }
}

/// Keeps all memory of the process, now and later, from being paged out (`mlockall`).
///
/// # Errors
/// [`ErrorKind::Denied`] where the process may not lock as much: the line names its limit.
#[cfg(target_os = "linux")]
pub fn lock_memory() -> Result<(), Error> {
    // SAFETY: the call takes two flags and changes no memory of ours.
    if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } == 0 {
        return Ok(());
    }
    let reason = std::io::Error::last_os_error();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is ours to be written.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) } == 0;
    let limit = match limit.rlim_cur {
        libc::RLIM_INFINITY => "unlimited".to_owned(),
        bytes if known => format!("{} KiB", bytes / 1024),
        _ => "unknown".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Denied,
        format!(
            "memory lock: expected room for the whole process, got {reason} at a limit (RLIMIT_MEMLOCK) of {limit}; raise it \
             (ulimit -l unlimited, or memlock in limits.conf) or give CAP_IPC_LOCK"
        ),
    ))
}

/// Keeps the calling thread, and threads that it starts later, on one core (`sched_setaffinity`). Cores count from 0.
///
/// # Errors
/// [`ErrorKind::Denied`] where there is no such core, or the process may not use it.
#[cfg(target_os = "linux")]
pub fn pin_to_core(core: usize) -> Result<(), Error> {
    // SAFETY: a set of cores is plain bits, for which all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let within = core < 8 * size_of::<libc::cpu_set_t>();
    if within {
        // SAFETY: the core lies within the set.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the set and its size belong together; 0 is the calling thread.
    if within && unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } == 0 {
        return Ok(());
    }
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    Err(Error::new(
        ErrorKind::Denied,
        format!(
            "core {core}: expected one that this process may use, of which there are {cores}, got another; name one of them (taskset -cp $$ lists them)"
        ),
    ))
}

/// Gives the calling thread a real-time priority, 1 to 99 (`SCHED_FIFO`): no thread of a lower priority takes its core from it. Such a
/// thread must wait now and then. If it [polls](crate::Engine::ready) without end, no other thread ever runs on its core.
///
/// # Errors
/// [`ErrorKind::Denied`] where the process may not do this, or there is no such priority.
#[cfg(target_os = "linux")]
pub fn set_priority(priority: u8) -> Result<(), Error> {
    // SAFETY: plain numbers, for which zero is a value.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = priority.into();
    // SAFETY: the parameter is ours; 0 is the calling thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) } == 0 {
        return Ok(());
    }
    let reason = std::io::Error::last_os_error();
    Err(Error::new(
        ErrorKind::Denied,
        format!(
            "real-time priority {priority}: expected SCHED_FIFO at 1 to 99, got {reason}; give CAP_SYS_NICE, or raise RLIMIT_RTPRIO \
             (ulimit -r 99, or rtprio in limits.conf)"
        ),
    ))
}

/// What the operating system did to the calling thread so far (`getrusage`); zeros where it does not tell.
#[cfg(target_os = "linux")]
pub fn usage() -> Usage {
    // SAFETY: plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the record is ours to be written.
    if unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) } != 0 {
        return Usage::default();
    }
    let count = |n: libc::c_long| u64::try_from(n).unwrap_or(0);
    Usage {
        minor_faults: count(usage.ru_minflt),
        major_faults: count(usage.ru_majflt),
        voluntary_switches: count(usage.ru_nvcsw),
        involuntary_switches: count(usage.ru_nivcsw),
    }
}

#[cfg(not(target_os = "linux"))]
fn elsewhere(what: &str) -> Result<(), Error> {
    Err(Error::new(ErrorKind::Unsupported, format!("{what}: expected Linux, got another system; leave the option out")))
}

/// Locks the process's memory; on Linux only.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn lock_memory() -> Result<(), Error> {
    elsewhere("memory lock")
}

/// Keeps the thread on a core; on Linux only.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn pin_to_core(_core: usize) -> Result<(), Error> {
    elsewhere("core")
}

/// Gives the thread a real-time priority; on Linux only.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn set_priority(_priority: u8) -> Result<(), Error> {
    elsewhere("real-time priority")
}

/// What the operating system did to the calling thread; zeros, since only Linux is asked.
#[cfg(not(target_os = "linux"))]
pub fn usage() -> Usage {
    Usage::default()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn faults_and_switches_are_counted() {
        let before = usage();
        let pages = vec![1_u8; 8 << 20];
        std::thread::sleep(std::time::Duration::from_millis(2));
        let added = usage().since(before);
        assert_eq!(std::hint::black_box(&pages)[1 << 20], 1);
        assert!(added.minor_faults > 0 && added.voluntary_switches > 0, "{added:?}");
        assert_eq!(before.since(usage()).minor_faults, 0);
    }

    /// Each in a thread of its own, which takes its settings with it when it ends.
    #[test]
    fn a_thread_is_pinned_or_told_why_not() {
        let pinned = std::thread::spawn(|| {
            // A core that this process may use: the one it is on.
            // SAFETY: asks for a number.
            let core = unsafe { libc::sched_getcpu() };
            pin_to_core(core as usize).map(|()| std::thread::available_parallelism().map_or(0, std::num::NonZero::get))
        });
        assert_eq!(pinned.join().expect("no panic"), Ok(1));
        for core in [1_023, usize::MAX] {
            let error = pin_to_core(core).expect_err("no such core");
            assert!(error.to_string().starts_with(&format!("core {core}: expected")), "{error}");
        }
    }

    #[test]
    fn a_priority_is_taken_or_told_why_not() {
        let refused = std::thread::spawn(|| set_priority(0)).join().expect("no panic").expect_err("0 is none");
        assert!(refused.to_string().contains("CAP_SYS_NICE") && !refused.to_string().contains('\n'), "{refused}");
        match std::thread::spawn(|| set_priority(1)).join().expect("no panic") {
            Ok(()) => {}
            Err(error) => println!("skipped: {error}"),
        }
    }
}
