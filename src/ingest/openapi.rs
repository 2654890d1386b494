//! What this door takes and answers, as OpenAPI 3.1: for those who post, and their tools.
//!
//! Made from the tables the readers read by and from the answers themselves. It describes; nothing is decided by it.

mod schema;

use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, ComponentsBuilder, ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::{ServerBuilder, ServerVariableBuilder};
use utoipa::openapi::{
    Content, ContentBuilder, Deprecated, Header, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem, Paths,
    PathsBuilder, RefOr, Required, Response, ResponseBuilder,
};

use super::PUBLIC_KEY;
use super::problem::Problem;
use super::verestro::Endpoint;

const JSON: &str = "application/json";

/// A base64url text, as the five parts of a JWE are.
const PART: &str = "[0-9A-Za-z_-]+";

const ABOUT: &str = "\
Notifications of a card processor, taken over mutual TLS. `204` means that the notification is on disk; it will be \
told once. After any other answer it is not taken.\n\n\
A body is one JSON object in UTF-8 (RFC 8259), at most 16 KiB, nested at most 127 deep. No field may stand there \
twice, and no text may hold U+0000. Fields that are not described are passed over, `null` is as if the field were \
missing, and names are told apart by their case. Beside `application/json`, any `application/…+json` is taken, and no \
`Content-Type` at all; a `Content-Encoding` is not.\n\n\
Whatever is refused is answered with a fixed text that repeats nothing of the request.";

const SERVER: &str = "The address and the base path that the operator has set up.";

/// The description of the whole door.
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
    for endpoint in Endpoint::ALL {
        paths = paths.path(endpoint.path(), PathItem::new(HttpMethod::Post, notification(endpoint)));
    }
    paths.path(PUBLIC_KEY, PathItem::new(HttpMethod::Get, public_key())).build()
}

fn notification(endpoint: Endpoint) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(name(endpoint.path())))
        .summary(Some(summary(endpoint)))
        .parameters(Some(headers()))
        .request_body(Some(body(endpoint)))
        .response("204", Response::new("It is on disk, or was already."));
    for status in ["400", "403", "404", "405", "408", "413", "415", "422", "503"] {
        operation = operation.response(status, answer(status));
    }
    let deprecated = endpoint == Endpoint::Transaction;
    operation.deprecated(deprecated.then_some(Deprecated::True)).build()
}

const fn summary(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Otp => "A one-time password for a purchase",
        Endpoint::VerificationInProgress => "A check of an identity has begun",
        Endpoint::VerificationAccepted => "A check of an identity went well",
        Endpoint::VerificationRejected => "A check of an identity did not go well",
        Endpoint::CardLocked => "A card was locked",
        Endpoint::CardUnlocked => "A card was unlocked",
        Endpoint::TransactionalLockReasonAdded => "Payments of a user or a company are held back for a reason",
        Endpoint::TransactionalLockReasonRemoved => "A reason to hold back payments is gone",
        Endpoint::Transaction => "Something happened to a card payment; the sender calls it deprecated",
    }
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
            "The same key with the same notification is one notification for 72 hours: it is answered alike, and \
             nobody is told again. Given twice it has to be the same. Keys are the client's and the path's own.",
            text().pattern(Some("^[ -~]*$")).min_length(Some(1)).max_length(Some(255)),
        ),
        header(
            "Encrypted-Request",
            "`true`, in any case, says that the body is encrypted. An encrypted body that nobody announced is opened \
             all the same.",
            text().examples(["true"]),
        ),
        header("Public-Key", "Passed over: every key that is not retired is tried.", text()),
    ]
}

fn body(endpoint: Endpoint) -> RequestBody {
    let either =
        AnyOfBuilder::new().item(Ref::from_schema_name(title(endpoint))).item(Ref::from_schema_name("Encrypted"));
    let content = ContentBuilder::new().schema(Some(Schema::from(either.build())));
    let content = content.example(Some(schema::sample(&endpoint.members()))).build();
    RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build()
}

fn public_key() -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some("publicKey"))
        .summary(Some("The key to encrypt bodies to. `HEAD` is answered as well."))
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

fn title(endpoint: Endpoint) -> String {
    let name = name(endpoint.path());
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

fn components() -> ComponentsBuilder {
    let certificate = "A certificate that the operator has signed and listed. Without one the handshake fails.";
    let scheme = SecurityScheme::MutualTls { description: Some(certificate.to_owned()), extensions: None };
    let mut components = ComponentsBuilder::new()
        .security_scheme("mutualTls", scheme)
        .schema("Encrypted", encrypted())
        .schema("PublicKey", single("publicKey", "The public key, in the form that the operator has set up.", None))
        .schema("Refused", single("detail", "What is wrong: a fixed text, led by the field if it is one.", None));
    for endpoint in Endpoint::ALL {
        components = components.schema(title(endpoint), schema::object(&endpoint.members()));
    }
    for (status, _, _) in ANSWERS {
        components = components.response(answer_name(status), refusal(status));
    }
    components
}

fn encrypted() -> Schema {
    let says = "A JSON Web Encryption in its compact form (RFC 7516): RSA-OAEP-256 or RSA-OAEP, and A256GCM. At most \
                32 KiB with everything around it. Whatever cannot be opened gets one and the same answer.";
    single("payload", says, Some(&format!(r"^{PART}(\.{PART}){{2}}\.[0-9A-Za-z_-]*\.{PART}$")))
}

fn single(name: &str, says: &str, pattern: Option<&str>) -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(says)).pattern(pattern);
    ObjectBuilder::new().schema_type(Type::Object).property(name, text).required(name).build().into()
}

/// Every answer that is not a yes, what it is about, and the problems that get it.
const ANSWERS: [(&str, &str, &[Problem]); 9] = [
    (
        "400",
        "The request or its framing cannot be read; the connection is closed. Where it is no HTTP at all, there is \
         no body.",
        &[Problem::SessionError],
    ),
    ("403", "The certificate is good, and not one that may post here.", &[Problem::Forbidden]),
    ("404", "Another path. Paths are compared as they are sent.", &[Problem::NotFound]),
    ("405", "The path takes another method, which `Allow` names.", &[Problem::MethodNotAllowed("POST")]),
    ("408", "The body took longer than 5 seconds; the connection is closed.", &[Problem::TooSlow]),
    ("413", "The body is too large; the connection is closed.", &[Problem::TooLarge]),
    ("415", "Neither JSON nor silent about it, or compressed.", &[Problem::UnsupportedMedia]),
    (
        "422",
        "The body is not what the path takes, or the key was used for another notification.",
        &[
            Problem::Invalid("otp", "expected 1 to 16 ASCII letters or digits"),
            Problem::Undecipherable,
            Problem::KeyReused,
        ],
    ),
    (
        "503",
        "It cannot be taken, or there is no public key to hand out.",
        &[Problem::Unavailable, Problem::NoPublicKey],
    ),
];

fn answer(status: &str) -> RefOr<Response> {
    Ref::from_response_name(answer_name(status)).into()
}

fn answer_name(status: &str) -> String {
    format!("Refused{status}")
}

fn refusal(status: &str) -> Response {
    let (_, says, problems) = ANSWERS.iter().find(|(listed, ..)| *listed == status).copied().unwrap_or_default();
    let examples = problems.iter().map(|problem| {
        let detail: Value = json!({ "detail": problem.detail() });
        let example = utoipa::openapi::example::ExampleBuilder::new().value(Some(detail)).build();
        (problem.label(), RefOr::T(example))
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refused"))).examples_from_iter(examples);
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
    fn every_answer_stands_under_its_own_status() {
        for (status, _, problems) in ANSWERS {
            for problem in problems {
                assert_eq!(problem.respond().status().as_str(), status, "{}", problem.label());
            }
        }
    }
}
