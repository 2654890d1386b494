//! Settings that change in the file of a running gateway: what is used at once, what needs a restart, what is refused.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::reload::{logged, post, replace};
use super::{Served, Workspace};

const DEAD: &str = "\n[[provider]]\nname = \"dead-port\"\nkind = \"push_http\"\nurl = \"http://127.0.0.1:1/\"\n";

fn lines(gateway: &Served, text: &str) -> Vec<String> {
    gateway.log().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_added_is_used_and_named_once_and_no_other_is() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let text = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let (before, after) = text.split_once("\n[[provider]]").unwrap();

    replace(&workspace, "otpost.toml", &format!("{before}{DEAD}\n[[provider]]{after}"));
    logged(&gateway, "plans, limits and providers reloaded").await;
    gateway.signal("-HUP");
    while lines(&gateway, "revocation lists and clients reloaded").len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let said = lines(&gateway, "plans, limits and providers reloaded");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("\"changes\":\"provider dead-port added\""), "{}", said[0]);
    assert!(lines(&gateway, "need a restart").is_empty(), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_value_is_refused_even_if_only_a_restart_would_use_it() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let text = fs::read_to_string(workspace.path("otpost.toml")).unwrap();

    for (wrong, named) in [
        (text.replace("ttl = \"5m\"", "ttl = \"50m\""), "plan.otp.ttl"),
        (text.clone() + &DEAD.replace("http://", "ftp://"), "provider dead-port: url: expected http://"),
        (text.clone() + DEAD + DEAD, "provider dead-port: duplicate name"),
        (text.clone() + DEAD + "headers = { a = \"env:OTPOST_TEST_NOT_SET\" }", "OTPOST_TEST_NOT_SET is not set"),
    ] {
        replace(&workspace, "otpost.toml", &wrong);
        logged(&gateway, named).await;
        let line = lines(&gateway, named).pop().unwrap();
        assert!(line.contains("ERROR") && line.contains("reload failed"), "{line}");
    }

    assert!(lines(&gateway, "revocation lists and clients reloaded").is_empty(), "{}", gateway.log());
    assert_eq!(post(&mut gateway.processor(&workspace.identity())).await, Some(204));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_is_paused_and_resumed_without_a_restart() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    let mut messages = workspace.sms.station().subscribe();
    let text = fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let mut processor = gateway.processor(&workspace.identity());

    replace(&workspace, "otpost.toml", &text.replace("paused = false", "paused = true"));
    logged(&gateway, "delivery is paused").await;
    assert_eq!(post(&mut processor).await, Some(204));
    let before = workspace.sms.station().arrivals().len();
    replace(&workspace, "otpost.toml", &text);
    logged(&gateway, "delivery is resumed").await;

    let sent = tokio::time::timeout(Duration::from_secs(15), messages.recv()).await.unwrap().unwrap();
    assert!(sent.text.contains("1111"), "{}", sent.text);
    assert_eq!(before, 0);
    assert!(!gateway.log().contains("need a restart"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ops_listener_answers_head() {
    let workspace = Workspace::new("").await;
    let gateway = workspace.serve();
    for path in ["/metrics", "/readyz", "/healthz"] {
        let mut stream = TcpStream::connect(gateway.ops).unwrap();
        write!(stream, "HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{path}: {answer}");
    }
}
