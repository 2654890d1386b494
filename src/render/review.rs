//! Everything that is wrong with all texts, at once: each text by itself, whether they are complete, and how they read
//! when they are written.

use std::path::PathBuf;

use super::Renderer;
use super::catalog::Catalog;
use super::coverage::Coverage;
use super::failure::Error;
use super::finding::Finding;
use super::settings::Settings;
use super::sheet::{self, Sheet, Sheets, Stranger};
use super::wording::Wordings;
use crate::domain::chain;

/// Everything that is wrong with `sheets`, in the order of the places. What is wrong with a draft is told and not
/// refused.
pub fn review(sheets: &Sheets, settings: &Settings) -> Vec<Finding> {
    let mut findings = match Renderer::examine(sheets, settings) {
        Ok((_, findings)) => findings,
        Err(error) => vec![Finding::about(&settings.dir, "settings", chain(&error))],
    };
    let coverage = Coverage::of(&sheets.all, settings);
    let drafts = sheets.all.iter().filter(|sheet| coverage.is_draft(&sheet.locale)).cloned().collect::<Vec<_>>();
    let of_drafts = Renderer::make(&drafts, settings).map(|(_, findings)| findings).unwrap_or_default();
    let strangers = sheets.strangers.iter().filter(|stranger| coverage.is_draft(&stranger.locale));
    findings.extend(of_drafts.into_iter().chain(strangers.map(Stranger::finding)).map(Finding::tolerated));
    findings.sort_by(|one, other| (&one.place, one.fault.at).cmp(&(&other.place, other.fault.at)));
    findings
}

/// The same of the texts in the folder of `settings`.
pub fn review_folder(settings: &Settings) -> Result<Vec<Finding>, Error> {
    Ok(review(&sheet::gather(&settings.dir)?, settings))
}

/// What is wrong with the texts in `files`, each in the place of the one in the folder of `settings`. They may lie
/// anywhere, as `<locale>/<kind>/<part>.hbs`.
pub fn review_files(files: &[PathBuf], settings: &Settings) -> Result<Vec<Finding>, Error> {
    let mut sheets = sheet::gather(&settings.dir)?.all;
    for file in files {
        let new = sheet::read_one(file)?;
        sheets.retain(|old| (&old.locale, old.kind, old.part) != (&new.locale, new.kind, new.part));
        sheets.push(new);
    }
    let mut findings = review(&sheets.into(), settings);
    findings.retain(|finding| finding.rule == "settings" || files.contains(&finding.place));
    Ok(findings)
}

/// Which messages can be written in which locale, by the files in the folder of `settings`.
pub fn coverage(settings: &Settings) -> Result<Coverage, Error> {
    Ok(Coverage::of(&sheet::gather(&settings.dir)?.all, settings))
}

impl Renderer {
    /// A renderer of the texts that people are written to in, and everything that is wrong with these.
    pub(super) fn examine(sheets: &Sheets, settings: &Settings) -> Result<(Self, Vec<Finding>), Error> {
        let coverage = Coverage::of(&sheets.all, settings);
        let used = sheets.all.iter().filter(|sheet| !coverage.is_draft(&sheet.locale)).cloned().collect::<Vec<_>>();
        let (renderer, mut findings) = Self::make(&used, settings)?;
        findings.extend(coverage.findings(&settings.dir));
        let strangers = sheets.strangers.iter().filter(|stranger| !coverage.is_draft(&stranger.locale));
        findings.extend(strangers.map(Stranger::finding));
        findings.sort_by(|one, other| (&one.place, one.fault.at).cmp(&(&other.place, other.fault.at)));
        Ok((renderer, findings))
    }

    /// The same of sheets that need not be complete.
    pub(super) fn make(sheets: &[Sheet], settings: &Settings) -> Result<(Self, Vec<Finding>), Error> {
        let (catalog, mut findings) = Catalog::of(sheets, settings);
        let renderer = Self::with(catalog, Wordings::of(sheets, settings), settings)?;
        let sound = |sheet: &&Sheet| findings.iter().all(|finding| finding.place != sheet.place);
        let rehearsed: Vec<_> = sheets.iter().filter(sound).flat_map(|sheet| renderer.rehearse(sheet)).collect();
        findings.extend(rehearsed);
        Ok((renderer, findings))
    }
}
