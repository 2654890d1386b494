//! Requests that other sites make with a user's browser, and the headers of every answer.

use openssl::x509::X509;
use otpost::domain::access::Role;
use otpost::pki;

use crate::support::console::{Browser, CONSOLE, Request, cookie_of, one_time_code};
use crate::support::{Gateway, Setup};

async fn console() -> Gateway {
    Setup::new().more(CONSOLE).start().await
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let gateway = console().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    let form = || Request::post("/sign-out", &[("csrf", &user.csrf)]);

    for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Site", "")] {
        user.send(form().header(name, value)).await.expect_status_of(value, 403);
    }
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        user.send(form().header("Sec-Fetch-Site", "").header("Origin", origin)).await.expect_status_of(origin, 403);
    }
    // What Sec-Fetch-Site says counts, whatever the origin is.
    let both = form().header("Sec-Fetch-Site", "cross-site").header("Origin", "http://localhost");
    user.send(both).await.expect_status(403);

    user.get("/account").await.expect_status(200);
    let own = form().header("Sec-Fetch-Site", "").header("Origin", "http://localhost");
    user.send(own).await.expect_status(303);
    user.get("/account").await.expect_status(401);
}

#[tokio::test]
async fn a_form_without_the_token_of_the_session_changes_nothing() {
    let gateway = console().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    let other = Browser::of(&gateway, "ben", &[Role::Viewer]).await;

    for token in ["", "x", &other.csrf, &user.csrf[1..]] {
        user.send(Request::post("/sign-out", &[("csrf", token)])).await.expect_status_of(token, 403);
    }
    user.send(Request::post("/sign-out", &[])).await.expect_status(403);
    let json = Request::post("/sign-out", &[]).header("Content-Type", "text/plain");
    user.send(json.body(&format!("{{\"csrf\":\"{}\"}}", user.csrf))).await.expect_status(403);

    user.get("/account").await.expect_status(200);
    user.send(Request::post("/sign-out", &[]).header("X-CSRF", &user.csrf)).await.expect_status(303);
}

#[tokio::test]
async fn another_site_cannot_sign_a_browser_in() {
    let gateway = console().await;
    Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    let form = Request::post("/sign-in", &[("name", "anna"), ("password", "x")]);

    form.header("Sec-Fetch-Site", "cross-site").send(gateway.console_address()).await.expect_status(403);
}

#[tokio::test]
async fn a_page_runs_no_script_but_ours_and_is_shown_in_no_frame() {
    let gateway = console().await;
    let user = Browser::of(&gateway, "anna", &[Role::Admin]).await;

    for path in ["/account", "/users", "/users/anna"] {
        let page = user.get(path).await.expect_status_of(path, 200);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert!(!page.body.contains(" style=") && !page.body.contains("<style") && !page.body.contains("onclick"));
        assert!(page.header("strict-transport-security").is_none(), "plain HTTP");
    }
}

#[tokio::test]
async fn over_tls_the_cookie_belongs_to_this_host_and_the_browser_stays_with_https() {
    let settings =
        "[console]\nlisten = \"127.0.0.1:0\"\ncertificate = \"pki/console.pem\"\nkey = \"pki/console.key\"\n";
    let issue = |files: &crate::support::gateway_files::GatewayFiles| {
        let issued = files.authority.issue_server(&["localhost".to_owned()], 90, otpost_now()).unwrap();
        pki::write_certificate(&files.path("pki/console.pem"), &issued.certificate).unwrap();
        pki::write_key(&files.path("pki/console.key"), &issued.key).unwrap();
    };
    let gateway = Setup::new().more(settings).prepare(issue).start().await;
    let by = otpost::domain::audit_event::Actor::Operator("test".to_owned());
    let code = gateway.users().add(&by, "anna", &[Role::Viewer]).await.unwrap();
    let address = gateway.console_address();
    let page = Request::get(&format!("/welcome?code={}", code.text())).send_tls(address).await.expect_status(200);
    assert_eq!(page.header("strict-transport-security"), Some("max-age=63072000"));
    let secret = crate::support::console::hidden(&page.body, "secret");
    let (password, now) = (crate::support::console::PASSWORD, one_time_code(&secret, gateway.now()));
    let fields =
        [("setup", code.text()), ("password", password), ("repeated", password), ("secret", &secret), ("code", &now)];

    let done = Request::post("/welcome", &fields).send_tls(address).await.expect_status(200);

    let cookie = done.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-otpost="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    Request::get("/account").header("Cookie", &cookie_of(&done)).send_tls(address).await.expect_status(200);
    let renamed = cookie_of(&done).replace("__Host-", "");
    Request::get("/account").header("Cookie", &renamed).send_tls(address).await.expect_status(401);
    let presented = X509::from_pem(&std::fs::read(gateway.files.path("pki/console.pem")).unwrap()).unwrap();
    assert!(presented.public_key().is_ok());
}

fn otpost_now() -> otpost::domain::clock::Timestamp {
    use otpost::domain::clock::Clock as _;
    otpost::domain::clock::SystemClock.now()
}
