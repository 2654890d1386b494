//! `otpost template pull`: writes the published texts to the template folder. Files that somebody has edited stay.

use std::process::ExitCode;

use serde_json::json;

use super::folder_state::{FileState, FolderState};
use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the folder has the published texts, 1 edited files were left as they are.")]
pub(crate) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.file.load()?;
    let store = read_store(&config).await?;
    let state = FolderState::read(&config.templates.dir, &store).await;
    store.close().await?;
    let mut state = state?;
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
