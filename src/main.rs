//! The `otpost` binary: hands the command line to [`otpost::cli`].

use std::process::ExitCode;

// Each notification crosses four threads and leaves small allocations on each; this allocator gives them back to the
// thread they came from without a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    otpost::cli::run()
}
