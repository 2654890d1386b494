//! Files that a gateway on another machine makes: begun, waited for, and fetched.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;
use serde_json::Value;

use super::progress_bar::progress_bar;
use super::remote::{RemoteError, RemoteGateway};

/// How often the gateway is asked how far it has come.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A file as the gateway describes it.
#[derive(Debug, Deserialize)]
pub(super) struct RemoteExport {
    id: String,
    /// The name that the gateway gave it.
    pub(super) file_name: String,
    state: String,
    percent: u64,
    #[serde(default)]
    problem: Option<String>,
}

/// Has the gateway make a file of this `topic`, waits until it is ready, and writes it to `to`. A progress bar says how far it is.
pub(super) async fn fetch(
    remote: &RemoteGateway,
    topic: &str,
    order: &Value,
    to: &mut (dyn Write + Send),
) -> anyhow::Result<RemoteExport> {
    let mut export: RemoteExport = remote.post(&["exports", topic], order).await.map_err(RemoteError::explained)?;
    let bar =
        progress_bar(Some(100), "the gateway writes {msg} {bar:40} {percent} %").with_message(export.file_name.clone());
    while export.state == "preparing" {
        bar.set_position(export.percent);
        tokio::time::sleep(ASK_EVERY).await;
        export = remote.get(&["exports", topic, &export.id], &()).await?;
    }
    bar.finish_and_clear();
    if let Some(problem) = export.problem {
        bail!("the gateway could not make the file: {problem}");
    }
    remote.download(&["exports", topic, &export.id, "file"], to).await?;
    Ok(export)
}
