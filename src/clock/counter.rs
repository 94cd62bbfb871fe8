//! Reads the processor's counter. All of the clock's unsafe code is here.
#![allow(unsafe_code)]
#![deny(clippy::disallowed_types)]

/// The processor's counter. A value of this type can only be made where the counter exists and runs at one speed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter(());

#[cfg(target_arch = "x86_64")]
impl Counter {
    /// The time stamp counter, if the processor says that its speed never changes and Linux keeps its own time by it.
    pub(super) fn detect() -> Option<Counter> {
        const ADVANCED_POWER: u32 = 0x8000_0007;
        const INVARIANT: u32 = 1 << 8;
        // Newer compilers know that every x86-64 processor has this instruction, and call the `unsafe` unused.
        #[allow(unused_unsafe)]
        // SAFETY: every x86-64 processor has CPUID, and the highest leaf is asked for first.
        let invariant = unsafe {
            use std::arch::x86_64::__cpuid;
            __cpuid(0x8000_0000).eax >= ADVANCED_POWER && __cpuid(ADVANCED_POWER).edx & INVARIANT != 0
        };
        let source = std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        (invariant && source.is_ok_and(|s| s.trim() == "tsc")).then_some(Counter(()))
    }

    /// Ticks per second, if the processor tells.
    pub(super) fn hertz(self) -> Option<u64> {
        None
    }

    /// The counter's present value.
    #[inline]
    pub(super) fn read(self) -> u64 {
        // SAFETY: every x86-64 processor has RDTSC, and Linux allows it where it keeps its own time by it.
        unsafe { std::arch::x86_64::_rdtsc() }
    }
}

#[cfg(target_arch = "aarch64")]
impl Counter {
    /// The virtual counter. Every aarch64 processor has one, and Linux lets programs read it.
    pub(super) fn detect() -> Option<Counter> {
        cfg!(target_os = "linux").then_some(Counter(()))
    }

    /// Ticks per second, if the processor tells.
    pub(super) fn hertz(self) -> Option<u64> {
        let hertz: u64;
        // SAFETY: reads a register that Linux lets programs read; it touches neither memory nor flags.
        unsafe { std::arch::asm!("mrs {}, cntfrq_el0", out(reg) hertz, options(nomem, nostack, preserves_flags)) };
        Some(hertz).filter(|&h| h > 0)
    }

    /// The counter's present value.
    #[inline]
    pub(super) fn read(self) -> u64 {
        let ticks: u64;
        // SAFETY: as above. It is not `nomem`, so that the compiler keeps readings in their order.
        unsafe { std::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nostack, preserves_flags)) };
        ticks
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl Counter {
    /// Always `None`, since no counter of this kind of processor is known.
    pub(super) fn detect() -> Option<Counter> {
        None
    }

    /// Ticks per second, if the processor tells.
    pub(super) fn hertz(self) -> Option<u64> {
        None
    }

    /// The counter's present value.
    #[inline]
    pub(super) fn read(self) -> u64 {
        0
    }
}
