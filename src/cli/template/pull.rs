//! `otpost template pull`: writes the published texts to the template folder. Files that somebody has edited stay.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::folder_state::{FileState, FolderState};
use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::remote::{RemoteError, RemoteGateway, ServerArgs};
use crate::cli::{Usage, output};
use crate::flow::template_documents::TextList;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the folder has the published texts, 1 edited files were left as they are.")]
pub(crate) struct Args {
    /// The template folder [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = args.dir.clone().map_or_else(|| args.file.load().map(|config| config.templates.dir), Ok)?;
    let mut state = if let Some(remote) = args.server.remote()? {
        FolderState::of(&dir, texts_there(&remote).await?)?
    } else {
        let store = read_store(&args.file.load()?).await?;
        let state = FolderState::read(&dir, &store).await;
        store.close().await?;
        state?
    };
    let (mut written, mut edited) = (Vec::new(), Vec::new());
    for path in state.paths() {
        match state.state(&path) {
            FileState::Same => {}
            FileState::Older => {
                state.write(&path)?;
                written.push(path);
            }
            FileState::Edited | FileState::Conflict => edited.push(path),
        }
    }
    state.remember()?;
    if args.json {
        output::json(&json!({ "written": written, "edited": edited }))?;
    } else {
        written.iter().try_for_each(|path| output::line(format_args!("written: {path}")))?;
        for path in &edited {
            output::line(format_args!("left as it is, because it was edited: {path}"))?;
            output::line(state.difference(path).trim_end())?;
        }
        output::line(format_args!(
            "{} written, {} left",
            output::counted(written.len(), "file"),
            output::counted(edited.len(), "edited file")
        ))?;
    }
    Ok(ExitCode::from(u8::from(!edited.is_empty())))
}

/// The texts of a gateway on another machine, which come from its console.
pub(super) async fn texts_there(remote: &RemoteGateway) -> anyhow::Result<TextList> {
    let texts: TextList = remote.get(&["templates", "texts"], &()).await.map_err(RemoteError::explained)?;
    if !texts.editable {
        let text = "the gateway reads its templates from its folder, so that there is nothing to pull or push; this is for \
                    [templates] source = \"console\"";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(texts)
}
