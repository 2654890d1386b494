//! Signing in: what is refused, and that no answer says why.

use std::time::{Duration, Instant};

use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;

use crate::support::console::{Browser, CONSOLE, PASSWORD, Request, one_time_code, try_sign_in};
use crate::support::sender::Answer;
use crate::support::{Gateway, Setup};

const STEP: Duration = Duration::from_secs(30);

async fn with_user() -> (Gateway, Browser) {
    let gateway = Setup::new().more(CONSOLE).start().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    // The code that the user was set up with is used.
    gateway.clock.move_on(2 * STEP);
    (gateway, user)
}

fn code(gateway: &Gateway, user: &Browser) -> String {
    one_time_code(&user.secret, gateway.now())
}

fn without_date(answer: Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    (answer.status, headers.collect(), answer.body)
}

#[tokio::test]
async fn an_unknown_user_a_wrong_password_and_a_wrong_code_get_the_same_answer() {
    let (gateway, user) = with_user().await;
    let by = Actor::Operator("test".to_owned());
    let disabled = Browser::of(&gateway, "ben", &[Role::Viewer]).await;
    gateway.users().set_disabled(&by, "ben", true).await.unwrap();
    gateway.users().add(&by, "cleo", &[Role::Viewer]).await.unwrap();
    gateway.clock.move_on(2 * STEP);

    let unknown = without_date(try_sign_in(&gateway, "nobody", PASSWORD, "000000").await);
    let others = [
        try_sign_in(&gateway, "anna", "wrong", &code(&gateway, &user)).await,
        try_sign_in(&gateway, "anna", PASSWORD, "000000").await,
        try_sign_in(&gateway, "anna", PASSWORD, "").await,
        try_sign_in(&gateway, "ben", PASSWORD, &code(&gateway, &disabled)).await,
        try_sign_in(&gateway, "cleo", PASSWORD, "000000").await,
        try_sign_in(&gateway, "' OR 1=1 --", PASSWORD, "").await,
        try_sign_in(&gateway, "<script>alert(1)</script>", PASSWORD, "").await,
        try_sign_in(&gateway, "an\0na", "pass\0word", "\0").await,
    ];

    assert_eq!(unknown.0, 401);
    for answer in others {
        assert_eq!(without_date(answer), unknown);
    }
    try_sign_in(&gateway, "anna", PASSWORD, &code(&gateway, &user)).await.expect_status(303);
}

#[tokio::test]
async fn a_one_time_code_and_a_recovery_code_count_once() {
    let (gateway, user) = with_user().await;
    let now = code(&gateway, &user);

    try_sign_in(&gateway, "anna", PASSWORD, &now).await.expect_status(303);
    try_sign_in(&gateway, "anna", PASSWORD, &now).await.expect_status(401);
    let recovery = user.recovery_codes[3].to_uppercase().replace('-', " ");
    try_sign_in(&gateway, "anna", PASSWORD, &recovery).await.expect_status(303);
    try_sign_in(&gateway, "anna", PASSWORD, &recovery).await.expect_status(401);
    let used = gateway.files.audit().await.into_iter().filter(|(kind, _)| kind == "signed_in");
    let with: Vec<_> = used.map(|(_, detail)| detail["with"].as_str().unwrap().to_owned()).collect();
    assert_eq!(with, ["set-up code", "one-time code", "recovery code"]);
}

#[tokio::test]
async fn of_two_sign_ins_with_one_code_at_the_same_time_one_succeeds() {
    let (gateway, user) = with_user().await;
    let now = code(&gateway, &user);

    let (one, other) =
        tokio::join!(try_sign_in(&gateway, "anna", PASSWORD, &now), try_sign_in(&gateway, "anna", PASSWORD, &now));

    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401]);
}

#[tokio::test]
async fn the_sixth_attempt_within_a_quarter_of_an_hour_is_not_looked_at() {
    let (gateway, user) = with_user().await;
    for _ in 0..5 {
        try_sign_in(&gateway, "anna", "wrong", "000000").await.expect_status(401);
    }

    let sixth = try_sign_in(&gateway, "anna", PASSWORD, &code(&gateway, &user)).await.expect_status(429);

    let wait: u64 = sixth.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    gateway.clock.move_on(Duration::from_secs(wait));
    try_sign_in(&gateway, "anna", PASSWORD, &code(&gateway, &user)).await.expect_status(303);
    let failed = gateway.files.audit().await.into_iter().filter(|(kind, _)| kind == "sign_in_failed").count();
    assert_eq!(failed, 5, "what is not looked at leaves no event");
}

#[tokio::test]
async fn an_unknown_name_is_throttled_like_a_known_one_and_is_not_recorded() {
    let (gateway, _) = with_user().await;
    for _ in 0..5 {
        try_sign_in(&gateway, "hunter2hunter2", "wrong", "").await.expect_status(401);
    }

    try_sign_in(&gateway, "hunter2hunter2", "wrong", "").await.expect_status(429);

    let events = gateway.files.audit().await;
    let failed: Vec<_> = events.iter().filter(|(kind, _)| kind == "sign_in_failed").collect();
    assert_eq!(failed.len(), 5);
    assert!(failed.iter().all(|(_, detail)| detail["reason"] == "unknown user"), "{failed:?}");
    assert!(!format!("{events:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_password_of_a_megabyte_is_too_large() {
    let (gateway, _) = with_user().await;
    let password = "a".repeat(1_000_000);

    try_sign_in(&gateway, "anna", &password, "").await.expect_status(413);
}

#[tokio::test]
async fn after_a_sign_in_the_page_that_was_asked_for_is_shown_but_none_of_another_site() {
    let (gateway, user) = with_user().await;
    let page = Request::get("/account?done=session").send(gateway.console_address()).await.expect_status(401);
    assert!(page.body.contains("name=\"next\" value=\"/account?done&#x3D;session\""), "{}", page.body);
    let sign_in = async |next: &str, code: &str| {
        let fields = [("name", "anna"), ("password", PASSWORD), ("code", code), ("next", next)];
        let answer = Request::post("/sign-in", &fields).send(gateway.console_address()).await.expect_status(303);
        answer.header("location").unwrap().to_owned()
    };

    assert_eq!(sign_in("/account?done=session", &user.recovery_codes[0]).await, "/account?done=session");
    for (at, other) in ["https://evil.example", "//evil.example", "/\\evil.example"].iter().enumerate() {
        assert_eq!(sign_in(other, &user.recovery_codes[at + 1]).await, "/", "{other}");
    }
}

#[tokio::test]
async fn many_failures_raise_an_alarm() {
    let (gateway, _) = with_user().await;
    for at in 0..20 {
        try_sign_in(&gateway, &format!("name{at}"), "wrong", "").await.expect_status(401);
    }

    while !gateway.alarms().contains(&"sign_in_failures") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_a_second_factor_where_that_is_allowed_the_password_is_enough() {
    let settings = format!("{CONSOLE}second_factor = \"optional\"\n");
    let gateway = Setup::new().more(&settings).start().await;
    let by = Actor::Operator("test".to_owned());
    let setup = gateway.users().add(&by, "anna", &[Role::Viewer]).await.unwrap();
    let page = Request::get(&format!("/welcome?code={}", setup.text())).send(gateway.console_address()).await;
    let secret = crate::support::console::hidden(&page.body, "secret");
    let fields =
        |password| [("setup", setup.text()), ("password", password), ("repeated", PASSWORD), ("secret", &secret)];
    let post = async |password| Request::post("/welcome", &fields(password)).send(gateway.console_address()).await;

    post("short").await.expect_status(422);
    post(PASSWORD).await.expect_status(200);
    post(PASSWORD).await.expect_status(422);

    try_sign_in(&gateway, "anna", "wrong", "").await.expect_status(401);
    try_sign_in(&gateway, "anna", PASSWORD, "").await.expect_status(303);
}

/// Sign-ins of each kind that are timed.
const ROUNDS: usize = 11;

/// A hash takes some tens of milliseconds, and everything else one or two: a kind without a hash is ten times as fast.
const FACTOR_MAX: f64 = 2.0;

#[tokio::test]
async fn a_refused_sign_in_takes_as_long_whatever_is_wrong() {
    let (gateway, _) = with_user().await;
    let by = Actor::Operator("test".to_owned());
    gateway.users().add(&by, "ben", &[Role::Viewer]).await.unwrap();
    let kinds = [
        ("unknown user", "cleo", PASSWORD),
        ("wrong password", "anna", "another horse battery"),
        ("wrong code", "anna", PASSWORD),
        ("not set up", "ben", PASSWORD),
    ];
    let mut times: [Vec<Duration>; 4] = Default::default();

    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..ROUNDS {
        for ((_, name, password), times) in kinds.iter().zip(&mut times) {
            let begun = Instant::now();
            try_sign_in(&gateway, name, password, "000000").await.expect_status(401);
            times.push(begun.elapsed());
        }
        gateway.clock.move_on(Duration::from_mins(15));
    }

    let medians = times.map(|mut all| {
        all.sort();
        all[ROUNDS / 2]
    });
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    let named: Vec<_> = kinds.iter().map(|(kind, ..)| kind).zip(&medians).collect();
    assert!(most.as_secs_f64() < FACTOR_MAX * least.as_secs_f64(), "{named:?}");
}
