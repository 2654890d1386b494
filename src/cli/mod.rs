//! (being written)
pub mod simulate;
/// Run.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
