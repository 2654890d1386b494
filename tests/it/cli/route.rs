//! `otpost route explain`: every way with its reason, and no address in full.

use otpost::domain::clock::{Clock, SystemClock};

use super::Desk;

const PROVIDERS: &str = "\n[[provider]]\nname = \"abroad\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n\
    countries = [\"+49\"]\nweight = 5\n[[provider]]\nname = \"home\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n\
    [[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"http://127.0.0.1:1/\"\n";

fn desk() -> Desk {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let (before, _) = text.split_once("[[provider]]").unwrap_or((&text, ""));
    desk.write("otpost.toml", &format!("{before}{PROVIDERS}"));
    desk
}

#[test]
fn an_address_is_explained_with_everything_that_is_skipped_and_why() {
    let desk = desk();

    let at = "2026-01-10T12:00:00Z";
    let said = desk.run(&["route", "explain", "--kind", "otp", "--to", "+48600100200", "--locale", "pl", "--at", at]);
    let told = desk.run(&["route", "explain", "--kind", "otp", "--to", "+48600100200", "--json"]).json();

    assert_eq!(said.code, 0, "{}", said.err);
    for part in [
        "otp, read in pl",
        "skipped: no such address",
        "skipped: does not serve this country",
        "all countries, in its place",
        "first: home to +48*****0200",
        "deadline: 2026-01-10T12:05:00.000Z",
    ] {
        said.place_of(part);
    }
    said.keeps("600100200");
    let candidates = &told["recipients"][0]["candidates"];
    assert_eq!(
        (candidates[2]["provider"].as_str(), candidates[2]["used"].as_bool()),
        (Some("home"), Some(true)),
        "{told}"
    );
}

#[test]
fn a_recipient_is_explained_by_what_they_agreed_to_and_when_they_sleep() {
    let desk = desk();
    let file = desk.write(
        "recipients.csv",
        "recipient,locale,user,sms,push,channels,time_zone\nc-1,pl,7,+48600100200,token-abcd,sms,Asia/Tokyo\n",
    );
    assert_eq!(desk.run(&["recipient", "import", &file]).code, 0);
    desk.configure("[plan.card_locked]\n", "[plan.card_locked]\nquiet = \"22:00-07:00\"\n");

    let ask = ["route", "explain", "--kind", "card_locked", "--person", "user", "7", "--at", "2026-01-10T15:00:00Z"];
    let said = desk.run(&ask);
    let shown = desk.run(&["recipient", "show", "user", "7"]);
    let nobody = desk.run(&["route", "explain", "--kind", "otp", "--person", "user", "8"]);
    let whom = desk.run(&["route", "explain", "--kind", "otp"]);

    assert_eq!(said.code, 0, "{}", said.err);
    said.place_of("skipped: the person did not agree to this channel");
    said.place_of("quiet hours: told at 2026-01-10T22:00:00.000Z");
    assert!(shown.out.contains("channels  sms\n") && shown.out.contains("zone      Asia/Tokyo\n"), "{}", shown.out);
    assert_eq!((nobody.code, whom.code), (1, 2));
}

#[test]
fn what_nobody_can_agree_to_and_where_nobody_lives_is_refused_at_import() {
    let desk = Desk::new();
    let rows = "recipient,locale,user,channels,time_zone\nc-1,pl,1,pigeon,\nc-2,pl,2,,Mars/Olympus\n";
    let file = desk.write("recipients.csv", rows);

    let said = desk.run(&["recipient", "import", &file]);

    assert_eq!(said.out, "taken 0, refused 2\n");
    said.keeps("pigeon");
    assert!(said.err.contains("line 2, channels: expected sms, push or email"), "{}", said.err);
    assert!(said.err.contains("line 3, time_zone: expected the name of a time zone"), "{}", said.err);
}

#[test]
fn a_check_says_what_to_do_with_a_plan_that_cannot_work() {
    let desk = desk();
    let text = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let (first, rest) = text.split_once("[plan.otp]").unwrap();
    let rest = rest.split_once("[templates]").unwrap().1;
    let broken = |plan: &str| {
        desk.write("otpost.toml", &format!("{first}{plan}\n[templates]{rest}"));
        desk.run(&["check"])
    };

    let quiet = broken("[plan.otp]\nsteps = [\"sms\"]\nttl = \"5m\"\nquiet = \"22:00-07:00\"");
    let hours = broken("[plan.card_locked]\nsteps = [\"sms\"]\nttl = \"5h\"\nquiet = \"at night\"");
    let step = broken("[plan.card_locked]\nsteps = [\"sms\", [\"pigeon\"]]\nttl = \"5h\"");
    let good =
        broken("[plan.card_locked]\nsteps = [\"push\", [\"sms\", \"email\"]]\nttl = \"5h\"\nhedge_after = \"30s\"");

    for (said, part) in [
        (&quiet, "plan.otp.quiet: a code is of no use in the morning; remove the key"),
        (&hours, "expected two different times of day such as 22:00-07:00"),
        (&step, "plan.card_locked.steps[1][0]"),
        (&good, "card_locked: push, then sms and email within 5h, the next step 30s after an unconfirmed push"),
    ] {
        let text = format!("{}{}", said.out, said.err);
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_operators_and_guards_forbid_is_explained_as_such() {
    let desk = desk();
    desk.configure("sms_countries = []", "sms_countries = [\"+49\", \"+1\"]");
    let explain = |to: &str| desk.run(&["route", "explain", "--kind", "otp", "--to", to]);

    let barred = explain("+48600100200");
    assert_eq!(desk.run(&["provider", "drain", "abroad"]).code, 0);
    let drained = explain("+4915112345678");
    assert_eq!(desk.run(&["provider", "drain", "home"]).code, 0);
    let waits = explain("+4915112345678");

    barred.place_of("skipped: limits.sms_countries does not allow this country");
    barred.place_of("first: nobody can be told (country_not_allowed)");
    drained.place_of("skipped: drained by operators");
    drained.place_of("first: home to +49*****5678");
    waits.place_of("first: wait until");
    for said in [barred, drained, waits] {
        said.keeps("600100200");
    }
}

#[test]
fn a_country_that_is_none_is_a_mistake_that_every_command_names() {
    let desk = desk();
    desk.configure("sms_countries = []", "sms_countries = [\"+48\", \"0049\"]");

    let check = desk.run(&["check"]);
    let explain = desk.run(&["route", "explain", "--kind", "otp", "--to", "+48600100200"]);
    let serve = desk.run(&["serve"]);

    let named = "limits.sms_countries[1]: expected + and a country's calling code, such as +48";
    assert_eq!((check.code, explain.code, serve.code), (2, 2, 2), "{}{}{}", check.err, explain.err, serve.err);
    for said in [check, explain, serve] {
        assert!(format!("{}{}", said.out, said.err).contains(named), "{}{}", said.out, said.err);
    }
}

#[tokio::test]
async fn what_a_running_gateway_has_seen_and_paid_is_explained_and_listed() {
    let desk = desk();
    desk.configure("name = \"home\"", "name = \"home\"\nprice = \"0.5\"\nspend_cap_per_hour = \"1\"");
    paid(&desk, "home", 2).await;
    let code = ["route", "explain", "--kind", "otp", "--to", "+48600100200"];
    let news = ["route", "explain", "--kind", "card_locked", "--to", "+48600100200"];

    desk.run(&code).place_of("; at its spend_cap_per_hour: asked last");
    desk.run(&code).place_of("first: home to");
    desk.run(&news).place_of("skipped: at its spend_cap_per_hour");
    desk.run(&news).place_of("first: wait until");
    desk.run(&["provider", "list"]).place_of("1 of 1");
    let listed = desk.run(&["provider", "list", "--json"]).json();
    assert_eq!(listed["providers"][1]["spent_last_hour"], "1");

    desk.configure("spend_cap_per_hour = \"1\"", "spend_cap_per_hour = \"2\"");
    desk.run(&code).place_of("first: home to");
    failing(&desk, "home").await;
    desk.run(&code).place_of("; its circuit is open: asked last");
}

async fn database(desk: &Desk) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(desk.path("otpost.db"));
    sqlx::ConnectOptions::connect(&options).await.unwrap()
}

/// As a gateway writes down what it has sent.
async fn paid(desk: &Desk, provider: &str, messages: usize) {
    let mut database = database(desk).await;
    for _ in 0..messages {
        let insert =
            "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us,
              outcome) VALUES (?1, 1, 'sms', ?2, 0, '', ?3, 1, 'accepted')";
        let query = sqlx::query(insert).bind(uuid::Uuid::now_v7()).bind(provider).bind(SystemClock.now().micros());
        query.execute(&mut database).await.unwrap();
    }
}

/// As a gateway writes down how it sees a provider.
async fn failing(desk: &Desk, provider: &str) {
    let insert = "INSERT INTO provider_state (name, circuit, seen, failed, seen_at) VALUES (?1, 'open', 5, 5, ?2)";
    let query = sqlx::query(insert).bind(provider).bind(SystemClock.now().micros());
    query.execute(&mut database(desk).await).await.unwrap();
}
