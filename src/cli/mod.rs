//! The command line: one file or folder per command. It asks, shows and assembles; it decides nothing about deliveries.
//!
//! Exit codes: 0 success; 1 failure, or a check found something; 2 wrong arguments or configuration.

mod audit;
mod backup;
mod ca;
mod check;
mod config;
mod config_file;
mod delivery;
mod demo;
mod help;
mod ingest;
mod init;
mod key;
mod local_gateway;
mod man;
mod node;
mod openapi;
mod operator_log;
mod output;
mod pause;
mod progress_bar;
mod provider;
mod recipient;
mod remote;
mod remote_export;
mod report;
mod restore;
mod route;
mod serve;
mod simulate;
mod template;
mod template_output;
mod time;
mod token;
mod user;
mod version;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::file_access;
use config_file::ConfigFile;

/// otpost accepts a card processor's notifications over mutual TLS, stores them durably, and delivers them by SMS, push
/// and e-mail.
#[derive(Debug, Parser)]
#[command(
    version,
    long_version = version::long(),
    propagate_version = true,
    max_term_width = 110,
    disable_help_subcommand = true,
    after_help = help::list_of_guides()
)]
struct Otpost {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a workspace: configuration, keys, development CA, certificates, templates, database
    Init(init::Args),
    /// Run a gateway, simulated providers and a simulated processor in one process, and show the messages
    Demo(demo::Args),
    /// Run the gateway
    Serve(serve::Args),
    /// Check configuration, templates, keys, certificates and database
    Check(check::Args),
    /// Show the configuration in effect, and compare it with the running gateway
    #[command(subcommand)]
    Config(config::Command),
    /// Copy the database while the gateway runs, and verify the copy
    Backup(backup::Args),
    /// Put a backup in the place of the database
    Restore(restore::Args),
    /// Import, show and erase recipients
    #[command(subcommand)]
    Recipient(recipient::Command),
    /// Find deliveries, show what happened to one, and send one again
    #[command(subcommand)]
    Delivery(delivery::Command),
    /// Report on deliveries: states, times, failures, costs, dossiers of disputes
    #[command(subcommand)]
    Report(report::Command),
    /// List, test, drain and enable providers
    #[command(subcommand)]
    Provider(provider::Command),
    /// Pause delivery, also across restarts: notifications are accepted and wait
    Pause(pause::Args),
    /// Resume delivery after otpost pause
    Resume(pause::Args),
    /// Look at the gateways that share a PostgreSQL database
    #[command(subcommand)]
    Node(node::Command),
    /// Add users of the console, and change their roles
    #[command(subcommand)]
    User(user::Command),
    /// Make and revoke tokens, by which programs use the API and commands use --server
    #[command(subcommand)]
    Token(token::Command),
    /// Look at what processors post
    #[command(subcommand)]
    Ingest(ingest::Command),
    /// Explain how a recipient would be notified
    #[command(subcommand)]
    Route(route::Command),
    /// List, export and verify the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Inspect templates: coverage, errors, preview, cost, history
    #[command(subcommand)]
    Template(template::Command),
    /// Manage the client CA: create it, sign requests, list, revoke and export certificates
    #[command(subcommand)]
    Ca(ca::Command),
    /// Manage the keys that processors encrypt requests with
    #[command(subcommand)]
    Key(key::Command),
    /// Simulate a processor that posts notifications, or providers that receive messages
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Print an API as OpenAPI 3.1 (JSON)
    Openapi(openapi::Args),
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a man page for each command to a folder
    Man(man::Args),
    /// Print the help of a command, or a guide
    Help(help::Args),
}

/// Wrong arguments or a wrong configuration: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Marks an error as one that the user can correct.
fn usage(error: impl std::error::Error) -> anyhow::Error {
    Usage(crate::domain::chain(&error)).into()
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let command = Otpost::parse().command;
    let is_service = matches!(command, Command::Serve(_));
    // Whatever is created holds keys, contacts or the way to them: databases, logs of databases, certificates, archives.
    file_access::restrict_new_files();
    match execute(command) {
        Ok(code) => code,
        Err(error) if !is_service && output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let code = if error.is::<Usage>() { 2 } else { 1 };
            output::error(format_args!("{error:#}"));
            ExitCode::from(code)
        }
    }
}

// The other half of the cores is for the database and the listeners, which have threads of their own. A thread more
// than there is work for costs each message the wake-up of a thread that finds nothing to do.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    let passed = serve::PassedByManager::take();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Init(args) => init::run(&args).await,
            Command::Demo(args) => demo::run(&args).await,
            Command::Serve(args) => Box::pin(serve::run(&args, passed)).await,
            Command::Check(args) => check::run(&args).await,
            Command::Config(command) => config::run(command).await,
            Command::Backup(args) => backup::run(&args).await,
            Command::Restore(args) => restore::run(&args).await,
            Command::Key(command) => key::run(command).await,
            Command::Ca(command) => ca::run(&command).await,
            Command::Recipient(command) => recipient::run(command).await,
            Command::Ingest(command) => ingest::run(command).await,
            Command::Route(command) => route::run(command).await,
            Command::Delivery(command) => delivery::run(command).await,
            Command::Report(command) => report::run(command).await,
            Command::Provider(command) => provider::run(command).await,
            Command::Pause(args) => pause::pause(&args).await,
            Command::Resume(args) => pause::resume(&args).await,
            Command::Node(command) => node::run(command).await,
            Command::User(command) => user::run(command).await,
            Command::Token(command) => token::run(command).await,
            Command::Audit(command) => audit::run(command).await,
            Command::Template(command) => template::run(command).await,
            Command::Simulate(command) => simulate::run(command).await,
            Command::Openapi(args) => openapi::run(&args),
            Command::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Otpost::command(), "otpost", &mut script);
                output::line(String::from_utf8_lossy(&script).trim_end())?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Man(args) => man::run(&args, Otpost::command()),
            Command::Help(args) => help::run(&args, Otpost::command()),
        }
    })
}
