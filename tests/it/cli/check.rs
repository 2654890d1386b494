//! `otpost check`: a new workspace has no errors, and each problem is reported on its own line.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki;

use super::{CommandOutput, Workspace};

fn complaint(said: &CommandOutput, part: &str) {
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.out.lines().any(|line| line.starts_with("error") && line.contains(part)), "{part}:\n{}", said.out);
}

fn warning(said: &CommandOutput, part: &str) {
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.lines().any(|line| line.starts_with("warning") && line.contains(part)), "{part}:\n{}", said.out);
}

#[test]
fn a_new_workspace_has_no_errors_but_lacks_providers_and_recipients() {
    let workspace = Workspace::new();

    let said = workspace.run(&["check"]);
    let told = workspace.run(&["check", "--json"]);

    warning(&said, "Add a [[provider]]");
    warning(&said, "no recipients; ");
    assert!(said.out.contains("authorized as client processor-dev"), "{}", said.out);
    assert!(said.out.contains("OpenSSL ") && said.out.contains("SQLite "), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "no colors in a pipe");
    let told = told.json();
    assert_eq!((&told["ok"], &told["errors"]), (&true.into(), &0.into()));
    assert_eq!(told["findings"][0]["subject"], "configuration");
}

#[test]
fn configuration_errors_are_named() {
    let workspace = Workspace::new();
    workspace.configure("threads = 1", "thread = 1");
    complaint(&workspace.run(&["check"]), "thread");
    workspace.configure("thread = 1", "threads = 1");
    workspace.configure("level = \"info\"", "level = \"loud=loud\"");
    workspace.configure("ttl = \"5m\"", "ttl = \"50m\"");
    workspace.configure("\nspki_pins = [\"", "\nspki_pins = [\"short");

    let said = workspace.run(&["check"]);

    complaint(&said, "log.level");
    complaint(&said, "plan.otp.ttl");
    assert!(said.out.contains("Add a [[provider]]"), "{}", said.out);
    complaint(&said, "ingest.client processor-dev");
    complaint(&super::run(&["check", "--config", "/nowhere/otpost.toml"]), "/nowhere/otpost.toml");
}

#[test]
fn every_invalid_provider_is_named() {
    let workspace = Workspace::new();
    let provider =
        |name: &str, url: &str| format!("\n[[provider]]\nname = \"{name}\"\nkind = \"push_http\"\nurl = \"{url}\"\n");
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let both = provider("app", "ftp://push.example/") + &provider("app2", "not a url");
    workspace.write("otpost.toml", &format!("{text}{both}"));
    let broken = workspace.run(&["check"]);
    let twins = provider("app", "https://push.example/").repeat(2);
    workspace.write("otpost.toml", &format!("{text}{twins}"));

    complaint(&broken, "provider app:");
    complaint(&broken, "provider app2:");
    complaint(&workspace.run(&["check"]), "duplicate name");
}

#[test]
fn a_missing_file_is_named_once_and_the_other_checks_continue() {
    let workspace = Workspace::new();
    std::fs::remove_file(workspace.path("pki/server.pem")).unwrap();
    std::fs::remove_file(workspace.path("keys/seal.key")).unwrap();

    let said = workspace.run(&["check"]);

    complaint(&said, "server.pem");
    complaint(&said, "seal.key");
    assert_eq!(said.out.matches("server.pem").count(), 1, "{}", said.out);
    assert!(said.out.contains("client CA"), "{}", said.out);
}

#[test]
fn a_key_of_another_certificate_is_an_error() {
    let workspace = Workspace::new();
    std::fs::copy(workspace.path("pki/processor.key"), workspace.path("pki/server.key")).unwrap();
    complaint(&workspace.run(&["check"]), "pki/server.key: ");
}

#[test]
fn a_key_readable_by_other_users_is_a_warning() {
    let workspace = Workspace::new();
    std::fs::set_permissions(workspace.path("keys/seal.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    warning(&workspace.run(&["check"]), "chmod 600");
}

#[test]
fn an_expired_certificate_is_an_error_and_one_that_expires_soon_is_a_warning() {
    let workspace = Workspace::new();
    let now = SystemClock.now();
    let days = |days: u64| Duration::from_hours(24 * days);
    let authority = pki::Authority::create("otpost test CA", 400, now.before(days(390))).unwrap();
    let server = authority.issue_server(&["localhost".to_owned()], 30, now.before(days(31))).unwrap();
    for name in ["pki/server.pem", "pki/server.key", "pki/dev/ca.pem"] {
        std::fs::remove_file(workspace.path(name)).unwrap();
    }
    pki::write_certificate(&workspace.path("pki/server.pem"), &server.certificate).unwrap();
    pki::write_key(&workspace.path("pki/server.key"), &server.key).unwrap();
    pki::write_certificate(&workspace.path("pki/dev/ca.pem"), authority.certificate()).unwrap();

    let said = workspace.run(&["check"]);

    complaint(&said, "expired on");
    assert!(said.out.contains("expires in 9 days, on ") && said.out.contains(": renew it"), "{}", said.out);
}

#[test]
fn a_missing_database_is_not_created() {
    let workspace = Workspace::new();
    std::fs::remove_file(workspace.path("otpost.db")).unwrap();

    warning(&workspace.run(&["check"]), "does not exist");

    assert!(!workspace.path("otpost.db").exists());
}

#[test]
fn a_nearly_full_disk_is_an_error() {
    let workspace = Workspace::new();
    workspace.configure("min_free = 268435456", "min_free = 9000000000000000000");
    complaint(&workspace.run(&["check"]), "would reject all notifications");
}

#[test]
fn receipts_need_a_listener_and_a_provider_that_sends_them() {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let provider = "\n[[provider]]\nname = \"sms\"\nkind = \"sms_gateway\"\nurl = \"https://sms.example/\"\n";
    // The first empty listen address is that of `[receipts]`.
    let open = |listen: &str| text.replacen("\nlisten = \"\" ", &format!("\nlisten = \"{listen}\" "), 1);
    let reporting = |secret: &str| format!("{provider}[provider.receipt]\nsecret = \"{secret}\"\n");

    workspace.write("otpost.toml", &(text.clone() + &reporting("practice-secret-practice-secret")));
    warning(&workspace.run(&["check"]), "set receipts.listen");
    workspace.write("otpost.toml", &(open("127.0.0.1:0") + provider));
    warning(&workspace.run(&["check"]), "no provider sends receipts");

    workspace.write("otpost.toml", &(open("0.0.0.0:8444") + &reporting("short")));
    let said = workspace.run(&["check"]);
    complaint(&said, "receipts.certificate: ");
    complaint(&said, "provider sms: receipt.secret: ");
}

#[test]
fn a_word_that_is_no_log_level_is_refused_by_check_and_serve() {
    let workspace = Workspace::small();
    workspace.configure("level = \"info\"", "level = \"warning\"");
    assert_eq!(workspace.run(&["check"]).code, 0, "as other programs call it");
    workspace.configure("level = \"warning\"", "level = \"loud\"");

    complaint(&workspace.run(&["check"]), "log.level: \"loud\" is not a level; expected error, warn, info, debug");
    let served = workspace.run(&["serve"]);
    assert_eq!(served.code, 2);
    assert!(served.err.contains("log.level: \"loud\" is not a level"), "{}", served.err);
}

fn in_production(workspace: &Workspace) {
    assert_eq!(workspace.run(&["ca", "init", "--env", "prod"]).code, 0);
    workspace.configure("environment = \"dev\"", "environment = \"production\"");
    workspace.configure("client_ca = \"pki/dev/ca.pem\"", "client_ca = \"pki/prod/ca.pem\"");
    workspace.configure("crl = \"pki/dev/crl.pem\"", "crl = \"pki/prod/crl.pem\"");
}

#[test]
fn a_provider_without_tls_is_named_and_refused_in_production_unless_it_is_marked() {
    let workspace = Workspace::small();
    workspace.append(
        "[[provider]]\nname = \"plain\"\nkind = \"sms_gateway\"\nurl = \"http://192.0.2.1/send\"\ninsecure = false\n\
         [[provider]]\nname = \"local\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/send\"",
    );
    let dev = workspace.run(&["check"]);
    in_production(&workspace);
    let refused = workspace.run(&["check"]);
    let served = workspace.run(&["serve"]);
    workspace.configure("\ninsecure = false", "\ninsecure = true");
    let marked = workspace.run(&["check"]);

    let named = "provider plain: messages travel unencrypted to 192.0.2.1";
    warning(&dev, named);
    complaint(&refused, &format!("{named}, which environment = \"production\" refuses"));
    assert!(served.code == 2 && served.err.contains(named) && served.err.contains("insecure = true"), "{}", served.err);
    warning(&marked, named);
    assert!(!marked.out.contains("provider local: messages"), "{}", marked.out);
}

#[test]
fn production_with_the_settings_of_a_workspace_gives_warnings() {
    let workspace = Workspace::small();
    workspace.append("[[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"https://127.0.0.1:1/\"");
    warning(&workspace.run(&["check"]), "templates.brand is \"Your bank\", the default");
    in_production(&workspace);

    let said = workspace.run(&["check"]);

    warning(&said, "only this machine can connect");
    warning(&said, "is for DNS:localhost IP:127.0.0.1 IP:::1 only; processors elsewhere do not accept it");
}

#[test]
fn an_address_without_a_port_or_in_use_is_an_error_with_its_key() {
    let workspace = Workspace::small();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = TcpListener::bind(taken).unwrap();
    let shipped = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let with = |section: &str, listen: &str| {
        let (before, after) = shipped.split_once(&format!("\n[{section}]")).unwrap();
        let at = after.find("listen = \"").unwrap() + 10;
        let end = at + after[at..].find('"').unwrap();
        let text = format!("{before}\n[{section}]{}{listen}{}", &after[..at], &after[end..]);
        workspace.write("otpost.toml", &text);
        workspace.run(&["check"])
    };

    for section in ["ingest", "receipts", "ops"] {
        complaint(&with(section, "127.0.0.1"), &format!("{section}.listen: expected an address and a port such as"));
        let expected = format!("{section}.listen: {taken} is in use by another process");
        complaint(&with(section, &taken.to_string()), &expected);
    }
    drop(holder);
}

#[test]
fn a_host_without_an_address_is_a_warning() {
    let workspace = Workspace::small();
    workspace.append("[[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"https://push.invalid/\"");
    let said = workspace.run(&["check"]);
    let line = said.out.lines().find(|line| line.contains("push.invalid")).unwrap();
    assert!(line.starts_with("warning") && line.contains("app: "), "{line}");
}

#[test]
fn single_sign_on_that_cannot_work_is_named_with_what_is_expected() {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let check = |public_url: &str, oidc: &str| {
        let (before, after) = text.split_once("[console]").unwrap();
        let after = after.replacen("listen = \"\"", "listen = \"127.0.0.1:0\"", 1);
        let after = after.replacen("public_url = \"\"", &format!("public_url = \"{public_url}\""), 1);
        workspace.write("otpost.toml", &format!("{before}[console]{after}\n[console.oidc]\n{oidc}"));
        workspace.run(&["check"])
    };
    let group = "[[console.oidc.group]]\nname = \"Staff\"\nroles = [\"viewer\"]\n";
    let client = "issuer = \"https://id.bank.example\"\nclient_id = \"otpost\"\nclient_secret = \"s3cret\"\n";
    let url = "https://otpost.bank.example";

    let fine = check(url, &format!("{client}{group}"));
    assert!(fine.out.contains("single sign-on at https://id.bank.example, 1 group with roles"), "{}", fine.out);
    complaint(&check("", &format!("{client}{group}")), "console.public_url: must be set for console.oidc");
    complaint(
        &check("http://otpost.bank.example", &format!("{client}{group}")),
        "console.public_url: expected https://",
    );
    let plain = client.replace("https://id", "http://id");
    complaint(&check(url, &format!("{plain}{group}")), "console.oidc.issuer: expected https://");
    complaint(&check(url, client), "console.oidc.group: at least one is needed");
    let god = group.replace("viewer", "god");
    let wrong = check(url, &format!("{client}{god}"));
    complaint(&wrong, "console.oidc.group[0].roles[0]");
    assert!(wrong.out.contains("unknown variant `god`, expected one of `viewer`"), "{}", wrong.out);
    let missing = client.replace("\"s3cret\"", "\"file:keys/oidc.secret\"");
    complaint(&check(url, &format!("{missing}{group}")), "console.oidc.client_secret: ");
}

#[test]
fn a_receipts_url_that_leads_elsewhere_is_named() {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let provider = "[[provider]]\nname = \"sms\"\nkind = \"smsapi\"\ntoken = \"t-0\"\nurl = \"https://127.0.0.1/\"\n\
                    receipts = { url = \"http://bank.example/receipts/smsapi\", token = \"0123456789abcdef\" }\n";
    workspace.write("otpost.toml", &format!("{text}\n{provider}"));

    let said = workspace.run(&["check"]);

    warning(&said, "sms: its receipts URL is not https://");
    warning(&said, "sms: its receipts URL ends in /receipts/smsapi: expected /receipts/sms");
}
