//! The active templates, and how others replace them while messages are rendered: whole sets only, after they have been
//! loaded and validated.
//!
//! Decides nothing: its user decides when to check for changes and what to record before templates become active. Methods
//! that block say so.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::template::file::{DEPTH, TemplateSet, is_template_or_locale_file};
use super::{Error, Renderer, Settings};
use crate::file_watcher::{ChangeDetector, FileFingerprint};

/// The active templates of a folder.
pub struct LiveTemplates {
    settings: Settings,
    active: ArcSwap<Renderer>,
    changes: Mutex<ChangeDetector<FileFingerprint>>,
}

/// Templates that have been loaded and are not active yet.
pub struct PendingTemplates {
    fingerprint: FileFingerprint,
    /// The renderer, or why the templates cannot be used.
    pub renderer: Result<Arc<Renderer>, Error>,
}

impl LiveTemplates {
    /// Loads the templates in the folder of `settings`. Blocks.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let fingerprint = fingerprint(settings);
        Ok(Self {
            settings: settings.clone(),
            active: ArcSwap::from_pointee(Renderer::load(settings)?),
            changes: Mutex::new(ChangeDetector::new(fingerprint)),
        })
    }

    /// The state of the folder of `settings`, to be taken before it is loaded. Blocks.
    pub fn fingerprint(settings: &Settings) -> FileFingerprint {
        fingerprint(settings)
    }

    /// Templates of an earlier time, until the folder of `settings` differs from `seen` and can be used again.
    pub fn with_earlier(settings: &Settings, renderer: Renderer, seen: FileFingerprint) -> Self {
        let (active, changes) = (ArcSwap::from_pointee(renderer), Mutex::new(ChangeDetector::new(seen)));
        Self { settings: settings.clone(), active, changes }
    }

    /// Templates that come from the database: the folder is not watched.
    pub fn with_published(settings: &Settings, renderer: Renderer) -> Self {
        Self::with_earlier(settings, renderer, fingerprint(settings))
    }

    /// Activates templates that do not come from the folder.
    pub fn replace(&self, renderer: Renderer) {
        self.active.store(Arc::new(renderer));
    }

    /// The active renderer. Take it once for each message, so that all parts come from one set of templates.
    pub fn current(&self) -> Arc<Renderer> {
        self.active.load_full()
    }

    /// Whether the folder has changed since it was loaded and stayed the same since the last poll: a set that is still
    /// being copied is not loaded. Blocks for as long as it takes to read the metadata of each file.
    pub fn has_changed(&self) -> bool {
        let now = fingerprint(&self.settings);
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).poll(now)
    }

    /// Loads and validates the templates of the folder; `None` when they changed meanwhile. Blocks.
    pub fn load(&self) -> Option<PendingTemplates> {
        self.load_with(|| TemplateSet::load(&self.settings.dir))
    }

    fn load_with(&self, load: impl FnOnce() -> Result<TemplateSet, Error>) -> Option<PendingTemplates> {
        let fingerprint = fingerprint(&self.settings);
        let renderer = load().and_then(|set| Renderer::compile(&set, &self.settings)).map(Arc::new);
        (self::fingerprint(&self.settings) == fingerprint).then_some(PendingTemplates { fingerprint, renderer })
    }

    /// Activates loaded templates. Those that cannot be used are only marked as seen: the active ones stay.
    pub fn activate(&self, pending: PendingTemplates) {
        let PendingTemplates { fingerprint, renderer } = pending;
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).handled(fingerprint);
        if let Ok(renderer) = renderer {
            self.active.store(renderer);
        }
    }
}

fn fingerprint(settings: &Settings) -> FileFingerprint {
    FileFingerprint::of_folder(&settings.dir, DEPTH, is_template_or_locale_file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{set_of_snapshots, write_shipped};
    use super::*;

    fn live() -> (tempfile::TempDir, LiveTemplates) {
        let folder = tempfile::tempdir().unwrap();
        write_shipped(folder.path()).unwrap();
        let settings = Settings { dir: folder.path().to_owned(), ..Settings::default() };
        let live = LiveTemplates::open(&settings).unwrap();
        (folder, live)
    }

    #[test]
    fn templates_that_change_while_they_are_loaded_are_not_returned() {
        let (folder, live) = live();

        let changed = live.load_with(|| {
            let set = TemplateSet::load(folder.path());
            fs::remove_file(folder.path().join("pl/otp/sms.hbs")).unwrap();
            set
        });

        assert!(changed.is_none());
        fs::remove_dir_all(folder.path().join("pl")).unwrap();
        assert!(live.load().is_some_and(|pending| pending.renderer.is_ok()));
    }

    #[test]
    fn a_changed_set_is_loaded_once_after_one_poll_without_a_change() {
        let (folder, live) = live();
        let before = live.current();
        assert!(!live.has_changed() && !live.has_changed(), "nothing has changed");

        fs::remove_dir_all(folder.path().join("pl")).unwrap();
        assert!(!live.has_changed(), "it has just changed");
        fs::remove_dir_all(folder.path().join("de")).unwrap();
        assert!(!live.has_changed(), "it has changed again");
        assert!(live.has_changed(), "it has settled");
        assert!(Arc::ptr_eq(&before, &live.current()), "nothing was activated");
        live.activate(live.load().unwrap());

        assert!(!live.has_changed());
        assert_eq!((before.locales().len(), live.current().locales().len()), (10, 8));
        fs::write(folder.path().join("en/otp/sms.hbs"), "{{otp").unwrap();
        live.has_changed();
        assert!(live.has_changed());
        let pending = live.load().unwrap();
        assert!(pending.renderer.is_err());
        live.activate(pending);
        assert!(!live.has_changed(), "it is not loaded again");
        assert_eq!(live.current().locales().len(), 8);
    }

    #[test]
    fn a_changed_locale_file_is_a_change() {
        let (folder, live) = live();

        fs::write(folder.path().join("pl/locale.toml"), "merchant = \"sklep\"\nfraud_words = []\n").unwrap();

        assert!(!live.has_changed() && live.has_changed());
    }

    #[test]
    fn earlier_templates_render_the_same_messages_until_the_folder_can_be_used_again() {
        let (folder, live) = live();
        let settings = live.settings.clone();
        let archived = live.current().snapshots().to_vec();
        let good = fs::read_to_string(folder.path().join("pl/otp/sms.hbs")).unwrap();
        fs::write(folder.path().join("pl/otp/sms.hbs"), "{{otp").unwrap();
        let seen = LiveTemplates::fingerprint(&settings);
        assert!(LiveTemplates::open(&settings).is_err());

        let set = set_of_snapshots(&archived, &settings);
        let earlier = LiveTemplates::with_earlier(&settings, Renderer::compile(&set, &settings).unwrap(), seen);

        assert_eq!(earlier.current().snapshots(), archived);
        assert!(!earlier.has_changed() && !earlier.has_changed(), "the folder is as it was");
        fs::write(folder.path().join("pl/otp/sms.hbs"), good).unwrap();
        assert!(!earlier.has_changed() && earlier.has_changed());
        assert!(earlier.load().is_some_and(|pending| pending.renderer.is_ok()));
    }
}
