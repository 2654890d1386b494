//! Asks the gateway that runs on the database of the configuration, and says so when none answers.

use std::os::unix::net::UnixStream;

use super::output;
use super::usage;
use crate::config::Config;
use crate::flow::inspector::{Answer, Question};
use crate::ops::socket;

/// The answer of the running gateway, which there must be.
pub(super) async fn ask_running(config: &Config, question: &Question) -> anyhow::Result<Answer> {
    let path = socket::path_of(&config.store.local_path().map_err(usage)?);
    match socket::ask(&path, question).await.map_err(usage)? {
        Answer::Refused { reason } => anyhow::bail!("the running gateway refused the question: {reason}"),
        answer => Ok(answer),
    }
}

/// The answer of the running gateway. Without one: `None`, and a note on standard error that the result comes from the
/// configuration file and the stored figures.
pub(super) async fn ask(config: &Config, question: &Question) -> anyhow::Result<Option<Answer>> {
    let path = socket::path_of(&config.store.local_path().map_err(usage)?);
    match socket::ask(&path, question).await {
        Ok(Answer::Refused { reason }) => anyhow::bail!("the running gateway refused the question: {reason}"),
        Ok(answer) => Ok(Some(answer)),
        Err(error) => {
            let error = crate::domain::chain(&error);
            output::note(format_args!("no running gateway answered ({error}): shown from the file and stored figures"));
            Ok(None)
        }
    }
}

/// Whether a gateway runs on the database. Some file systems do not show who holds its lock; there its socket answers.
pub(super) fn is_running(config: &Config) -> bool {
    let answers = |database: std::path::PathBuf| UnixStream::connect(socket::path_of(&database)).is_ok();
    config.store.running_gateway().is_some() || config.store.local_path().is_ok_and(answers)
}
