//! What the API shows: the documents that commands print as JSON, in pages, with contacts masked.

use otpost::domain::access::Role;
use serde_json::{Value, json};

use super::{NO_ID, PHONE, gateway};
use crate::support::api::{PREFIX, Program, json as request};
use crate::support::console::Request;
use crate::support::otp;

#[tokio::test]
async fn deliveries_are_listed_in_pages_and_shown_with_their_history() {
    let gateway = gateway().await;
    for number in 0..5 {
        gateway.post(&otp().key(&format!("key-{number}")).code("73915046")).await.expect_status(204);
    }
    gateway.drain().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;

    let (mut ids, mut path, mut pages) = (Vec::new(), "/deliveries?kind=otp&limit=2".to_owned(), 0);
    loop {
        let page = program.get(&path).await.expect_status(200).json();
        ids.extend(page["deliveries"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => path = format!("/deliveries?kind=otp&limit=2&before={next}"),
            None => break,
        }
    }
    assert!(ids.is_sorted_by(|a, b| a > b), "the newest first: {ids:?}");
    assert_eq!((ids.len(), pages), (5, 3));

    let shown = program.get(&format!("/deliveries/{}?text=true", ids[0])).await.expect_status(200);
    let history = shown.json();
    assert_eq!(history["id"], ids[0]);
    assert_eq!(history["timeline"][0]["kind"], "accepted");
    assert!(history["timeline"].as_array().unwrap().iter().any(|line| line["contact"] == PHONE[1]), "{history}");
    assert_eq!(history["templates"][0]["locale"], "pl");
    for secret in [PHONE[0], "73915046"] {
        assert!(!shown.body.contains(secret), "{}", shown.body);
    }
}

#[tokio::test]
async fn deliveries_are_found_by_personal_data_in_a_body_and_never_in_an_address() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;

    for query in [json!({ "contact": PHONE[0] }), json!({ "recipient": "storage_customer:1337", "state": "sent" })] {
        let found = program.post("/deliveries/search", &query).await.expect_status(200).json();
        assert_eq!(found["deliveries"].as_array().unwrap().len(), 1, "{query}");
    }
    for (name, value) in [("contact", "%2B48600100200"), ("recipient", "storage_customer:1337")] {
        let answer = program.get(&format!("/deliveries?{name}={value}")).await;
        let problem = answer.expect_problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], name);
        assert!(!answer.body.contains("600100200") && !answer.body.contains("1337"), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_never_repeated() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer, Role::Support]).await;
    let wrong = [
        ("state", "gone"),
        ("kind", "verification"),
        ("limit", "0"),
        ("limit", "1001"),
        ("before", "-1"),
        ("before", "1e9"),
        ("from", "soon"),
        ("country", "Atlantis"),
        ("recipient_id", "%25"),
        ("template_version", "ffff"),
    ];
    for (field, value) in wrong {
        let answer = program.get(&format!("/deliveries?{field}={value}")).await;
        assert_eq!(answer.expect_problem(422, "invalid_field")["errors"][0]["field"], field, "{field}={value}");
    }
    for query in ["sort=kind", "limit=x", "limit=-1", "limit=99999999999"] {
        program.get(&format!("/deliveries?{query}")).await.expect_problem(422, "invalid_field");
    }
    let long = "x".repeat(10_240);
    program.post("/deliveries/search", &json!({ "reference": long })).await.expect_problem(422, "invalid_field");
    program
        .post("/deliveries/search", &json!({ "contact": 48_600_100_200_u64 }))
        .await
        .expect_problem(422, "invalid_field");
    let unknown = program.post("/deliveries/search", &json!({ "phone": PHONE[0] })).await;
    unknown.expect_problem(422, "invalid_field");
    assert!(!unknown.body.contains(PHONE[0]), "{}", unknown.body);
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;
    let post = |body: &str| request("POST", "/deliveries/search", &Value::Null).body(body);

    for body in ["", "{", "{\"limit\":1}{}", "nonsense"] {
        program.send(post(body)).await.expect_problem(400, "invalid_body");
    }
    for body in ["[]", "null", "1", "\"x\""] {
        program.send(post(body)).await.expect_problem(422, "invalid_field");
    }
    let text = post("{}").header("Content-Type", "text/plain");
    program.send(text).await.expect_problem(415, "unsupported_media_type");
    let form = post("limit=1").header("Content-Type", "application/x-www-form-urlencoded");
    program.send(form).await.expect_problem(415, "unsupported_media_type");
    let large = " ".repeat(5 * 1024 * 1024 + 1);
    program.send(post(&large)).await.expect_problem(413, "body_too_large");
}

#[tokio::test]
async fn an_unknown_address_or_method_is_a_problem_and_no_page() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer, Role::Support]).await;

    for path in
        ["", "/", "/deliveries/latest", &format!("/deliveries/{NO_ID}"), "/users", "/reports/deliveries", "/x/y"]
    {
        program.get(path).await.expect_problem(404, "not_found");
    }
    for (method, path) in
        [("DELETE", "/deliveries"), ("POST", "/providers"), ("PATCH", "/audit/state"), ("PUT", "/overview")]
    {
        let answer = program.send(Request::of(method, &format!("{PREFIX}{path}"))).await;
        answer.expect_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET"), "{path}");
    }
    Request::get(&format!("{PREFIX}/nothing"))
        .send(gateway.console_address())
        .await
        .expect_problem(401, "token_missing");
}

#[tokio::test]
async fn recipients_are_masked_until_they_are_revealed_with_a_reason() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let program = Program::of(&gateway, &[Role::Support]).await;

    for q in ["storage_customer:1337", PHONE[0], "48600100200"] {
        let found = program.post("/recipients/find", &json!({ "q": q })).await.expect_status(200);
        assert!(found.body.contains(PHONE[1]) && !found.body.contains(PHONE[0]), "{}", found.body);
    }
    let found = program.post("/recipients/find", &json!({ "q": "storage_customer:1337" })).await.json();
    let id = found["recipients"][0]["id"].as_str().unwrap().to_owned();
    let shown = program.get(&format!("/recipients/{id}")).await.expect_status(200).json();
    assert_eq!(shown, found["recipients"][0]);
    let path = format!("/recipients/{id}/reveal");
    for reason in ["", " ", "\u{7}"] {
        program.post(&path, &json!({ "reason": reason })).await.expect_problem(422, "invalid_field");
    }
    let clear = program.post(&path, &json!({ "reason": "ticket 4711" })).await.expect_status(200).json();

    assert_eq!(clear["contacts"], json!([{ "channel": "sms", "contact": PHONE[0], "retired": null }]));
    let event = super::recorded(&gateway, "contact_revealed").await.pop().unwrap();
    assert_eq!((event.0, &event.1["reason"]), (format!("token:{}", program.name), &json!("ticket 4711")));
    program.post("/recipients/find", &json!({ "q": "%" })).await.expect_problem(422, "invalid_field");
}

#[tokio::test]
async fn providers_reports_routes_templates_and_the_audit_log_are_shown() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let program = Program::of(&gateway, &[Role::Viewer, Role::Security]).await;

    let providers = program.get("/providers").await.expect_status(200).json();
    assert_eq!((&providers["source"], &providers["providers"][0]["name"]), (&json!("gateway"), &json!("primary")));
    let overview = program.get("/overview").await.expect_status(200).json();
    assert_eq!((&overview["alarms"], &overview["paused"]), (&json!([]), &json!(false)));
    let report = program.get("/reports/summary?from=1d").await.expect_status(200);
    assert_eq!(report.header("content-type"), Some("application/x-ndjson"));
    let first: Value = serde_json::from_str(report.body.lines().next().unwrap()).unwrap();
    assert_eq!(first["report"], "summary");
    assert!(
        program.get("/reports/costs?format=csv&by=day&zone=Europe/Warsaw").await.expect_status(200).body.contains(',')
    );
    for (query, field) in [
        ("format=xlsx", "format"),
        ("by=week", "by"),
        ("from=now&to=1h", "to"),
        ("from=500d", "from"),
        ("zone=x", "zone"),
    ] {
        let problem = program.get(&format!("/reports/summary?{query}")).await.expect_problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    let route = json!({ "kind": "otp", "recipient": "storage_customer:1337" });
    let route = program.post("/routes/explain", &route).await.expect_status(200).json();
    let candidates = route["recipients"][0]["candidates"].as_array().unwrap();
    assert!(candidates.iter().any(|it| it["contact"] == PHONE[1] && it["used"] == true), "{route}");
    program.post("/routes/explain", &json!({ "kind": "otp" })).await.expect_problem(422, "invalid_field");
    let coverage = program.get("/templates").await.expect_status(200).json();
    assert_eq!(coverage["locales"][0]["templates"]["otp"]["sms"], "own");
    let text = program.get("/templates/texts/pl/otp/sms.hbs").await.expect_status(200).json();
    assert!(text["text"].as_str().unwrap().contains("{{otp}}"));
    let texts = program.get("/templates/texts").await.expect_status(200).json();
    assert!(texts["texts"].as_array().unwrap().iter().any(|it| it["path"] == "pl/otp/sms.hbs"));
    let state = program.get("/audit/state").await.expect_status(200).json();
    assert!(state["waiting"].as_u64().is_some());
}

#[tokio::test]
async fn audit_events_are_listed_in_pages() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Security]).await;
    for _ in 0..4 {
        program.post(&format!("/recipients/{NO_ID}/reveal"), &json!({ "reason": "x" })).await.expect_status(403);
    }

    let path = "/audit/events?kind=access_denied&limit=3";
    let first = program.get(path).await.expect_status(200).json();
    let second = program.get(&format!("{path}&before={}", first["next"])).await.expect_status(200).json();

    let all: Vec<_> = [&first, &second].iter().flat_map(|page| page["events"].as_array().unwrap()).collect();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|event| event["actor"] == format!("token:{}", program.name)), "{all:?}");
    for query in ["kind=none", "scope=mine", "limit=501", "id=x", "before=x"] {
        program.get(&format!("/audit/events?{query}")).await.expect_problem(422, "invalid_field");
    }
}
