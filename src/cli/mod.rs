//! The command line: one file a command. It composes, shows and asks; it decides nothing about deliveries.
//!
//! Exit codes: 0 done, 1 failed, 2 the command or the configuration is wrong.

mod bench;
mod ca;
mod check;
mod delivery;
mod demo;
mod file_watcher;
mod init;
mod key;
mod open_store;
mod openapi;
mod output;
mod provider;
mod recipient;
mod route;
mod serve;
mod simulate;
mod template;
mod template_output;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// otpost takes a card processor's notifications over mutual TLS, commits them, and tells the cardholder.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
struct Otpost {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a workspace: configuration, keys, a development CA, certificates, templates, database
    Init(init::Args),
    /// See it work: a gateway, practice providers and a practice processor in one process, and what people get
    Demo(demo::Args),
    /// Run the gateway
    Serve(ConfigFile),
    /// Check configuration, texts, keys, certificates and database, and say what is wrong
    Check(check::Args),
    /// Make, activate, retire and show the keys that senders encrypt to
    #[command(subcommand)]
    Key(key::Command),
    /// Keep the certificate desk: make a CA, sign the processor's requests, list, revoke, export
    #[command(subcommand)]
    Ca(ca::Command),
    /// Import, show and erase the people who can be told
    #[command(subcommand)]
    Recipient(recipient::Command),
    /// Explain how somebody would be told
    #[command(subcommand)]
    ConfiguredProvider(route::Command),
    /// List deliveries and show what happened to one
    #[command(subcommand)]
    Delivery(delivery::Command),
    /// List providers, take one off duty, put it on duty again
    #[command(subcommand)]
    Provider(provider::Command),
    /// Look at the texts: coverage, faults, how they read, what they cost, what they were
    #[command(subcommand)]
    Template(template::Command),
    /// Practise: a processor that posts, providers that take messages
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Measure the gateway on this machine, beside what the machine can do
    Bench(bench::Args),
    /// The server that `bench` compares with
    #[command(hide = true)]
    BenchBare(ConfigFile),
    /// Describe what the processors' door takes and answers, as OpenAPI 3.1 in JSON
    Openapi,
    /// Write a completion script for a shell to standard output
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "otpost.toml", env = "OTPOST_CONFIG")]
    config: PathBuf,
}

/// The command or the configuration is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Marks an error as the user's to mend.
fn usage(error: impl std::error::Error) -> anyhow::Error {
    Usage(crate::domain::chain(&error)).into()
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    match execute(Otpost::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let code = if error.is::<Usage>() { 2 } else { 1 };
            output::complaint(&format!("{error:#}"));
            ExitCode::from(code)
        }
    }
}

// The other half of the cores is for the database and for the doors, which have threads of their own. One thread more
// than there is work for costs each message a wake-up of a thread that finds nothing to do.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Init(args) => init::run(&args).await,
            Command::Demo(args) => demo::run(&args).await,
            Command::Serve(file) => serve::run(&file.config).await,
            Command::Check(args) => check::run(&args).await,
            Command::Key(command) => key::run(command),
            Command::Ca(command) => ca::run(&command),
            Command::Recipient(command) => recipient::run(command).await,
            Command::ConfiguredProvider(command) => route::run(command).await,
            Command::Delivery(command) => delivery::run(command).await,
            Command::Provider(command) => provider::run(command).await,
            Command::Template(command) => template::run(command).await,
            Command::Simulate(command) => simulate::run(command).await,
            Command::Bench(args) => bench::run(args).await,
            Command::BenchBare(file) => bench::run_bare(&file.config).await,
            Command::Openapi => openapi::run(),
            Command::Completion { shell } => {
                clap_complete::generate(shell, &mut Otpost::command(), "otpost", &mut std::io::stdout());
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}
