//! Validation of templates: every file alone, the completeness of every locale, and dry runs with extreme values.

pub(crate) mod coverage;
pub(crate) mod diagnostic;
pub(crate) mod dry_run;
pub(crate) mod lint;
pub(crate) mod rules;

use std::path::PathBuf;

use self::coverage::Coverage;
use self::diagnostic::Diagnostic;
use super::Renderer;
use super::error::Error;
use super::registry::TemplateRegistry;
use super::settings::Settings;
use super::template::file::{TemplateFile, TemplateSet, UnknownFile};
use super::template::locale_file::{LocaleFile, LocaleSettingsIndex};
use super::version::VersionIndex;
use crate::domain::chain;

/// All diagnostics about `set`, in the order of the paths. An error in a draft locale becomes a warning.
pub fn validate(set: &TemplateSet, settings: &Settings) -> Vec<Diagnostic> {
    let mut diagnostics = match compile(set, settings) {
        Ok((_, diagnostics)) => diagnostics,
        Err(error) => vec![Diagnostic::about(&settings.dir, "settings", chain(&error))],
    };
    let coverage = Coverage::of(set, settings);
    let drafts = set.filtered(|locale| coverage.is_draft(locale));
    let of_drafts = compile_partial(&drafts, settings).map(|(_, diagnostics)| diagnostics).unwrap_or_default();
    let unknown = drafts.unknown.iter().map(UnknownFile::diagnostic);
    diagnostics.extend(of_drafts.into_iter().chain(unknown).map(Diagnostic::into_warning));
    sort(&mut diagnostics);
    diagnostics
}

/// All diagnostics about the templates in the folder of `settings`.
pub fn validate_folder(settings: &Settings) -> Result<Vec<Diagnostic>, Error> {
    Ok(validate(&TemplateSet::load(&settings.dir)?, settings))
}

/// The diagnostics about `files`, each in place of the file with the same name in the folder of `settings`. They may lie
/// anywhere, as `<locale>/<kind>/<part>.hbs` or `<locale>/locale.toml`.
pub fn validate_files(files: &[PathBuf], settings: &Settings) -> Result<Vec<Diagnostic>, Error> {
    let mut set = TemplateSet { unknown: Vec::new(), ..TemplateSet::load(&settings.dir)? };
    for path in files {
        if LocaleFile::is_at(path) {
            set.replace_locale(LocaleFile::load(path)?);
        } else {
            set.replace(TemplateFile::load(path)?);
        }
    }
    let mut diagnostics = validate(&set, settings);
    diagnostics.retain(|diagnostic| diagnostic.rule == "settings" || files.contains(&diagnostic.path));
    Ok(diagnostics)
}

/// Which messages the templates in the folder of `settings` cover in which locale.
pub fn coverage(settings: &Settings) -> Result<Coverage, Error> {
    Ok(Coverage::of(&TemplateSet::load(&settings.dir)?, settings))
}

/// The same for a template set.
pub fn coverage_of(set: &TemplateSet, settings: &Settings) -> Coverage {
    Coverage::of(set, settings)
}

/// A renderer for every locale of `set` that is not a draft, and all diagnostics about these locales.
pub(crate) fn compile(set: &TemplateSet, settings: &Settings) -> Result<(Renderer, Vec<Diagnostic>), Error> {
    let coverage = Coverage::of(set, settings);
    let used = set.filtered(|locale| !coverage.is_draft(locale));
    let (renderer, mut diagnostics) = compile_partial(&used, settings)?;
    diagnostics.extend(coverage.diagnostics(&settings.dir));
    diagnostics.extend(used.unknown.iter().map(UnknownFile::diagnostic));
    sort(&mut diagnostics);
    Ok((renderer, diagnostics))
}

/// The same for a set that may be incomplete.
pub(crate) fn compile_partial(set: &TemplateSet, settings: &Settings) -> Result<(Renderer, Vec<Diagnostic>), Error> {
    let (locale_settings, mut diagnostics) = LocaleSettingsIndex::parse(&set.locales);
    let (registry, of_templates) = TemplateRegistry::of(&set.templates, &locale_settings, settings);
    diagnostics.extend(of_templates);
    let versions = VersionIndex::of(&set.templates, &locale_settings, settings);
    let renderer = Renderer::new(registry, versions, settings)?;
    let is_sound = |file: &&TemplateFile| !diagnostics.iter().any(|it| it.is_error && it.path == file.path);
    let dry_runs: Vec<_> =
        set.templates.iter().filter(is_sound).flat_map(|file| dry_run::diagnostics(&renderer, file)).collect();
    diagnostics.extend(dry_runs);
    Ok((renderer, diagnostics))
}

fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|one, other| (&one.path, one.at).cmp(&(&other.path, other.at)));
}
