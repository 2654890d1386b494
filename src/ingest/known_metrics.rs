//! The metrics of this listener with every value that their labels can have, so that they can be started at zero.

use strum::IntoEnumIterator;

use super::mtls::reason::RejectReason;
use super::problem::Problem;
use super::processor::PROCESSORS;

/// The values of each label, in the order of the labels.
type LabelValues = Vec<Vec<&'static str>>;

const REQUESTS: &str = "otpost_ingest_requests_total";
const DURATION: &str = "otpost_ingest_duration_seconds";

/// Each metric with the values of its labels; several entries for one metric add up.
pub fn known_metrics() -> Vec<(&'static str, LabelValues)> {
    let problems: Vec<_> = Problem::iter().map(|problem| problem.into_str()).collect();
    let with = |outcomes: &[&'static str]| [outcomes, problems.as_slice()].concat();
    let reasons: Vec<_> = RejectReason::iter().map(|reason| reason.into_str()).collect();
    let mut metrics = vec![
        ("otpost_handshake_rejections_total", vec![reasons.clone()]),
        ("otpost_client_rejections_total", vec![reasons]),
        ("otpost_decryptions_total", vec![vec!["opened", "failed", "busy"]]),
        (REQUESTS, vec![vec!["none"], vec!["public_key"], with(&["public_key"])]),
        (REQUESTS, vec![vec!["none"], vec!["none"], problems.clone()]),
        (DURATION, vec![vec!["public_key", "none"]]),
    ];
    for processor in PROCESSORS {
        let kinds: Vec<_> = processor.endpoints.iter().map(|endpoint| endpoint.kind.name()).collect();
        metrics.push((REQUESTS, vec![vec![processor.name], kinds.clone(), with(&["taken", "replayed"])]));
        metrics.push((DURATION, vec![kinds]));
    }
    metrics
}
