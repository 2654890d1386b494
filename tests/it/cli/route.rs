//! `otpost route explain`: every candidate with its reason, and no contact in full.

use otpost::domain::clock::{Clock, SystemClock};

use super::Workspace;

const PROVIDERS: &str = "\n[[provider]]\nname = \"abroad\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n\
    countries = [\"+49\"]\nweight = 5\n[[provider]]\nname = \"home\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n\
    [[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"http://127.0.0.1:1/\"\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let (before, _) = text.split_once("[[provider]]").unwrap_or((&text, ""));
    workspace.write("otpost.toml", &format!("{before}{PROVIDERS}"));
    workspace
}

#[test]
fn a_contact_is_explained_with_everything_that_is_skipped_and_why() {
    let workspace = workspace();

    let at = "2026-01-10T12:00:00Z";
    let output =
        workspace.run(&["route", "explain", "--kind", "otp", "--to", "+48600100200", "--locale", "pl", "--at", at]);
    let json = workspace.run(&["route", "explain", "--kind", "otp", "--to", "+48600100200", "--json"]).json();

    assert_eq!(output.code, 0, "{}", output.err);
    for part in [
        "otp, locale pl",
        "skipped: no contact on this channel",
        "skipped: does not serve this country",
        "serves all countries; configured order",
        "decision: send with home to +48*****0200",
        "deadline: 2026-01-10T12:05:00.000Z",
    ] {
        output.place_of(part);
    }
    output.keeps("600100200");
    let candidates = &json["recipients"][0]["candidates"];
    assert_eq!(
        (candidates[2]["provider"].as_str(), candidates[2]["used"].as_bool()),
        (Some("home"), Some(true)),
        "{json}"
    );
}

#[test]
fn consent_and_quiet_hours_of_a_recipient_are_explained() {
    let workspace = workspace();
    let file = workspace.write(
        "recipients.csv",
        "recipient,locale,user,sms,push,channels,time_zone\nc-1,pl,7,+48600100200,token-abcd,sms,Asia/Tokyo\n",
    );
    assert_eq!(workspace.run(&["recipient", "import", &file]).code, 0);
    workspace.configure("[plan.card_locked]\n", "[plan.card_locked]\nquiet_hours = \"22:00-07:00\"\n");

    let ask = ["route", "explain", "--kind", "card_locked", "--recipient", "user", "7", "--at", "2026-01-10T15:00:00Z"];
    let output = workspace.run(&ask);
    let shown = workspace.run(&["recipient", "show", "user", "7"]);
    let unknown = workspace.run(&["route", "explain", "--kind", "otp", "--recipient", "user", "8"]);
    let no_target = workspace.run(&["route", "explain", "--kind", "otp"]);

    assert_eq!(output.code, 0, "{}", output.err);
    output.place_of("skipped: the recipient has not agreed to this channel");
    output.place_of("quiet hours: sent at 2026-01-10T22:00:00.000Z");
    assert!(shown.out.contains("channels   sms\n") && shown.out.contains("time zone  Asia/Tokyo\n"), "{}", shown.out);
    assert_eq!((unknown.code, no_target.code), (1, 2));
}

#[test]
fn a_suppressed_recipient_is_explained_for_the_kind_of_notification() {
    let workspace = workspace();
    let table = "recipient,locale,status,user,sms\na,pl,opted_out,1,+48600100200\nb,pl,blocked,2,+48600100201\n";
    let file = workspace.write("recipients.csv", table);
    assert_eq!(workspace.run(&["recipient", "import", &file]).code, 0);
    let explain =
        |kind: &str, user: &str| workspace.run(&["route", "explain", "--kind", kind, "--recipient", "user", user]);

    assert!(!explain("otp", "1").out.contains("status of the recipient"));
    explain("card_locked", "1")
        .place_of("sent only for a lost or stolen card or suspected fraud: the status of the recipient");
    explain("card_unlocked", "1").place_of("nothing is sent: the status of the recipient is opted_out");
    explain("otp", "2").place_of("nothing is sent: the status of the recipient is blocked");
}

#[test]
fn unknown_channels_and_time_zones_are_rejected_at_import() {
    let workspace = Workspace::new();
    let rows = "recipient,locale,user,channels,time_zone\nc-1,pl,1,pigeon,\nc-2,pl,2,,Mars/Olympus\n";
    let file = workspace.write("recipients.csv", rows);

    let output = workspace.run(&["recipient", "import", &file]);

    assert_eq!(output.out, "imported 0, rejected 2\n");
    output.keeps("pigeon");
    assert!(output.err.contains("line 2, channels: expected sms, push or email"), "{}", output.err);
    assert!(output.err.contains("line 3, time_zone: expected the name of a time zone"), "{}", output.err);
}

#[test]
fn check_reports_a_plan_that_cannot_work_and_what_to_do() {
    let workspace = workspace();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let (first, rest) = text.split_once("[plan.otp]").unwrap();
    let rest = rest.split_once("[templates]").unwrap().1;
    let broken = |plan: &str| {
        workspace.write("otpost.toml", &format!("{first}{plan}\n[templates]{rest}"));
        workspace.run(&["check"])
    };

    let quiet = broken("[plan.otp]\nsteps = [\"sms\"]\nttl = \"5m\"\nquiet_hours = \"22:00-07:00\"");
    let hours = broken("[plan.card_locked]\nsteps = [\"sms\"]\nttl = \"5h\"\nquiet_hours = \"at night\"");
    let step = broken("[plan.card_locked]\nsteps = [\"sms\", [\"pigeon\"]]\nttl = \"5h\"");
    let good =
        broken("[plan.card_locked]\nsteps = [\"push\", [\"sms\", \"email\"]]\nttl = \"5h\"\nhedge_after = \"30s\"");

    for (output, part) in [
        (&quiet, "plan.otp.quiet_hours: codes cannot be delayed; remove the key"),
        (&hours, "expected two different times of day such as 22:00-07:00"),
        (&step, "plan.card_locked.steps[1][0]"),
        (&good, "card_locked: push, then sms and email within 5h, the next step 30s after an unconfirmed push"),
    ] {
        let text = format!("{}{}", output.out, output.err);
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn drained_providers_and_the_country_allow_list_are_explained() {
    let workspace = workspace();
    workspace.configure("sms_countries = []", "sms_countries = [\"+49\", \"+1\"]");
    let explain = |to: &str| workspace.run(&["route", "explain", "--kind", "otp", "--to", to]);

    let not_allowed = explain("+48600100200");
    assert_eq!(workspace.run(&["provider", "drain", "abroad"]).code, 0);
    let drained = explain("+4915112345678");
    assert_eq!(workspace.run(&["provider", "drain", "home"]).code, 0);
    let waits = explain("+4915112345678");

    not_allowed.place_of("skipped: limits.sms_countries does not allow this country");
    not_allowed.place_of("decision: give up (country_not_allowed)");
    drained.place_of("skipped: drained");
    drained.place_of("decision: send with home to +49*****5678");
    waits.place_of("decision: wait until");
    for output in [not_allowed, drained, waits] {
        output.keeps("600100200");
    }
}

#[test]
fn an_unassigned_country_code_is_reported_by_every_command() {
    let workspace = workspace();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let allowed = text.replace("sms_countries = []", "sms_countries = [\"+48\", \"+999\"]");
    let served = text.replacen("countries = [\"+49\"]", "countries = [\"+49\", \"+999\"]", 1);
    assert!(allowed != text && served != text);
    for (text, key) in [(allowed, "limits.sms_countries[1]"), (served, "provider abroad: countries[1]")] {
        workspace.write("otpost.toml", &text);
        let named = format!("{key}: must be + and a country's calling code, such as +48");

        let check = workspace.run(&["check"]);
        let explain = workspace.run(&["route", "explain", "--kind", "otp", "--to", "+48600100200"]);
        let serve = workspace.run(&["serve"]);

        assert_eq!((check.code, explain.code, serve.code), (2, 2, 2), "{}{}{}", check.err, explain.err, serve.err);
        for output in [check, explain, serve] {
            assert!(format!("{}{}", output.out, output.err).contains(&named), "{}{}", output.out, output.err);
        }
    }
}

#[tokio::test]
async fn the_spend_and_the_circuit_that_a_gateway_reports_are_explained_and_listed() {
    let workspace = workspace();
    workspace.configure("name = \"home\"", "name = \"home\"\nprice = \"0.5\"\nspend_cap_per_hour = \"1\"");
    paid(&workspace, "home", 2).await;
    let otp = ["route", "explain", "--kind", "otp", "--to", "+48600100200"];
    let card_locked = ["route", "explain", "--kind", "card_locked", "--to", "+48600100200"];

    workspace.run(&otp).place_of("; spend cap reached: tried last");
    workspace.run(&otp).place_of("decision: send with home to");
    workspace.run(&card_locked).place_of("skipped: spend cap reached");
    workspace.run(&card_locked).place_of("decision: wait until");
    workspace.run(&["provider", "list"]).place_of("1 of 1");
    let listed = workspace.run(&["provider", "list", "--json"]).json();
    assert_eq!(listed["providers"][1]["spent_last_hour"], "1");

    workspace.configure("spend_cap_per_hour = \"1\"", "spend_cap_per_hour = \"2\"");
    workspace.run(&otp).place_of("decision: send with home to");
    failing(&workspace, "home").await;
    workspace.run(&otp).place_of("; circuit open: tried last");
}

async fn database(workspace: &Workspace) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(workspace.path("otpost.db"));
    sqlx::ConnectOptions::connect(&options).await.unwrap()
}

/// Stores attempts and the sum of what they cost, as a gateway does.
async fn paid(workspace: &Workspace, provider: &str, messages: u32) {
    let (mut database, now) = (database(workspace).await, SystemClock.now().micros());
    let spent = "INSERT INTO provider_spend (minute, provider, first_at, units) VALUES (?1 / 60000000, ?2, ?1, ?3)";
    let query = sqlx::query(spent).bind(now).bind(provider).bind(messages);
    query.execute(&mut database).await.unwrap();
    for _ in 0..messages {
        let insert =
            "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us,
              outcome) VALUES (?1, 1, 'sms', ?2, 0, '', ?3, 1, 'accepted')";
        let query = sqlx::query(insert).bind(uuid::Uuid::now_v7()).bind(provider).bind(now);
        query.execute(&mut database).await.unwrap();
    }
}

/// Stores the state of a provider as a gateway does.
async fn failing(workspace: &Workspace, provider: &str) {
    let insert =
        "INSERT INTO provider_state (name, circuit, attempts, failures, observed_at) VALUES (?1, 'open', 5, 5, ?2)";
    let query = sqlx::query(insert).bind(provider).bind(SystemClock.now().micros());
    query.execute(&mut database(workspace).await).await.unwrap();
}
