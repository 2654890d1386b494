//! The registry of processors: whose contracts otpost reads, and at which paths.
//!
//! A new processor is one folder beside this file and one line in [`PROCESSORS`]. Nothing here knows a wire format.

use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::fields::{FieldReader, Notified};
use super::problem::Problem;
use super::strict_json;
use crate::domain::clock::Timestamp;
use crate::domain::notification::{ClientName, Kind};
use crate::flow::intake::IncomingNotification;

/// Every processor. Their paths differ.
pub static PROCESSORS: [&ProcessorContract; 1] = [&super::verestro::PROCESSOR];

/// A card processor and its contract.
pub struct ProcessorContract {
    /// The name in metrics.
    pub name: &'static str,
    /// The paths that its notifications are posted to.
    pub endpoints: &'static [Endpoint],
}

/// A path that takes a `POST`.
pub struct Endpoint {
    /// The path without the base path.
    pub path: &'static str,
    pub kind: Kind,
    pub(super) summary: &'static str,
    pub(super) deprecated: bool,
    parse: fn(&[u8], Kind, Timestamp) -> Result<ParsedBody, Problem>,
    schema: fn() -> BodySchema,
}

type ParsedBody = strict_json::Parsed<Notified>;

/// The wire struct of a body.
pub(super) trait WireBody: DeserializeOwned + utoipa::ToSchema {
    /// Reads its fields. `kind` tells endpoints apart that share a struct.
    fn read(self, kind: Kind, fields: &mut FieldReader) -> Result<Notified, Problem>;

    /// A body as the processor publishes one.
    fn sample() -> Value;
}

/// A body as OpenAPI describes it.
pub(super) struct BodySchema {
    pub(super) schema: RefOr<Schema>,
    /// The named schemas that it refers to.
    pub(super) referenced: Vec<(String, RefOr<Schema>)>,
    pub(super) sample: Value,
}

impl Endpoint {
    /// An endpoint whose body is a `B`.
    pub(super) const fn of<B: WireBody>(path: &'static str, kind: Kind, summary: &'static str) -> Self {
        Self { path, kind, summary, deprecated: false, parse: parse::<B>, schema: describe::<B> }
    }

    /// The same endpoint, which its processor calls deprecated.
    pub(super) const fn deprecated(self) -> Self {
        Self { deprecated: true, ..self }
    }

    /// Parses a body that arrived at `now`.
    pub(super) fn parse(
        &self,
        body: &[u8],
        client: ClientName,
        idempotency_key: Option<String>,
        now: Timestamp,
    ) -> Result<IncomingNotification, Problem> {
        let strict_json::Parsed { value: (identifiers, content), warnings, .. } = (self.parse)(body, self.kind, now)?;
        let endpoint = self.path;
        // The handler adds the certificate.
        let certificate = None;
        Ok(IncomingNotification { client, certificate, endpoint, idempotency_key, identifiers, content, warnings })
    }

    pub(super) fn schema(&self) -> BodySchema {
        (self.schema)()
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path)
    }
}

/// The endpoints of all processors.
pub fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    PROCESSORS.into_iter().flat_map(|processor| processor.endpoints)
}

/// The endpoint at exactly this path, and its processor.
pub fn at(path: &str) -> Option<(&'static ProcessorContract, &'static Endpoint)> {
    PROCESSORS.into_iter().find_map(|processor| {
        let endpoint = processor.endpoints.iter().find(|endpoint| endpoint.path == path)?;
        Some((processor, endpoint))
    })
}

fn parse<B: WireBody>(body: &[u8], kind: Kind, now: Timestamp) -> Result<ParsedBody, Problem> {
    let strict_json::Parsed { value, fields, warnings } = strict_json::parse::<B>(body)?;
    let mut reader = FieldReader { now, warnings };
    let notified = value.read(kind, &mut reader)?;
    Ok(ParsedBody { value: notified, fields, warnings: reader.warnings })
}

fn describe<B: WireBody>() -> BodySchema {
    let mut referenced = Vec::new();
    B::schemas(&mut referenced);
    BodySchema { schema: B::schema(), referenced, sample: B::sample() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_endpoints_share_a_path() {
        let paths: std::collections::BTreeSet<_> = endpoints().map(|endpoint| endpoint.path).collect();
        assert_eq!(paths.len(), endpoints().count());
    }

    #[test]
    fn a_processor_is_named_by_its_module_line_and_its_registry_line_only() {
        let ingest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ingest");
        let mut named = Vec::new();
        let mut folders = vec![ingest.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && path != ingest.join("verestro") {
                    folders.push(path);
                } else if path.is_file() {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap();
                    named.extend(code.lines().filter(|line| line.contains("verestro")).map(str::to_owned));
                }
            }
        }
        named.sort();
        let registry = "pub static PROCESSORS: [&ProcessorContract; 1] = [&super::verestro::PROCESSOR];";
        assert_eq!(named, ["mod verestro;", registry]);
    }
}
