//! Asks the gateway that runs on the database of the configuration, and says so when none answers.

use super::output;
use super::usage;
use crate::config::Config;
use crate::flow::inspector::{Answer, Question};
use crate::ops::socket;

/// The answer of the running gateway. Without one: `None`, and a note on standard error that the result comes from the
/// configuration file and the stored figures.
pub(super) async fn ask(config: &Config, question: &Question) -> anyhow::Result<Option<Answer>> {
    let path = socket::path_of(&config.store.sqlite_path().map_err(usage)?);
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
