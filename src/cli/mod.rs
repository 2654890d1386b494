//! (being written)
pub mod simulate;
use clap::Parser as _;
/// Run.
#[tokio::main]
pub async fn run() -> std::process::ExitCode {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(subcommand)]
        command: simulate::Simulate,
    }
    match simulate::run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
