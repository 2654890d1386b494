//! The OpenAPI 3.1 description of the ingest API, for processors and their tools.
//!
//! Derived from the wire structs and from the answers themselves. It describes; nothing depends on it.

pub(super) mod schema;

use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, ComponentsBuilder, Object, ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::{ServerBuilder, ServerVariableBuilder};
use utoipa::openapi::{
    Content, ContentBuilder, Deprecated, Header, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem, Paths,
    PathsBuilder, RefOr, Required, Response, ResponseBuilder,
};

use super::handler::PUBLIC_KEY;
use super::problem::Problem;
use super::processor::{self, BodySchema, Endpoint};

const JSON: &str = "application/json";

/// A base64url text, as the five parts of a JWE are.
const PART: &str = "[0-9A-Za-z_-]+";

const ABOUT: &str = "\
Accepts notifications of a card processor over mutual TLS. `204` means that the notification is stored durably; it is \
delivered once. After any other answer it is not accepted.\n\n\
A body is one JSON object in UTF-8 (RFC 8259), at most 16 KiB, nested at most 127 deep. No field may be duplicated, \
and no text may contain U+0000. Fields that are not described are ignored, `null` is as if the field were absent, and \
names are case-sensitive. `application/json`, any `application/…+json` and a missing `Content-Type` are accepted; a \
`Content-Encoding` is not.\n\n\
A request that is rejected is answered with a fixed text that repeats nothing of the request.";

const SERVER: &str = "The address and the base path that the operator configured.";

/// The description of the whole API.
pub fn describe() -> OpenApi {
    let license = License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("otpost: notifications")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license));
    let server = ServerBuilder::new()
        .url("https://{host}{basePath}")
        .description(Some(SERVER))
        .parameter("host", ServerVariableBuilder::new().default_value("localhost:8443"))
        .parameter("basePath", ServerVariableBuilder::new().default_value("").description(Some("Such as /otpost.")));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([server.build()]))
        .paths(paths())
        .components(Some(components().build()))
        .security(Some([SecurityRequirement::new("mutualTls", [""; 0])]))
        .build()
}

fn paths() -> Paths {
    let mut paths = PathsBuilder::new();
    for endpoint in processor::endpoints() {
        paths = paths.path(endpoint.path, PathItem::new(HttpMethod::Post, notification(endpoint)));
    }
    paths.path(PUBLIC_KEY, PathItem::new(HttpMethod::Get, public_key())).build()
}

fn notification(endpoint: &Endpoint) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(name(endpoint.path)))
        .summary(Some(endpoint.summary))
        .parameters(Some(headers()))
        .request_body(Some(body(endpoint)))
        .response("204", Response::new("The notification is stored, or was stored before."));
    for status in ["400", "403", "404", "405", "408", "413", "415", "422", "503"] {
        operation = operation.response(status, answer(status));
    }
    operation.deprecated(endpoint.deprecated.then_some(Deprecated::True)).build()
}

fn headers() -> [Parameter; 3] {
    let header = |name: &str, says: &str, form: ObjectBuilder| {
        let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
        header.description(Some(says)).schema(Some(form)).build()
    };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    [
        header(
            "X-Idempotency-Key",
            "For 72 hours, the same key with the same notification is one notification: it gets the same answer and is not \
             delivered again. A header that is sent twice must be the same twice. Keys are scoped to the client and the path.",
            text().pattern(Some("^[ -~]*$")).min_length(Some(1)).max_length(Some(255)),
        ),
        header(
            "Encrypted-Request",
            "`true`, in any case, announces an encrypted body. An encrypted body that is not announced is decrypted \
             as well.",
            text().examples(["true"]),
        ),
        header("Public-Key", "Ignored: every key that is not retired is tried.", text()),
    ]
}

fn body(endpoint: &Endpoint) -> RequestBody {
    let either =
        AnyOfBuilder::new().item(Ref::from_schema_name(title(endpoint))).item(Ref::from_schema_name("Encrypted"));
    let content = ContentBuilder::new().schema(Some(Schema::from(either.build())));
    let content = content.example(Some(endpoint.schema().sample)).build();
    RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build()
}

fn public_key() -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some("publicKey"))
        .summary(Some("The public key to encrypt bodies to. `HEAD` is answered as well."))
        .response("200", ResponseBuilder::new().description("The key").content(JSON, referring("PublicKey")));
    for status in ["400", "403", "404", "405", "503"] {
        operation = operation.response(status, answer(status));
    }
    operation.build()
}

fn referring(schema: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(schema)))
}

// `/notifications/otp` is `otp`.
fn name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

fn title(endpoint: &Endpoint) -> String {
    let name = name(endpoint.path);
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

fn components() -> ComponentsBuilder {
    let certificate = "A certificate that the operator signed and listed. Without one the handshake fails.";
    let scheme = SecurityScheme::MutualTls { description: Some(certificate.to_owned()), extensions: None };
    let mut components = ComponentsBuilder::new()
        .security_scheme("mutualTls", scheme)
        .schema("Encrypted", encrypted())
        .schema("PublicKey", single("publicKey", "The public key, in the form that the operator configured.", None))
        .schema(
            "Rejected",
            single(
                "detail",
                "What is wrong: a fixed text, which begins with the name of the field if a field is wrong.",
                None,
            ),
        );
    for endpoint in processor::endpoints() {
        let BodySchema { schema, referenced, .. } = endpoint.schema();
        components = components.schema(title(endpoint), tolerant(schema)).schemas_from_iter(referenced);
    }
    for (status, _, _) in ANSWERS {
        components = components.response(answer_name(status), refusal(status));
    }
    components
}

// A field that is not required may be anything: a malformed one is only noted. That is not so for a field that is an
// option, which has a schema of its own for `null`.
fn tolerant(schema: RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    let Object { properties, required, .. } = &mut object;
    for (name, property) in properties {
        let inner = tolerant(std::mem::take(property));
        let optional = matches!(inner, RefOr::T(Schema::OneOf(_)));
        *property = if required.contains(name) || optional { inner } else { or_anything(inner) };
    }
    RefOr::T(Schema::Object(object))
}

fn or_anything(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    let description = if let RefOr::Ref(reference) = &mut schema {
        std::mem::take(&mut reference.description)
    } else {
        String::new()
    };
    let anything = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("Anything else, and nothing at all, is accepted with a warning."));
    let description = Some(description).filter(|text| !text.is_empty());
    Schema::from(AnyOfBuilder::new().item(schema).item(anything).description(description).build()).into()
}

fn encrypted() -> Schema {
    let says = "A JSON Web Encryption in its compact form (RFC 7516): RSA-OAEP-256 or RSA-OAEP, and A256GCM. At most \
                32 KiB with everything around it. Every body that cannot be decrypted gets the same answer.";
    single("payload", says, Some(&format!(r"^{PART}(\.{PART}){{2}}\.[0-9A-Za-z_-]*\.{PART}$")))
}

fn single(name: &str, says: &str, pattern: Option<&str>) -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(says)).pattern(pattern);
    ObjectBuilder::new().schema_type(Type::Object).property(name, text).required(name).build().into()
}

/// Every error answer, its description, and the problems that lead to it.
const ANSWERS: [(&str, &str, &[Problem]); 9] = [
    (
        "400",
        "The request or its framing cannot be read; the connection is closed. A request that is not HTTP gets no body.",
        &[Problem::Unreadable],
    ),
    ("403", "The certificate is valid, but this client is not authorized.", &[Problem::Forbidden]),
    ("404", "No such path. Paths are compared as they are sent.", &[Problem::NotFound]),
    ("405", "The path accepts another method, which `Allow` names.", &[Problem::MethodNotAllowed("POST")]),
    ("408", "The body took longer than 5 seconds; the connection is closed.", &[Problem::TooSlow]),
    ("413", "The body is too large; the connection is closed.", &[Problem::TooLarge]),
    ("415", "The `Content-Type` is not JSON, or the body is compressed.", &[Problem::UnsupportedMedia]),
    (
        "422",
        "The body is not what the path accepts, or the key was used for another notification.",
        &[
            Problem::Invalid("otp", "expected 1 to 16 ASCII letters or digits"),
            Problem::Undecipherable(""),
            Problem::KeyReused,
        ],
    ),
    (
        "503",
        "The notification cannot be accepted now, or there is no public key.",
        &[Problem::Unavailable, Problem::NoPublicKey],
    ),
];

fn answer(status: &str) -> RefOr<Response> {
    Ref::from_response_name(answer_name(status)).into()
}

fn answer_name(status: &str) -> String {
    format!("Rejected{status}")
}

fn refusal(status: &str) -> Response {
    let (_, says, problems) = ANSWERS.iter().find(|(listed, ..)| *listed == status).copied().unwrap_or_default();
    let examples = problems.iter().map(|problem| {
        let detail: Value = json!({ "detail": problem.detail() });
        let example = utoipa::openapi::example::ExampleBuilder::new().value(Some(detail)).build();
        (problem.into_str(), RefOr::T(example))
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Rejected"))).examples_from_iter(examples);
    let response = ResponseBuilder::new().description(says).content(JSON, content.build());
    if status == "405" {
        let methods = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).build();
        return response.header("Allow", Header::new(Schema::from(methods))).build();
    }
    response.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_listed_under_its_own_status() {
        for (status, _, problems) in ANSWERS {
            for problem in problems {
                assert_eq!(problem.respond().status().as_str(), status, "{}", problem.into_str());
            }
        }
    }
}
