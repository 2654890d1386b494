//! Everything that is wrong with all texts, at once: each text by itself, whether they are complete, and how they read
//! when they are written.

use std::path::PathBuf;

use super::coverage::Coverage;
use super::diagnostic::Diagnostic;
use crate::domain::chain;
use crate::render::Renderer;
use crate::render::error::Error;
use crate::render::registry::TemplateRegistry;
use crate::render::settings::Settings;
use crate::render::template::file;
use crate::render::template::file::{TemplateFile, TemplateSet, UnknownFile};
use crate::render::version::VersionIndex;

/// Everything that is wrong with `files`, in the order of the places. What is wrong with a draft is told and not
/// refused.
pub fn review(files: &TemplateSet, settings: &Settings) -> Vec<Diagnostic> {
    let mut findings = match Renderer::examine(files, settings) {
        Ok((_, findings)) => findings,
        Err(error) => vec![Diagnostic::about(&settings.dir, "settings", chain(&error))],
    };
    let coverage = Coverage::of(&files.all, settings);
    let drafts = files.all.iter().filter(|file| coverage.is_draft(&file.locale)).cloned().collect::<Vec<_>>();
    let of_drafts = Renderer::make(&drafts, settings).map(|(_, findings)| findings).unwrap_or_default();
    let strangers = files.strangers.iter().filter(|stranger| coverage.is_draft(&stranger.locale));
    findings.extend(of_drafts.into_iter().chain(strangers.map(UnknownFile::finding)).map(Diagnostic::tolerated));
    findings.sort_by(|one, other| (&one.place, one.fault.at).cmp(&(&other.place, other.fault.at)));
    findings
}

/// The same of the texts in the folder of `settings`.
pub fn review_folder(settings: &Settings) -> Result<Vec<Diagnostic>, Error> {
    Ok(review(&file::gather(&settings.dir)?, settings))
}

/// What is wrong with the texts in `files`, each in the place of the one in the folder of `settings`. They may lie
/// anywhere, as `<locale>/<kind>/<part>.hbs`.
pub fn review_files(files: &[PathBuf], settings: &Settings) -> Result<Vec<Diagnostic>, Error> {
    let mut all = file::gather(&settings.dir)?.all;
    for path in files {
        let new = file::read_one(path)?;
        all.retain(|old| (&old.locale, old.kind, old.part) != (&new.locale, new.kind, new.part));
        all.push(new);
    }
    let mut findings = review(&all.into(), settings);
    findings.retain(|finding| finding.rule == "settings" || files.contains(&finding.place));
    Ok(findings)
}

/// Which messages can be written in which locale, by the files in the folder of `settings`.
pub fn coverage(settings: &Settings) -> Result<Coverage, Error> {
    Ok(Coverage::of(&file::gather(&settings.dir)?.all, settings))
}

impl Renderer {
    /// A renderer of the texts that people are written to in, and everything that is wrong with these.
    pub(crate) fn examine(files: &TemplateSet, settings: &Settings) -> Result<(Self, Vec<Diagnostic>), Error> {
        let coverage = Coverage::of(&files.all, settings);
        let used = files.all.iter().filter(|file| !coverage.is_draft(&file.locale)).cloned().collect::<Vec<_>>();
        let (renderer, mut findings) = Self::make(&used, settings)?;
        findings.extend(coverage.findings(&settings.dir));
        let strangers = files.strangers.iter().filter(|stranger| !coverage.is_draft(&stranger.locale));
        findings.extend(strangers.map(UnknownFile::finding));
        findings.sort_by(|one, other| (&one.place, one.fault.at).cmp(&(&other.place, other.fault.at)));
        Ok((renderer, findings))
    }

    /// The same of sheets that need not be complete.
    pub(crate) fn make(files: &[TemplateFile], settings: &Settings) -> Result<(Self, Vec<Diagnostic>), Error> {
        let (catalog, mut findings) = TemplateRegistry::of(files, settings);
        let renderer = Self::with(catalog, VersionIndex::of(files, settings), settings)?;
        let sound = |file: &&TemplateFile| findings.iter().all(|finding| finding.place != file.place);
        let rehearsed: Vec<_> = files.iter().filter(sound).flat_map(|file| renderer.rehearse(file)).collect();
        findings.extend(rehearsed);
        Ok((renderer, findings))
    }
}
