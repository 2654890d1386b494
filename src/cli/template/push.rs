//! `otpost template push`: makes a change of what was edited in the template folder. It is reviewed like any other; nothing is
//! live by this command.

use std::process::ExitCode;

use serde_json::json;

use super::folder_state::{FileState, FolderState};
use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::{Usage, output, usage};
use crate::config::Config;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::template_change::{TemplateChange, TemplateDraft};
use crate::file_access;
use crate::flow::template_publishing::source;
use crate::render::{Renderer, TemplatePath, TemplateSource};
use crate::store::{Store, operators_event};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 success, 1 the live text of an edited file has changed, and no change was made.")]
pub(crate) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
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
    let state = FolderState::read(&config.templates.dir, store).await?;
    let of =
        |wanted: FileState| state.paths().into_iter().filter(|path| state.state(path) == wanted).collect::<Vec<_>>();
    let (edited, older, conflicts) = (of(FileState::Edited), of(FileState::Older), of(FileState::Conflict));
    let change = if conflicts.is_empty() && !edited.is_empty() {
        Some(make_change(&state, &edited, config, store).await?)
    } else {
        None
    };
    if args.json {
        let paths = json!({ "edited": edited, "older": older, "conflicts": conflicts });
        output::json(&json!({ "change": change, "files": paths }))?;
        return Ok(ExitCode::from(u8::from(!conflicts.is_empty())));
    }
    for path in &conflicts {
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
