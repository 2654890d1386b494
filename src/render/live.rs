//! The texts in force, and how others take their place while messages are written: whole sets only, after they have been
//! read and checked.
//!
//! It waits for nothing and decides nothing: when to look, and what must be written down before texts go live, is the
//! matter of whoever keeps it. What blocks says so.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::template::loader::{Folder, FolderFingerprint, Source};
use super::{Error, Renderer, Settings};

/// Texts in force, and where the next ones come from.
pub struct LiveTemplates {
    source: Box<dyn Source>,
    settings: Settings,
    in_force: ArcSwap<Renderer>,
    looks: Mutex<ReloadState>,
}

/// How the source looked: when it was read last, and when it was looked at last.
struct ReloadState {
    read: FolderFingerprint,
    last: FolderFingerprint,
}

/// Texts that have been read, and are not in force yet.
pub struct PendingTemplates {
    print: FolderFingerprint,
    /// What can be written with them, or why nothing can.
    pub texts: Result<Arc<Renderer>, Error>,
}

impl LiveTemplates {
    /// The texts in the folder of `settings`. It blocks.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Self::over(Box::new(Folder::at(&settings.dir)), settings)
    }

    /// The texts that `source` gives. It blocks.
    pub fn over(source: Box<dyn Source>, settings: &Settings) -> Result<Self, Error> {
        let print = source.print();
        let renderer = Renderer::of(&source.files()?, settings)?;
        Ok(Self {
            source,
            settings: settings.clone(),
            in_force: ArcSwap::from_pointee(renderer),
            looks: Mutex::new(ReloadState { read: print, last: print }),
        })
    }

    /// The renderer in force. Whoever writes a message takes it once: the whole message is of one set of texts.
    pub fn now(&self) -> Arc<Renderer> {
        self.in_force.load_full()
    }

    /// Whether there are texts that were not read yet and have kept still since the look before: half of a set that is
    /// being copied is not taken. It blocks for as long as it takes to look at each file.
    pub fn look(&self) -> bool {
        let print = self.source.print();
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let still = print == looks.last;
        looks.last = print;
        still && print != looks.read
    }

    /// Reads and checks the texts there are; `None` when they changed meanwhile. It blocks.
    pub fn read(&self) -> Option<PendingTemplates> {
        let print = self.source.print();
        let texts = self.source.files().and_then(|files| Renderer::of(&files, &self.settings)).map(Arc::new);
        (self.source.print() == print).then_some(PendingTemplates { print, texts })
    }

    /// Puts the draft in force. One that cannot be used is only not read again: the texts there were stay.
    pub fn take(&self, draft: PendingTemplates) {
        let PendingTemplates { print, texts } = draft;
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).read = print;
        if let Ok(renderer) = texts {
            self.in_force.store(renderer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::super::{Shipped, TemplateSet, write_shipped};
    use super::*;

    /// Changes each time it is read, for so many times.
    struct Restless(AtomicU8);

    impl Source for Restless {
        fn print(&self) -> FolderFingerprint {
            FolderFingerprint([self.0.load(Ordering::Relaxed); 32])
        }

        fn files(&self) -> Result<TemplateSet, Error> {
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            Shipped.files()
        }
    }

    #[test]
    fn texts_that_change_while_they_are_read_are_no_draft() {
        let library = LiveTemplates::over(Box::new(Restless(AtomicU8::new(2))), &Settings::default()).unwrap();

        assert!(library.read().is_none(), "it changed a second time");
        assert!(library.read().is_some_and(|draft| draft.texts.is_ok()));
    }

    #[test]
    fn a_set_is_read_once_it_has_kept_still_for_a_look_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        write_shipped(folder.path()).unwrap();
        let library = LiveTemplates::open(&Settings { dir: folder.path().to_owned(), ..Settings::default() }).unwrap();
        let before = library.now();
        assert!(!library.look() && !library.look(), "nothing has changed");

        fs::remove_dir_all(folder.path().join("pl")).unwrap();
        assert!(!library.look(), "it has just moved");
        fs::remove_dir_all(folder.path().join("de")).unwrap();
        assert!(!library.look(), "it has moved again");
        assert!(library.look(), "it is still");
        assert!(Arc::ptr_eq(&before, &library.now()), "nobody has taken anything");
        library.take(library.read().unwrap());

        assert!(!library.look());
        assert_eq!((before.locales().len(), library.now().locales().len()), (10, 8));
        fs::write(folder.path().join("en/otp/sms.hbs"), "{{otp").unwrap();
        library.look();
        assert!(library.look());
        let draft = library.read().unwrap();
        assert!(draft.texts.is_err());
        library.take(draft);
        assert!(!library.look(), "it is not read again");
        assert_eq!(library.now().locales().len(), 8);
    }
}
