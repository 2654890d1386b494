//! The template folder compared with the texts that were published: what `otpost template pull` and `push` have in common.
//!
//! A file that is neither live nor any earlier published text is somebody's work, and is never overwritten. A small file in the
//! folder remembers which text each file was pulled as, so that an edit of an older text is noticed as a conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use similar::TextDiff;

use crate::cli::{Usage, usage};
use crate::flow::template_documents::{LiveText, TextList, hash_of};
use crate::render::TemplateSet;
use crate::store::Store;

/// Remembers the pulled texts. Not a template, so nothing else reads it.
const PULLED: &str = ".published.json";

/// The unchanged lines around a difference.
const CONTEXT: usize = 3;

/// The folder, and every text that was published.
pub(super) struct FolderState {
    dir: PathBuf,
    folder: BTreeMap<String, String>,
    published: BTreeMap<String, LiveText>,
    /// The hash of the text that each file was pulled as.
    pulled: BTreeMap<String, String>,
}

/// How a file of the folder relates to the live text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileState {
    Same,
    /// An earlier published text, or no file although there is a live text.
    Older,
    /// An edit of the live text.
    Edited,
    /// An edit of an earlier text: the live text has changed since.
    Conflict,
}

impl FolderState {
    /// Reads the folder and the database.
    pub(super) async fn read(dir: &Path, store: &Store) -> anyhow::Result<Self> {
        Self::of(dir, TextList::of(store.template_changes().all_texts().await?, true))
    }

    /// Reads the folder, to compare it with these texts.
    pub(super) fn of(dir: &Path, published: TextList) -> anyhow::Result<Self> {
        let published: BTreeMap<_, _> = published.texts.into_iter().map(|it| (it.path.clone(), it)).collect();
        if published.is_empty() {
            let text = "no texts were published yet; start otpost serve with [templates] source = \"console\" first, which takes \
                        the texts of the folder into the database";
            return Err(Usage(text.to_owned()).into());
        }
        let folder = TemplateSet::load(dir).map_err(usage)?.texts().into_iter().collect();
        let path = dir.join(PULLED);
        let pulled = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} cannot be read", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        Ok(Self { dir: dir.to_owned(), folder, published, pulled })
    }

    /// The paths of all files and texts.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        self.folder.keys().chain(self.published.keys()).cloned().collect()
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&str> {
        self.folder.get(path).map(String::as_str)
    }

    /// The live text at `path`.
    pub(super) fn live(&self, path: &str) -> Option<&str> {
        self.published.get(path)?.text.as_deref()
    }

    /// How the file at `path` relates to the live text.
    pub(super) fn state(&self, path: &str) -> FileState {
        let (file, live) = (self.file(path), self.live(path));
        if file == live {
            return FileState::Same;
        }
        let was_pulled = self.pulled.get(path);
        let was_published = |text: &str| {
            let hash = hash_of(Some(text));
            self.published.get(path).is_some_and(|it| it.published.contains(&hash))
        };
        match file {
            // A file that was pulled and is gone was removed on purpose.
            None if was_pulled.is_none() => FileState::Older,
            Some(text) if was_published(text) => FileState::Older,
            _ if self.base(path) == hash_of(live) => FileState::Edited,
            _ => FileState::Conflict,
        }
    }

    // Before the first pull the files are those that the first texts were taken from.
    fn base(&self, path: &str) -> String {
        self.pulled.get(path).cloned().unwrap_or_else(|| {
            let first = self.published.get(path).and_then(|it| it.published.first());
            first.cloned().unwrap_or_else(|| hash_of(None))
        })
    }

    /// Puts the live text in the place of the file.
    pub(super) fn write(&mut self, path: &str) -> anyhow::Result<()> {
        let (file, live) = (self.dir.join(path), self.live(path).map(str::to_owned));
        let context = || format!("{} cannot be written", file.display());
        if let Some(text) = live {
            replace(&file, &text).with_context(context)?;
            self.folder.insert(path.to_owned(), text);
        } else {
            fs::remove_file(&file).with_context(context)?;
            self.folder.remove(path);
        }
        Ok(())
    }

    /// Remembers the files that are as the live texts are.
    pub(super) fn remember(&mut self) -> anyhow::Result<()> {
        for path in self.paths() {
            match self.live(&path) {
                Some(live) if self.file(&path) == Some(live) => {
                    let hash = hash_of(Some(live));
                    self.pulled.insert(path, hash);
                }
                None if self.file(&path).is_none() => {
                    self.pulled.remove(&path);
                }
                _ => {}
            }
        }
        let file = self.dir.join(PULLED);
        let text = serde_json::to_string_pretty(&self.pulled)?;
        replace(&file, &text).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// The difference of the file at `path` from the live text, in the format of diff.
    pub(super) fn difference(&self, path: &str) -> String {
        let [live, file] = [self.live(path), self.file(path)].map(Option::unwrap_or_default);
        let diff = TextDiff::from_lines(live, file);
        diff.unified_diff()
            .context_radius(CONTEXT)
            .header(&format!("live/{path}"), &format!("folder/{path}"))
            .to_string()
    }
}

// Whole or not at all: a gateway that reads the folder never sees half a file.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut draft = file.as_os_str().to_owned();
    draft.push(".new");
    fs::write(&draft, text)?;
    fs::rename(draft, file)
}
