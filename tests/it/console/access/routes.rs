//! Every route of the console, as the source names it, refuses requests without a session.

use std::collections::BTreeSet;
use std::path::Path;

use crate::architecture::source;
use crate::support::Setup;
use crate::support::console::{CONSOLE, Request};

/// The routes that answer without a session.
const PUBLIC: [&str; 6] = ["/assets/{name}", "/sign-in", "/sso", "/sso/callback", "/sso/logout", "/welcome"];

/// The first argument of each `.route(`, or a constant of the same file in its place.
fn routes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        if !source.path.starts_with("console/") {
            continue;
        }
        let calls = source.text.split(".route(").skip(1).chain(source.text.split("resource(").skip(1));
        for argument in calls.filter_map(|rest| rest.split([',', ')']).next()).map(str::trim) {
            let constant = format!("const {argument}: &str = ");
            let text = source.text.split_once(&constant).map_or(argument, |(_, rest)| rest);
            let path = text.strip_prefix('"').and_then(|text| text.split('"').next());
            found.extend(path.filter(|path| path.starts_with('/')).map(str::to_owned));
        }
    }
    found
}

#[tokio::test]
async fn without_a_session_every_route_answers_401() {
    let gateway = Setup::new().more(CONSOLE).start().await;
    let (address, routes) = (gateway.console_address(), routes());
    assert!(routes.len() >= 12 && PUBLIC.iter().all(|path| routes.contains(*path)), "{routes:?}");

    for route in routes.iter().filter(|route| !PUBLIC.contains(&route.as_str())) {
        let path = route.replace(['{', '}'], "");
        Request::get(&path).send(address).await.expect_status_of(route, 401);
        Request::post(&path, &[("csrf", "x")]).send(address).await.expect_status_of(route, 401);
    }
    Request::get("/no/such/page").send(address).await.expect_status(401);
    Request::get("/sign-in/x").send(address).await.expect_status(401);
}

#[tokio::test]
async fn without_a_session_a_part_of_a_page_sends_the_browser_to_the_sign_in_page() {
    let gateway = Setup::new().more(CONSOLE).start().await;

    let answer = Request::get("/").header("HX-Request", "true").send(gateway.console_address()).await;

    assert_eq!(answer.expect_status(401).header("hx-redirect"), Some("/sign-in"));
}
