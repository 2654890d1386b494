//! `otpost template push`: makes a change of what was edited in the template folder. It is reviewed like any other; nothing is
//! live by this command.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::folder_state::{FileState, FolderState};
use super::pull::texts_there;
use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::remote::{RemoteError, RemoteGateway, ServerArgs};
use crate::cli::{Usage, output, usage};
use crate::config::Config;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::template_change::{TemplateChange, TemplateDraft};
use crate::file_access;
use crate::flow::template_documents::{ChangeNumber, hash_of};
use crate::flow::template_publishing::source;
use crate::render::{Renderer, TemplatePath, TemplateSource};
use crate::store::{Store, operators_event};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 success, 1 the live text of an edited file has changed, and no change was made.")]
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
    if let Some(remote) = args.server.remote()? {
        let dir = args.dir.clone().map_or_else(|| args.file.load().map(|config| config.templates.dir), Ok)?;
        let files = FolderFiles::of(FolderState::of(&dir, texts_there(&remote).await?)?);
        let change = if files.is_pushed() { Some(drafts_there(&remote, &files).await?) } else { None };
        return print(args, &files, change);
    }
    let config = args.file.load()?;
    if config.templates.source != TemplateSource::Console {
        let text = "the templates come from the folder, so there is nothing to push: files that differ are live already; this \
                    command is for [templates] source = \"console\"";
        return Err(Usage(text.to_owned()).into());
    }
    let store = open_store(&config).await?;
    let pushed = push(args, &config, &store).await;
    store.close().await?;
    pushed
}

async fn push(args: &Args, config: &Config, store: &Store) -> anyhow::Result<ExitCode> {
    let dir = args.dir.as_ref().unwrap_or(&config.templates.dir);
    let files = FolderFiles::of(FolderState::read(dir, store).await?);
    let change =
        if files.is_pushed() { Some(make_change(&files.state, &files.edited, config, store).await?) } else { None };
    print(args, &files, change)
}

/// The files of the folder that differ from the live texts.
struct FolderFiles {
    state: FolderState,
    edited: Vec<String>,
    older: Vec<String>,
    conflicts: Vec<String>,
}

impl FolderFiles {
    fn of(state: FolderState) -> Self {
        let of = |wanted: FileState| {
            state.paths().into_iter().filter(|path| state.state(path) == wanted).collect::<Vec<_>>()
        };
        let (edited, older, conflicts) = (of(FileState::Edited), of(FileState::Older), of(FileState::Conflict));
        Self { state, edited, older, conflicts }
    }

    // All or nothing: what is in conflict may belong to what is not.
    fn is_pushed(&self) -> bool {
        self.conflicts.is_empty() && !self.edited.is_empty()
    }
}

fn print(args: &Args, files: &FolderFiles, change: Option<i64>) -> anyhow::Result<ExitCode> {
    let FolderFiles { state, edited, older, conflicts } = files;
    if args.json {
        let paths = json!({ "edited": edited, "older": older, "conflicts": conflicts });
        output::json(&json!({ "change": change, "files": paths }))?;
        return Ok(ExitCode::from(u8::from(!conflicts.is_empty())));
    }
    for path in conflicts {
        output::line(format_args!("conflict: the live text of {path} has changed since the file was edited"))?;
        output::line(state.difference(path).trim_end())?;
    }
    older.iter().try_for_each(|path| {
        output::line(format_args!("not pushed, because it is older than the live text: {path}; otpost template pull"))
    })?;
    match change {
        Some(id) => output::line(format_args!(
            "change {id}: a draft of {}; submit it in the console at /templates/changes/{id}",
            output::counted(edited.len(), "text")
        ))?,
        None if conflicts.is_empty() => output::line("no file was edited; there is nothing to push")?,
        None => output::line(
            "no change was made: put the files with conflicts aside, run otpost template pull, and edit them again",
        )?,
    }
    Ok(ExitCode::from(u8::from(!conflicts.is_empty())))
}

// One draft after the other. A change that is not complete is withdrawn.
async fn drafts_there(remote: &RemoteGateway, files: &FolderFiles) -> anyhow::Result<i64> {
    let mut change: Option<i64> = None;
    for path in &files.edited {
        let (text, base) = (files.state.file(path), hash_of(files.state.live(path)));
        let draft = json!({ "change": change, "path": path, "text": text, "base": base });
        match remote.put::<ChangeNumber>(&["templates", "drafts"], &draft).await {
            Ok(number) => change = Some(number.change),
            Err(error) => {
                if let Some(id) = change {
                    let step = ["templates", "changes", &id.to_string(), "withdraw"];
                    remote.post::<Value>(&step, &json!({})).await.map_err(RemoteError::explained)?;
                }
                return Err(error.explained().context(format!("{path}; no change was made")));
            }
        }
    }
    change.ok_or_else(|| anyhow::anyhow!("no file was edited"))
}

async fn make_change(state: &FolderState, edited: &[String], config: &Config, store: &Store) -> anyhow::Result<i64> {
    let (author, now) = (file_access::login(), SystemClock.now());
    let mut change = TemplateChange::new(&author, now);
    let published = store.template_changes().published_texts().await?;
    let mut set = source::set_of(&published, &config.templates);
    for path in edited {
        let [text, base] = [state.file(path), state.live(path)].map(|text| text.map(str::to_owned));
        if let Some(at) = TemplatePath::parse(path) {
            set = set.with_text(&config.templates.dir, &at, text.as_deref());
        }
        change.edit(&author, TemplateDraft { path: path.clone(), text, base }, now)?;
    }
    Renderer::compile(&set, &config.templates).map_err(usage)?;
    let event = operators_event(AuditKind::TemplateDrafted, now).with("paths", edited.to_vec());
    Ok(store.template_changes().add_change(&change, &event).await?)
}
