//! Validation of templates: rules, lint, dry runs and coverage, with a diagnostic for each finding.

pub(crate) mod coverage;
pub(crate) mod diagnostic;
pub(crate) mod dry_run;
pub(crate) mod lint;
pub(crate) mod review;
pub(crate) mod rules;
