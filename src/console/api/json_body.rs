//! A body that is one JSON object. An error names the field and what was expected, and never repeats a value.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::problem::{ApiProblem, ProblemCode};

/// The media type of bodies.
const JSON: &str = "application/json";

/// What a body holds.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiProblem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (is_json, body) = (media_type(request) == JSON, Bytes::from_request(request, payload));
        Box::pin(async move {
            if !is_json {
                return Err(ApiProblem::new(
                    ProblemCode::UnsupportedMediaType,
                    format!("Content-Type: expected {JSON}"),
                ));
            }
            let body = body.await.map_err(|_| ApiProblem::new(ProblemCode::InvalidBody, "the body cannot be read"))?;
            read(&body).map(Self)
        })
    }
}

/// The media type of the body, without parameters and in lower case.
pub(super) fn media_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiProblem> {
    serde_json::from_slice::<IgnoredAny>(body).map_err(|error| problem_of(&error, ""))?;
    // A list would be read as the fields of an object in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiProblem::invalid("body", "expected an object with the fields that are described"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        problem_of(error.inner(), &path)
    })
}

fn problem_of(error: &serde_json::Error, path: &str) -> ApiProblem {
    let at = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return ApiProblem::new(ProblemCode::InvalidBody, format!("the body is not one JSON object: {at}"));
    }
    // The first words of such an error name a field of ours, and the rest may repeat what was sent.
    let text = error.to_string();
    let named = text.split('`').nth(1).unwrap_or_default();
    if text.starts_with("missing field") {
        return ApiProblem::invalid(named, "is missing");
    }
    if text.starts_with("unknown field") {
        return ApiProblem::invalid("body", format!("has a field that is not known, {at}"));
    }
    if path.is_empty() || path == "." {
        return ApiProblem::invalid("body", format!("expected an object with the fields that are described, {at}"));
    }
    ApiProblem::invalid(path, "has another type than is described")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        reason: String,
        #[serde(default)]
        limit: Option<u32>,
    }

    #[test]
    fn an_error_names_the_field_and_never_the_value() {
        let detail = |body: &str| read::<Sample>(body.as_bytes()).unwrap_err().to_string();

        assert_eq!(detail("{}"), "reason: is missing");
        assert_eq!(detail(r#"{"reason":4711}"#), "reason: has another type than is described");
        assert_eq!(detail(r#"{"reason":"x","limit":"+48600100200"}"#), "limit: has another type than is described");
        assert!(detail(r#"{"reason":"x","+48600100200":1}"#).starts_with("body: has a field that is not known"));
        assert!(detail("[1]").starts_with("body: expected an object"));
        assert!(detail("{").starts_with("the body is not one JSON object"));
        assert!(detail(r#"{"reason":"x"} {}"#).starts_with("the body is not one JSON object"));
        let read = read::<Sample>(br#"{"reason":"x","limit":3}"#).unwrap();
        assert_eq!((read.reason.as_str(), read.limit), ("x", Some(3)));
    }
}
