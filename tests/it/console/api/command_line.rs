//! Commands with `--server`: what they print is the same as on the machine of the gateway, and an error says what to do.

use std::process::Command;

use otpost::domain::access::Role;
use strum::IntoEnumIterator;

use super::{gateway, recorded};
use crate::support::api::Program;
use crate::support::{Gateway, locked, otp, recipient};

/// What a command printed.
pub(super) struct Printed {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

async fn run(arguments: Vec<String>, token: Option<String>) -> Printed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otpost"));
    command.args(&arguments).env_remove("OTPOST_TOKEN").env_remove("OTPOST_SERVER");
    command.envs(token.map(|token| ("OTPOST_TOKEN", token)));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Printed { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

async fn here(gateway: &Gateway, line: &str) -> Printed {
    let file = gateway.files.path("otpost.toml").display().to_string();
    run([words(line), vec!["--config".to_owned(), file]].concat(), None).await
}

pub(super) async fn there(gateway: &Gateway, program: &Program, line: &str) -> Printed {
    let server = format!("http://{}", gateway.console_address());
    run([words(line), vec!["--server".to_owned(), server]].concat(), Some(program.token.clone())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_prints_the_same_with_server_as_without() {
    let gateway = gateway().await;
    for number in 0..3 {
        gateway.post(&otp().key(&format!("key-{number}"))).await.expect_status(204);
    }
    gateway.drain().await;
    let program = Program::of(&gateway, &Role::iter().collect::<Vec<_>>()).await;
    let id = gateway.last().await.line.id;

    for line in [
        "delivery list",
        "delivery list --kind otp --limit 2 --json",
        "delivery list --contact +48600100200 --csv",
        "delivery list --recipient storage_customer:1337 --state sent",
        &format!("delivery show {id}"),
        &format!("delivery show {id} --text"),
        &format!("delivery show {id} --json"),
        "recipient show storage_customer 1337",
        "recipient show storage_customer 1337 --json",
        "recipient find +48600100200",
        "provider list",
        "provider list --json",
        "route explain --kind otp --recipient storage_customer 1337",
        "route explain --kind otp --to +48600100200 --json",
        "template list",
        "template list --json",
        "report summary --from 7d",
        "report providers --from 7d --by day --format csv",
        "report costs --from 7d --format json",
        "report deliveries --from 7d --format csv-raw",
        "report summary --from 7d --format csv --bom --delimiter ;",
        "audit list --kind user_added",
        "audit list --kind user_added --json",
    ] {
        let (here, there) = (here(&gateway, line).await, there(&gateway, &program, line).await);
        assert_eq!((here.code, there.code), (0, 0), "{line}: {}{}", here.err, there.err);
        assert_eq!(here.out, there.out, "{line}");
        assert!(!there.out.is_empty(), "{line}");
        for secret in ["+48600100200", program.token.as_str()] {
            let is_asked = line.contains(secret) && line.contains("--json");
            assert!(is_asked || !there.out.contains(secret), "{line}: {}", there.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_changes_what_the_gateway_has_in_the_name_of_the_token() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Operator, Role::Security, Role::Support]).await;
    let file = gateway.files.path("recipient.json").display().to_string();

    let drained = there(&gateway, &program, "provider drain primary --reason maintenance").await;
    let again = there(&gateway, &program, "provider drain primary --reason maintenance").await;
    let enabled = there(&gateway, &program, "provider enable primary --reason done").await;
    let exported = there(&gateway, &program, &format!("recipient export storage_customer 1337 --out {file}")).await;
    let erased = there(&gateway, &program, "recipient erase storage_customer 1337 --reason request --yes").await;
    let gone = there(&gateway, &program, "recipient show storage_customer 1337").await;

    assert_eq!((drained.out.as_str(), again.out.as_str()), ("primary is drained\n", "primary is already drained\n"));
    assert_eq!(enabled.out, "primary is enabled\n");
    assert!(exported.out.starts_with("wrote "), "{}{}", exported.out, exported.err);
    assert!(std::fs::read_to_string(&file).unwrap().contains("+48600100200"));
    assert!(erased.out.starts_with("erased "), "{}{}", erased.out, erased.err);
    assert_eq!((gone.code, gone.err.trim()), (1, "otpost: no recipient has this storage_customer"));
    for kind in ["provider_drained", "provider_enabled", "recipient_exported", "recipient_erased"] {
        assert_eq!(recorded(&gateway, kind).await[0].0, format!("token:{}", program.name), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_failed_is_sent_again_by_a_command_and_a_code_is_not() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let code = gateway.last().await.line.id;
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.drain().await;
    let failed = gateway.last().await.line;
    assert_eq!(failed.end_reason.as_deref(), Some("unknown_recipient"));
    gateway.knows([recipient("holder").card("11").phone("+48600100300")]).await;
    let program = Program::of(&gateway, &[Role::Support, Role::Operator]).await;

    let resent = there(&gateway, &program, &format!("delivery resend {} --reason imported --json", failed.id)).await;
    let late = there(&gateway, &program, &format!("delivery resend {code} --reason asked")).await;
    gateway.drain().await;

    assert_eq!(resent.code, 0, "{}", resent.err);
    let resent: serde_json::Value = serde_json::from_str(&resent.out).unwrap();
    let sent = gateway.last().await;
    assert_eq!((resent["of"].as_str(), sent.others.as_slice()), (Some(&*failed.id.to_string()), &[failed.id][..]));
    assert_eq!((resent["delivery"].as_str(), sent.line.state.as_str()), (Some(&*sent.line.id.to_string()), "sent"));
    assert!(late.code != 0 && late.err.contains("409"), "{} {}", late.code, late.err);
    assert_eq!(recorded(&gateway, "delivery_resent").await[0].0, format!("token:{}", program.name));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_names_the_server_the_status_and_what_to_do() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;
    let server = format!("http://{}", gateway.console_address());
    let wrong = program.saying("otp_wrong");
    let no_token = run(words(&format!("delivery list --server {server}")), None).await;

    assert_eq!(no_token.code, 2);
    assert!(no_token.err.contains("--token-file") && no_token.err.contains("OTPOST_TOKEN"), "{}", no_token.err);
    let refused = there(&gateway, &wrong, "delivery list").await;
    assert_eq!(refused.code, 1);
    for part in [&server, "401", "there is no such token", "otpost token add NAME --user USER"] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert!(!refused.err.contains("otp_wrong"), "{}", refused.err);
    for (line, code, part) in [
        ("audit list", 1, "403"),
        ("provider drain primary --reason x", 1, "403"),
        ("provider drain primary", 2, "--reason"),
        ("delivery list --recipient storage_customer:4711", 2, "--recipient: no recipient has this storage_customer"),
        ("delivery show 0195d3a0-0000-7000-8000-000000000000", 2, "no delivery or notification has the id"),
        ("report deliveries", 1, "403"),
        ("audit export --from 1d bundle", 1, "403"),
        ("template pull --dir templates", 2, "source = \"console\""),
    ] {
        let printed = there(&gateway, &program, line).await;
        assert!(printed.code == code && printed.err.contains(part), "{line}: {} {}", printed.code, printed.err);
    }
    let token = || Some(program.token.clone());
    let nowhere = run(words("provider list --server http://127.0.0.1:1"), token()).await;
    assert!(nowhere.code == 1 && nowhere.err.contains("http://127.0.0.1:1 cannot be reached"), "{}", nowhere.err);
    let plain = run(words("provider list --server http://otpost.bank.example:8470"), token()).await;
    assert!(plain.code == 2 && plain.err.contains("by https only"), "{}", plain.err);
    let other = run(words(&format!("provider list --server {server}/other")), token()).await;
    assert!(other.code == 1 && other.err.contains("no answer of otpost's API"), "{}", other.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_pulled_into_a_folder_and_pushed_back_as_a_change() {
    let setup = crate::support::Setup::new().first("source = \"console\"\n");
    let gateway = setup.more(crate::support::console::CONSOLE).start().await;
    let program = Program::of(&gateway, &[Role::Author]).await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display().to_string();

    let pulled = there(&gateway, &program, &format!("template pull --dir {dir}")).await;
    let sms = folder.path().join("pl/otp/sms.hbs");
    let text = std::fs::read_to_string(&sms).unwrap_or_else(|error| panic!("{error}: {}{}", pulled.out, pulled.err));
    std::fs::write(&sms, text.replace("{{otp}}", "KOD {{otp}}")).unwrap();
    let pushed = there(&gateway, &program, &format!("template push --dir {dir}")).await;
    std::fs::write(&sms, "{{otp").unwrap();
    let broken = there(&gateway, &program, &format!("template push --dir {dir}")).await;

    assert!(pulled.out.contains("written: pl/otp/sms.hbs"), "{}", pulled.out);
    assert!(pushed.out.contains("change 1: a draft of 1 text"), "{}{}", pushed.out, pushed.err);
    let change = program.get("/templates/changes/1").await.expect_status(200).json();
    assert!(change["drafts"][0]["text"].as_str().unwrap().contains("KOD {{otp}}"), "{change}");
    assert_eq!(change["authors"][0], program.user);
    assert!(broken.code == 2 && broken.err.contains("no change was made"), "{}", broken.err);
}
