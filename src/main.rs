//! The `otpost` binary: hands the command line to [`otpost::cli`].

use std::process::ExitCode;

// More throughput and less CPU per message than the system's allocator; its settings are in .cargo/config.toml. Secrets
// are zeroed by their own types before they are freed, whatever the allocator does.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    otpost::cli::run()
}
