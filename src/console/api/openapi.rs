//! The OpenAPI 3.1 description of the API, for programs and their tools. It is made of the operations and documents themselves.

use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::{ServerBuilder, ServerVariableBuilder};
use utoipa::openapi::{Content, License, Ref};
use utoipa::{OpenApi, ToSchema};

use super::problem::{ApiProblem, PROBLEM_JSON, ProblemCode, ProblemField};
use super::{audit, deliveries, exports, overview, providers, recipients, reports, routing, templates};

const ABOUT: &str = "\
What the pages of the console show and do, for programs. Every request carries a token, `Authorization: Bearer otp_...`, which \
acts for a user of the console with a part of the user's roles. Every change is an audit event with the name of the token.\n\n\
Times are RFC 3339 in UTC. Contacts are masked unless an operation says otherwise, and codes are in no answer. Errors are problem \
details (RFC 9457) with a stable `code`; they name fields and never repeat values.";

#[derive(OpenApi)]
#[openapi(
    paths(
        overview::overview,
        deliveries::list,
        deliveries::search,
        deliveries::show,
        deliveries::resend,
        deliveries::dossier,
        recipients::put,
        recipients::find,
        recipients::import,
        recipients::show,
        recipients::show_in_clear,
        recipients::export,
        recipients::erase,
        templates::coverage,
        templates::texts,
        templates::text,
        templates::put_draft,
        templates::restore,
        templates::changes,
        templates::change,
        templates::step,
        providers::list,
        providers::drain,
        providers::enable,
        routing::explain,
        reports::report,
        audit::events,
        audit::state,
        exports::report,
        exports::report_state,
        exports::report_file,
        exports::bundle,
        exports::bundle_state,
        exports::bundle_file,
    ),
    components(schemas(ApiProblem, ProblemCode, ProblemField))
)]
struct Operations;

/// The description of the whole API.
pub fn describe() -> utoipa::openapi::OpenApi {
    let mut whole = Operations::openapi();
    "otpost: console".clone_into(&mut whole.info.title);
    env!("CARGO_PKG_VERSION").clone_into(&mut whole.info.version);
    whole.info.description = Some(ABOUT.to_owned());
    whole.info.license = Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    let host = ServerVariableBuilder::new().default_value("localhost:8470");
    let server = ServerBuilder::new().url(format!("https://{{host}}{}", super::PREFIX));
    let server = server.description(Some("The address of the console.")).parameter("host", host);
    whole.servers = Some(vec![server.build()]);
    whole.security = Some(vec![SecurityRequirement::new("token", [""; 0])]);
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = whole.components.take().map_or_else(ComponentsBuilder::new, ComponentsBuilder::from);
    whole.components = Some(components.security_scheme("token", token).build());
    for item in whole.paths.paths.values_mut() {
        item.get.iter_mut().for_each(|operation| complete(operation, &HttpMethod::Get));
        item.post.iter_mut().for_each(|operation| complete(operation, &HttpMethod::Post));
        item.put.iter_mut().for_each(|operation| complete(operation, &HttpMethod::Put));
    }
    whole
}

fn complete(operation: &mut Operation, method: &HttpMethod) {
    // The name of the function alone stands for operations of several topics.
    let (topic, name) = (operation.tags.iter().flatten().next(), operation.operation_id.as_deref());
    operation.operation_id = topic.zip(name).map(|(topic, name)| format!("{topic}_{name}"));
    let always = ["401", "403", "404", "405", "422", "429", "500"];
    let with_body = ["400", "408", "409", "413", "415"];
    let statuses = always.into_iter().chain(with_body.into_iter().filter(|_| *method != HttpMethod::Get));
    for status in statuses {
        operation.responses.responses.insert(status.to_owned(), problem(status).into());
    }
}

fn problem(status: &str) -> Response {
    let what = match status {
        "400" => "The body is not one JSON object, or cannot be read.",
        "401" => "The token is missing or does not count.",
        "403" => "No role of the token allows it.",
        "404" => "There is no such thing.",
        "405" => "The address takes another method.",
        "408" => "The body did not arrive in time.",
        "409" => "The state does not allow it.",
        "413" => "The body is too large.",
        "415" => "The body has another media type than is expected.",
        "422" => "A field or parameter is missing, unknown or wrong.",
        "429" => "Too many requests from this address had a token that does not count.",
        _ => "The gateway failed; its log says why.",
    };
    let content = Content::new(Some(Ref::from_schema_name(ApiProblem::name())));
    ResponseBuilder::new().description(what).content(PROBLEM_JSON, content).build()
}
