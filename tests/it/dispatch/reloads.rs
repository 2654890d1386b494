//! Plans, limits and providers that are replaced while codes are on their way.

use std::time::Duration;

use otpost::domain::delivery::{DeliveryState, ProviderName};
use otpost::store::providers::ProviderDecision;
use otpost::store::reports::DeliveryFilter;

use crate::support::fake::Fake;
use crate::support::load::load;
use crate::support::receipt_provider::{ReceiptProvider, signed_receipt};
use crate::support::{Gateway, Setup, locked, otp, recipient};

const UNLIMITED: &str = "[limits]\nper_recipient = 0\nper_card = 0\n";

async fn ready(setup: Setup) -> Gateway {
    let gateway = setup.start().await;
    gateway.knows([recipient("both").customer("1337").card("11").app("token").phone("+48600100200")]).await;
    gateway
}

/// The `[[provider]]` table of an SMS gateway.
fn sms(name: &str, fake: &Fake, more: &str) -> String {
    format!(
        "\n[[provider]]\nname = \"{name}\"\nkind = \"sms_gateway\"\nurl = \"http://{}/send\"\n{more}\n",
        fake.address()
    )
}

/// The file without one `[[provider]]` table.
fn without(text: &str, name: &str) -> String {
    let mut tables = text.split("\n[[provider]]\n");
    let first = tables.next().unwrap().to_owned();
    tables
        .filter(|table| !table.starts_with(&format!("name = \"{name}\"\n")))
        .fold(first, |text, table| format!("{text}\n[[provider]]\n{table}"))
}

async fn applies(gateway: &Gateway, change: impl FnOnce(String) -> String) {
    gateway.files.reconfigure(change);
    gateway.reload().await.unwrap();
}

async fn code(gateway: &Gateway) {
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
}

/// What the newest event of a reload says about plans, limits and providers.
async fn changes(gateway: &Gateway) -> Vec<String> {
    let audit = gateway.files.audit().await;
    let (_, detail) = audit.iter().rfind(|(kind, _)| kind == "reloaded").unwrap();
    detail["changes"]
        .as_array()
        .map_or_else(Vec::new, |all| all.iter().map(|it| it.as_str().unwrap().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_code_is_lost_or_doubled_while_providers_plans_and_caps_change_under_load() {
    const CODES: u32 = 2_000;
    let gateway = Setup::new().more(UNLIMITED).start().await;
    let phone = |n: u32| recipient(&n.to_string()).customer(&n.to_string()).phone(&format!("+48600{n:06}"));
    gateway.knows((1..=200).map(phone)).await;
    gateway.clock.follow();
    let third = Fake::open(otpost::domain::contact::Channel::Sms).await;
    let change = async {
        for round in 0..6 {
            applies(&gateway, |text| {
                text.replace(
                    "\n[[provider]]\nname = \"primary\"",
                    &(sms("third", &third, "") + "[[provider]]\nname = \"primary\""),
                )
            })
            .await;
            applies(&gateway, |text| without(&text, "backup")).await;
            let ttl = 3 + round % 2;
            applies(&gateway, |text| format!("{text}\n[plan.otp]\nsteps = [\"sms\"]\nttl = \"{ttl}m\"\n")).await;
            applies(&gateway, |text| {
                text.replace("name = \"third\"\n", "name = \"third\"\nprice = \"1\"\nspend_cap_per_hour = \"100\"\n")
            })
            .await;
            let backup = sms("backup", gateway.sms("backup"), "");
            applies(&gateway, |text| {
                let text = without(&text, "third");
                let plan = text.find("\n[plan.otp]").unwrap();
                format!("{}{backup}", &text[..plan])
            })
            .await;
        }
    };

    let (sent, ()) = tokio::join!(load(&gateway, CODES, 400.0, 1..=200), change);
    gateway.settle().await;
    while with_state(&gateway, DeliveryState::Open).await > 0 {
        gateway.wait(Duration::ZERO).await;
    }

    assert_eq!((sent.sent, sent.accepted), (CODES.into(), CODES.into()), "{:?} {:?}", sent.statuses, sent.errors);
    let arrived = [gateway.sms("primary").report(), gateway.sms("backup").report(), third.report()];
    let distinct: u64 = arrived.iter().map(|it| it.distinct).sum();
    let all: u64 = arrived.iter().map(|it| it.total).sum();
    assert_eq!((distinct, all), (CODES.into(), CODES.into()), "{arrived:?}");
    assert!(third.report().total > 0, "the provider that was added sent nothing");
}

async fn with_state(gateway: &Gateway, state: DeliveryState) -> usize {
    let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::newest(1) };
    gateway.store().reports().deliveries(&filter).await.unwrap().lines.len()
}

#[tokio::test]
async fn a_provider_is_added_changed_and_removed_without_a_restart_and_the_audit_log_says_so() {
    let gateway = ready(Setup::new().more("[plan.otp]\nsteps = [\"sms\"]\nttl = \"5m\"\n")).await;
    let third = Fake::open(otpost::domain::contact::Channel::Sms).await;

    applies(&gateway, |text| {
        text.replacen("\n[[provider]]", &(sms("third", &third, "headers = { key = \"s3cret\" }") + "\n[[provider]]"), 1)
    })
    .await;
    code(&gateway).await;
    assert_eq!((third.received().len(), gateway.sms("primary").received().len()), (1, 0));
    assert_eq!(changes(&gateway).await, ["provider third added"]);

    applies(&gateway, |text| text.replace("s3cret", "0dd").replace("ttl = \"5m\"", "ttl = \"4m\"")).await;
    assert_eq!(changes(&gateway).await, ["plan otp: ttl 5m -> 4m", "provider third: headers.key changed"]);
    applies(&gateway, |text| without(&text, "third")).await;
    code(&gateway).await;

    assert_eq!((third.received().len(), gateway.sms("primary").received().len()), (1, 1));
    let audit = format!("{:?}", gateway.files.audit().await);
    assert!(!audit.contains("s3cret") && !audit.contains("0dd"), "{audit}");
    applies(&gateway, |text| text).await;
    assert_eq!(changes(&gateway).await, [""; 0], "nothing has changed");
}

#[tokio::test]
async fn a_file_with_one_error_changes_nothing_of_it_and_raises_an_alarm() {
    let gateway = ready(Setup::new()).await;
    let third = Fake::open(otpost::domain::contact::Channel::Sms).await;
    let text = std::fs::read_to_string(gateway.files.path("otpost.toml")).unwrap();

    for (wrong, said) in [
        ("[plan.otp]\nsteps = [\"sms\"]\nttl = \"11m\"\n", "plan.otp.ttl"),
        ("[limits]\nwindow = \"soon\"\n", "limits.window"),
        ("[recipients]\notp = [\"shoe_size\"]\n", "recipients.otp"),
        ("[[provider]]\nname = \"x\"\nkind = \"pigeon\"\n", "provider x: kind"),
        ("[[provider]]\nname = \"mail\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n", "duplicate name"),
        ("[audit.mail]\nto = \"a@example.org\"\nprovider = \"primary\"\n", "audit.mail.provider"),
    ] {
        let added = text.replacen("\n[[provider]]", &(sms("third", &third, "") + "\n[[provider]]"), 1);
        gateway.files.replace("otpost.toml", format!("{added}\n{wrong}"));
        let error = gateway.reload().await.unwrap_err();
        let error = otpost::domain::chain(&error);
        assert!(error.contains(said), "{said}: {error}");
        assert!(gateway.alarms().contains(&"reload"), "{:?}", gateway.alarms());
    }
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    code(&gateway).await;

    assert_eq!(third.received().len(), 0);
    applies(&gateway, |_| text).await;
    assert!(!gateway.alarms().contains(&"reload"));
}

#[tokio::test]
async fn circuits_spending_drains_and_counts_outlive_a_change() {
    let plan = "[plan.otp]\nsteps = [\"sms\"]\nttl = \"5m\"\n[limits]\nper_recipient = 6\nenforce = true\n";
    let gateway = ready(Setup::new().more(plan)).await;
    let drained = ProviderDecision::new(
        ProviderName("backup".to_owned()),
        None,
        otpost::domain::audit_event::Actor::Operator("operator".to_owned()),
        gateway.now(),
    );
    gateway.store().providers().drain(&drained).await.unwrap();
    for _ in 0..3 {
        code(&gateway).await;
    }
    assert_eq!(gateway.sms("primary").received().len(), 3);

    // Three units of the hour are used, although the price is new; the other provider stays drained, also when it is new.
    applies(&gateway, |text| {
        let capped = "name = \"primary\"\nprice = \"1\"\nspend_cap_per_hour = \"4\"\n";
        without(&text, "backup").replace("name = \"primary\"\n", capped)
    })
    .await;
    let backup = sms("backup", gateway.sms("backup"), "");
    applies(&gateway, |text| text.replacen("\n[[provider]]", &(backup + "\n[[provider]]"), 1)).await;
    code(&gateway).await;
    assert_eq!((gateway.sms("primary").received().len(), gateway.sms("backup").received().len()), (4, 0));
    applies(&gateway, |text| text.replace("enforce = true", "enforce = true\notp_waits_at_cap = true")).await;
    code(&gateway).await;
    assert_eq!(gateway.last().await.line.state, "open", "the fifth waits at the cap");

    applies(&gateway, |text| {
        text.replace("per_recipient = 6", "per_recipient = 4")
            .replace("spend_cap_per_hour = \"4\"", "spend_cap_per_hour = \"100\"")
    })
    .await;
    code(&gateway).await;
    assert_eq!(gateway.last().await.line.end_reason.as_deref(), Some("rate_limited"), "those before count");
}

#[tokio::test]
async fn a_receipt_of_a_removed_provider_is_accepted_and_a_fallback_uses_the_providers_of_now() {
    let sms_provider = ReceiptProvider::open().await;
    let settings = sms_provider.settings("sms_provider", "", "") + "[receipts]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = Setup::new().first(&settings).more("[plan.otp]\nsteps = [\"sms\"]\nttl = \"5m\"\n").start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;

    // The message is at the provider when it is removed.
    applies(&gateway, |text| without(&text, "sms_provider")).await;
    sms_provider.answers();
    gateway.settle().await;
    assert_eq!(gateway.last().await.line.state, "sent");
    let answer = signed_receipt("sms_provider", &reference, "DELIVRD").post(gateway.receipts_address()).await;

    answer.expect_status(200);
    assert_eq!(gateway.last().await.line.state, "confirmed");
    assert_eq!(gateway.received(), 0, "sent once");
}

#[tokio::test]
async fn a_hedge_goes_on_with_the_providers_of_now_after_its_push_service_was_removed() {
    let plan = "[plan.otp]\nsteps = [\"push\", \"sms\"]\nttl = \"5m\"\nhedge_after = \"30s\"\n";
    let service = ReceiptProvider::open().await;
    let settings = service.settings("service", "", "").replace("sms_gateway", "push_http");
    let gateway = ready(Setup::new().first(&(settings + "[receipts]\nlisten = \"127.0.0.1:0\"\n")).more(plan)).await;
    gateway.post(&otp()).await.expect_status(204);
    service.message().await;
    service.answers();
    gateway.settle().await;
    assert_eq!(gateway.last().await.line.state, "open");

    applies(&gateway, |text| without(&without(&text, "service"), "app")).await;
    gateway.wait(Duration::from_secs(29)).await;
    assert_eq!(gateway.received(), 0, "early");
    gateway.wait(Duration::from_secs(2)).await;

    assert_eq!(gateway.sms("primary").received().len(), 1);
    assert_eq!(gateway.last().await.line.state, "sent");
}

#[tokio::test]
async fn a_code_accepted_with_a_longer_ttl_stays_readable_when_the_ttl_is_shortened() {
    let gateway = ready(Setup::new().more("[plan.otp]\nsteps = [\"sms\"]\nttl = \"10m\"\n")).await;
    for name in ["primary", "backup"] {
        gateway.sms(name).answers(503);
    }
    code(&gateway).await;
    applies(&gateway, |text| text.replace("ttl = \"10m\"", "ttl = \"1m\"")).await;
    gateway.wait(Duration::from_mins(9)).await;

    for name in ["primary", "backup"] {
        gateway.sms(name).recovers();
    }
    gateway.wait(Duration::from_secs(40)).await;

    assert_eq!(gateway.last().await.line.state, "sent", "{:?}", gateway.last().await.line);
}
