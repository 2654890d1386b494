//! `otpost provider`: the list of providers, draining and enabling them, test messages, and the kinds that there are.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::Workspace;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let provider = "[[provider]]\nname = \"poland\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:9/\"\n\
                    countries = [\"+48\"]\nweight = 3\nmin_validity = \"90s\"\n";
    workspace.write("otpost.toml", &format!("{text}\n{provider}"));
    workspace
}

#[test]
fn without_a_gateway_the_list_shows_drained_providers_and_says_that_their_health_is_unknown() {
    let workspace = workspace();

    let drained = workspace.run(&["provider", "drain", "poland", "--reason", "too\texpensive"]);
    let list = workspace.run(&["provider", "list"]);
    let json = workspace.run(&["provider", "list", "--json"]).json();

    assert_eq!((drained.code, drained.out.as_str()), (0, "poland is drained\n"));
    assert!(drained.err.contains("no sms provider is enabled"), "{}", drained.err);
    assert!(list.out.contains("poland  sms      +48        3") && list.out.contains(": tooexpensive"), "{}", list.out);
    assert!(list.err.contains("no running gateway reported"), "{}", list.err);
    let poland = json["providers"].as_array().unwrap().last().unwrap();
    assert_eq!((poland["drained"].as_bool(), poland["circuit"].is_null()), (Some(true), true), "{json}");
}

#[test]
fn draining_or_enabling_a_provider_again_changes_nothing_and_says_so() {
    let workspace = workspace();
    workspace.run(&["provider", "drain", "poland"]);

    let again = workspace.run(&["provider", "drain", "poland", "--reason", "another"]);
    let enabled = workspace.run(&["provider", "enable", "poland"]);
    let enabled_again = workspace.run(&["provider", "enable", "poland"]);

    assert_eq!((again.code, again.out.as_str()), (0, "poland is already drained\n"));
    assert_eq!((enabled.code, enabled.out.as_str()), (0, "poland is enabled\n"));
    assert_eq!((enabled_again.code, enabled_again.out.as_str()), (0, "poland is already enabled\n"));
}

#[test]
fn an_unknown_provider_is_refused_unless_it_is_drained() {
    let workspace = workspace();
    for verb in ["drain", "enable"] {
        let unknown = workspace.run(&["provider", verb, "nobody"]);
        assert_eq!(unknown.code, 2);
        assert!(unknown.err.contains("no provider nobody") && unknown.err.contains("poland"), "{}", unknown.err);
    }
    workspace.run(&["provider", "drain", "poland"]);

    workspace.configure("name = \"poland\"", "name = \"elsewhere\"");
    let enabled = workspace.run(&["provider", "enable", "poland"]);

    assert_eq!((enabled.code, enabled.out.as_str()), (0, "poland is enabled\n"));
}

#[tokio::test]
async fn the_audit_log_says_who_drained_and_who_enabled() {
    let workspace = workspace();
    workspace.run(&["provider", "drain", "poland", "--reason", "maintenance"]);
    workspace.run(&["provider", "enable", "poland"]);

    let mut database = SqliteConnectOptions::new().filename(workspace.path("otpost.db")).connect().await.unwrap();
    let text = "SELECT kind, actor FROM audit_event WHERE kind LIKE 'provider_%' ORDER BY seq";
    let events: Vec<(String, String)> = sqlx::query_as(text).fetch_all(&mut database).await.unwrap();

    assert_eq!(events.len(), 2);
    let me = otpost::file_access::login();
    assert!(!me.is_empty() && events.iter().all(|(_, actor)| *actor == format!("operator:{me}")), "{events:?}");
}

/// A server that answers one request, and the request.
fn one_answer(status: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/send?account=7", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let received = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut chunk = [0; 4096];
        // The body is one JSON object.
        while !request.ends_with('}') {
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "{request}");
            request.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        }
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    (url, received)
}

fn with_vendor(url: &str) -> Workspace {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    workspace.write("key", "hush-0123456789");
    let provider = format!(
        "[[provider]]\nname = \"vendor\"\nkind = \"sms_gateway\"\nurl = \"{url}\"\nheaders = {{ x-key = \"file:key\" }}\n\
         static_fields = {{ api_key = \"file:key\" }}\nsender = \"BANK\"\n"
    );
    workspace.write("otpost.toml", &format!("{text}\n{provider}"));
    workspace
}

#[test]
fn a_test_message_shows_its_request_without_credentials_and_what_the_provider_made_of_it() {
    let (url, received) = one_answer("200 OK", r#"{"id":"m-1"}"#);
    let workspace = with_vendor(&url);

    let sent = workspace.run(&["provider", "test", "vendor", "--to", "+48600100200"]);

    let request = received.join().unwrap();
    assert!(request.contains("x-key: hush-0123456789") && request.contains("otpost test message, "), "{request}");
    assert_eq!((sent.code, sent.err.as_str()), (0, ""), "{}", sent.out);
    for part in [
        "provider   vendor, kind sms_gateway\n",
        &format!("\nPOST {url}\nx-key: ***\n{{\n"),
        "  \"api_key\": \"***\",\n",
        "  \"text\": \"otpost test message, ",
        "  \"to\": \"+48600100200\",\n",
        "\noutcome    accepted in ",
        "\nits id     m-1\n",
    ] {
        assert!(sent.out.contains(part), "{part}\n{}", sent.out);
    }
    assert!(!sent.out.contains("hush"), "{}", sent.out);
}

#[test]
fn a_test_message_that_is_not_accepted_fails_with_the_reason_and_is_in_the_audit_log() {
    let (url, received) = one_answer("401 No", r#"{"error":"unknown key hush-0123456789"}"#);
    let workspace = with_vendor(&url);

    let sent = workspace.run(&["provider", "test", "vendor", "--to", "+48600100200", "--json"]);
    received.join().unwrap();
    let events = workspace.run(&["audit", "list", "--kind", "provider_tested"]);

    assert_eq!(sent.code, 1);
    let report = sent.json();
    assert_eq!((report["outcome"].as_str(), report["cause"].as_str()), (Some("deferred"), Some("unauthorized")));
    assert_eq!(report["detail"], r#"HTTP 401: {"error":"unknown key ***"}"#);
    assert_eq!(
        (&report["request"]["headers"]["x-key"], &report["request"]["body"]["api_key"]),
        (&"***".into(), &"***".into())
    );
    assert!(events.out.contains("vendor") && !events.out.contains("600100200"), "{}", events.out);
}

#[test]
fn a_test_message_that_cannot_be_meant_is_not_sent() {
    let workspace = with_vendor("http://127.0.0.1:9/");
    for (name, to, expected) in [
        ("vender", "+48600100200", "no provider vender in the configuration; configured: vendor"),
        ("vendor", "600100200", "--to: a phone number is written as +"),
        ("vendor", "me@bank.example", "--to: a phone number is written as +"),
    ] {
        let refused = workspace.run(&["provider", "test", name, "--to", to]);
        assert_eq!(refused.code, 2, "{}", refused.out);
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
    std::fs::remove_file(workspace.path("key")).unwrap();
    let refused = workspace.run(&["provider", "test", "vendor", "--to", "+48600100200"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("provider vendor: headers.x-key: "), "{}", refused.err);
}

#[test]
fn production_refuses_a_test_message_in_clear_to_another_machine() {
    let workspace = with_vendor("http://sms.example/");
    workspace.configure("environment = \"dev\"", "environment = \"production\"");

    let refused = workspace.run(&["provider", "test", "vendor", "--to", "+48600100200"]);

    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("provider vendor: messages travel unencrypted to sms.example"), "{}", refused.err);
}

#[test]
fn the_kinds_are_listed_with_what_they_can_do() {
    let table = super::run(&["provider", "kinds"]);
    let json = super::run(&["provider", "kinds", "--json"]).json();

    assert_eq!(table.code, 0, "{}", table.err);
    assert!(table.out.contains("infobip") && table.out.contains("validityPeriod in seconds, to 48 h"), "{}", table.out);
    let twilio = json.as_array().unwrap().iter().find(|kind| kind["kind"] == "twilio").unwrap();
    assert_eq!((&twilio["channel"], &twilio["deduplicates"]), (&"sms".into(), &"never".into()));
}
