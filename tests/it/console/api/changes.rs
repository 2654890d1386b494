//! What the API changes: the same as the pages, with the token in the audit log and the user as author and reviewer.

use otpost::domain::access::Role;
use otpost::flow::api_tokens::TokenOrder;
use serde_json::{Value, json};

use super::{NO_ID, PHONE, gateway, recorded};
use crate::support::api::{PREFIX, Program};
use crate::support::console::{CONSOLE, Request};
use crate::support::{Setup, locked, otp};

const SMS: &str = "pl/otp/sms.hbs";

#[tokio::test]
async fn a_provider_is_drained_and_enabled_with_a_reason() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Operator]).await;
    let order = |name: &str, reason: &str| json!({ "name": name, "reason": reason });

    let drained = program.post("/providers/drain", &order("primary", "maintenance")).await.expect_status(200).json();
    let again = program.post("/providers/drain", &order("primary", "again")).await.expect_status(200).json();
    let last = program.post("/providers/drain", &order("backup", "maintenance")).await.expect_status(200).json();
    let listed = program.get("/providers").await.json();

    assert_eq!(
        (&drained["changed"], &again["changed"], &drained["last_of"]),
        (&json!(true), &json!(false), &json!(null))
    );
    assert_eq!(last["last_of"], "sms");
    assert_eq!(listed["providers"][0]["drain_reason"], "maintenance");
    assert_eq!(listed["providers"][0]["drained_by"], format!("token:{}", program.name));
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    assert_eq!(gateway.received(), 0);
    program.post("/providers/enable", &order("backup", "done")).await.expect_status(200);
    program.post("/providers/enable", &order("primary", " ")).await.expect_problem(422, "invalid_field");
    program.post("/providers/drain", &order("none", "x")).await.expect_problem(404, "not_found");
    let events = recorded(&gateway, "provider_drained").await;
    assert!(events.iter().all(|event| event.0 == format!("token:{}", program.name)), "{events:?}");
}

#[tokio::test]
async fn a_code_is_never_sent_again_and_a_notice_is_once_more() {
    let gateway = gateway().await;
    gateway.sms("primary").answers(400);
    gateway.sms("backup").answers(400);
    gateway.post(&otp()).await.expect_status(204);
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.drain().await;
    let program = Program::of(&gateway, &[Role::Support]).await;
    let reason = json!({ "reason": "number corrected" });
    let [code, notice] = <[_; 2]>::try_from(gateway.deliveries().await).unwrap();
    let (code, notice) = if code.kind == "otp" { (code, notice) } else { (notice, code) };

    program.post(&format!("/deliveries/{}/resend", code.id), &reason).await.expect_problem(409, "conflict");
    program.post(&format!("/deliveries/{NO_ID}/resend"), &reason).await.expect_problem(404, "not_found");
    let empty = json!({ "reason": "" });
    let path = format!("/deliveries/{}/resend", notice.id);
    program.post(&path, &empty).await.expect_problem(422, "invalid_field");
    let resent = program.post(&path, &reason).await;

    if resent.status == 200 {
        assert_eq!(resent.json()["of"], notice.id.to_string());
        assert_eq!(recorded(&gateway, "delivery_resent").await[0].0, format!("token:{}", program.name));
    } else {
        resent.expect_problem(409, "conflict");
    }
}

#[tokio::test]
async fn a_dossier_is_made_as_pdf_and_json() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let program = Program::of(&gateway, &[Role::Support]).await;
    let path = format!("/deliveries/{}/dossier", gateway.last().await.line.id);

    let pdf = program.post(&path, &json!({ "format": "pdf" })).await.expect_status(200);
    let document = program.post(&path, &json!({ "format": "json" })).await.expect_status(200);

    assert_eq!(pdf.header("content-type"), Some("application/pdf"));
    assert!(pdf.body.starts_with("%PDF-"), "{}", &pdf.body[..20]);
    assert_eq!(document.json()["made_by"], program.user);
    program.post(&path, &json!({ "format": "docx" })).await.expect_problem(422, "invalid_field");
    let events = recorded(&gateway, "dossier_made").await;
    assert_eq!(events.iter().filter(|event| event.0 == format!("token:{}", program.name)).count(), 2);
}

#[tokio::test]
async fn recipients_are_imported_one_by_one_and_as_a_file_exported_and_erased() {
    let gateway = gateway().await;
    let operator = Program::of(&gateway, &[Role::Operator]).await;
    let security = Program::of(&gateway, &[Role::Security]).await;
    let one = |locale: &str, phone: &str| json!({ "recipient": "c-7", "locale": locale, "identifiers": { "user": ["u-7"] }, "contacts": { "sms": [phone] } });

    let checked = operator.put("/recipients?dry_run=true", &one("pl", "+48600100300")).await.expect_status(200).json();
    assert_eq!((&checked["imported"], &checked["dry_run"]), (&json!(1), &json!(true)));
    let find = json!({ "q": "user:u-7" });
    assert_eq!(operator.post("/recipients/find", &find).await.json()["recipients"], json!([]));
    operator.put("/recipients", &one("pl", "+48600100300")).await.expect_status(200);
    operator.put("/recipients", &one("en", "+48600100300")).await.expect_status(200);
    let found = operator.post("/recipients/find", &find).await.json();
    assert_eq!((found["recipients"].as_array().unwrap().len(), &found["recipients"][0]["locale"]), (1, &json!("en")));
    for (wrong, field) in [(one("polski", "+48600100300"), "locale"), (one("pl", "600100300"), "sms")] {
        let answer = operator.put("/recipients", &wrong).await;
        assert_eq!(answer.expect_problem(422, "invalid_field")["errors"][0]["field"], field);
        assert!(!answer.body.contains("600100300"), "{}", answer.body);
    }

    let file =
        Request::of("POST", &format!("{PREFIX}/recipients/import?country=PL")).header("Content-Type", "text/csv");
    let rows = "recipient,locale,user,sms\nc-8,pl,u-8,600100400\nc-9,cz,u-9,600100500\n";
    let report = operator.send(file.body(rows)).await.expect_status(200).json();
    assert_eq!((&report["imported"], &report["rejected"]), (&json!(1), &json!(1)));
    assert_eq!((&report["rejections"][0]["line"], &report["rejections"][0]["column"]), (&json!(3), &json!("locale")));
    let binary = Request::of("POST", &format!("{PREFIX}/recipients/import")).header("Content-Type", "text/plain");
    operator.send(binary.body(rows)).await.expect_problem(415, "unsupported_media_type");

    let id = found["recipients"][0]["id"].as_str().unwrap();
    let exported = security.post(&format!("/recipients/{id}/export"), &Value::Null).await.expect_status(200).json();
    assert_eq!(exported["recipient"]["contacts"][0]["contact"], "+48600100300");
    let erase = format!("/recipients/{id}/erase");
    security.post(&erase, &json!({ "reason": "" })).await.expect_problem(422, "invalid_field");
    assert_eq!(security.post(&erase, &json!({ "reason": "request" })).await.expect_status(200).json()["erased"], id);
    security.post(&erase, &json!({ "reason": "request" })).await.expect_problem(404, "not_found");
    for (kind, program) in
        [("recipient_erased", &security), ("recipient_exported", &security), ("recipients_imported", &operator)]
    {
        let events = recorded(&gateway, kind).await;
        assert_eq!(events.last().unwrap().0, format!("token:{}", program.name), "{kind}");
    }
}

#[tokio::test]
async fn a_text_goes_through_a_review_whose_author_is_the_user_and_not_the_token() {
    let gateway = Setup::new().first("source = \"console\"\n").more(CONSOLE).start().await;
    gateway.knows([crate::support::recipient("one").customer("1337").phone(PHONE[0])]).await;
    let both = Program::of(&gateway, &[Role::Author, Role::Approver]).await;
    let roles = [Role::Approver];
    let second = TokenOrder { name: "second", user: &both.user, roles: &roles, days: 1, cert_pin: None };
    let second = Program::with(&gateway, &second).await;
    let approver = Program::of(&gateway, &[Role::Approver]).await;
    let live = both.get(&format!("/templates/texts/{SMS}")).await.expect_status(200).json();
    let draft = |text: &str, base: &Value| json!({ "path": SMS, "text": text, "base": base });

    let broken = both.put("/templates/drafts", &draft("{{otp", &live["base"])).await;
    assert!(
        broken.expect_problem(422, "invalid_field")["detail"].as_str().unwrap().contains("line 1"),
        "{}",
        broken.body
    );
    both.put("/templates/drafts", &draft("x", &json!("00"))).await.expect_problem(409, "conflict");
    let text = "NOWY {{otp}} {{amount}} {{merchant}}";
    let change =
        both.put("/templates/drafts", &draft(text, &live["base"])).await.expect_status(200).json()["change"].clone();
    let step = |step: &str| format!("/templates/changes/{change}/{step}");
    both.post(&step("submit"), &json!({ "note": "shorter" })).await.expect_status(200);
    let shown = both.get(&format!("/templates/changes/{change}")).await.expect_status(200).json();
    let approve = json!({ "content": shown["content"] });
    both.post(&step("approve"), &approve).await.expect_problem(403, "forbidden");
    second.post(&step("approve"), &approve).await.expect_problem(403, "forbidden");
    approver.post(&step("approve"), &json!({ "content": "00" })).await.expect_problem(409, "conflict");
    approver.post(&step("approve"), &approve).await.expect_status(200);
    approver.post(&step("approve"), &approve).await.expect_problem(409, "conflict");
    approver.post(&step("sign"), &json!({})).await.expect_problem(404, "not_found");
    let published = approver.post(&step("publish"), &json!({})).await.expect_status(200).json();

    assert_eq!((&published["state"], &published["authors"][0]), (&json!("published"), &json!(both.user)));
    assert_eq!(published["reviewer"], approver.user);
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    assert!(gateway.sms("primary").received().last().unwrap().text.starts_with("NOWY"));
    let events = recorded(&gateway, "template_change_published").await;
    assert_eq!(events[0].0, format!("token:{}", approver.name));
    let now = both.get(&format!("/templates/texts/{SMS}")).await.json();
    let first = now["versions"].as_array().unwrap().last().unwrap()["seq"].clone();
    let back = both.post("/templates/restore", &json!({ "seq": first })).await.expect_status(200).json();
    assert_eq!(
        both.get(&format!("/templates/changes/{}", back["change"])).await.json()["drafts"][0]["text"],
        live["text"]
    );
    let list = both.get("/templates/changes").await.json();
    assert_eq!(list["changes"].as_array().unwrap().len(), 2);
}
