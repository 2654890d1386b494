//! The system clock is set while the gateway runs, by an hour and a day, ahead and back: nothing is sent twice, nothing expires
//! early or late, an alarm is raised, and recipients read true times. libfaketime sets the clock of the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use otpost::domain::clock::{Clock, SystemClock};
use otpost::sim::processor::OtpSample;
use otpost::sim::providers::faults::Faults;

use super::canary::get;
use super::degraded::{log_with_end, shown};
use super::tally::{self, Tally};
use super::{OTPOST, Served, Workspace};
use crate::support::{locked, recipient};

pub(super) const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 24 * HOUR;

/// The gateway's wall clock begins so many seconds ahead, or its certificates were not valid yet when it is set back.
const AHEAD: i64 = 2 * DAY;

const ALARM_WITHIN: Duration = Duration::from_secs(2);

/// A wall clock that can be set.
pub(super) struct Wall {
    offset: PathBuf,
    now: i64,
}

impl Wall {
    pub(super) fn new(workspace: &Workspace) -> Self {
        let mut wall = Self { offset: workspace.folder.path().join("offset"), now: 0 };
        wall.set_by(AHEAD);
        wall
    }

    /// Sets it ahead, or back.
    pub(super) fn set_by(&mut self, seconds: i64) {
        self.now += seconds;
        let whole = self.offset.with_extension("new");
        fs::write(&whole, format!("{:+}\n", self.now)).unwrap();
        fs::rename(whole, &self.offset).unwrap();
    }

    /// A gateway that sees this clock; what has really passed and when files were changed it sees as it is.
    pub(super) fn serve(&self, workspace: &Workspace) -> Served {
        let mut command = Command::new(OTPOST);
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &self.offset)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        Served::try_start(command, &workspace.path("otpost.toml"), "info").unwrap()
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).filter(|file| file.exists());
    found.next().expect("libfaketime is missing; tests/run installs it")
}

fn alarms(gateway: &Served) -> u64 {
    let metrics = get(gateway, "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("otpost_clock_jumps_total "));
    line.map_or(0, |number| number.parse().unwrap())
}

async fn alarm(number: u64, gateway: &Served) -> Duration {
    let began = Instant::now();
    while alarms(gateway) < number {
        assert!(began.elapsed() < ALARM_WITHIN, "no alarm: {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

pub(super) async fn count(text: &'static str, database: &Path) -> i64 {
    sqlx::query_scalar(text).fetch_one(&mut tally::open(database).await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_expires_nothing_early_repeats_nothing_and_raises_an_alarm() {
    let workspace = Workspace::new("").await;
    let mut wall = Wall::new(&workspace);
    let (tally, gateway, database) = (Tally::default(), wall.serve(&workspace), workspace.path("otpost.db"));
    let mut processor = gateway.processor(&workspace.identity());
    let station = workspace.sms.station();

    for (number, jump) in (1..).zip([HOUR, -HOUR, DAY, -DAY]) {
        // One waits for its second attempt, one is in flight.
        station.behave(Faults::down(503));
        let [waiting, held, later] = [tally.mark(), tally.mark(), tally.mark()];
        assert_eq!(tally.post(&mut processor, &waiting).await, 204);
        while count("SELECT count(*) FROM attempt WHERE outcome = 'deferred'", &database).await < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        station.behave(Faults::slow(Duration::from_secs(2)));
        assert_eq!(tally.post(&mut processor, &held).await, 204);

        wall.set_by(jump);
        let took = alarm(u64::try_from(number).unwrap(), &gateway).await;
        println!("set by {jump} s: alarm after {took:?}");
        assert_eq!(tally.post(&mut processor, &later).await, 204);
        assert_eq!(tally.post(&mut processor, &held).await, 204, "the same again");
        tally::settled(&database).await;

        let told = tally::told(&workspace);
        assert_eq!([&waiting, &held, &later].map(|mark| told.get(mark)), [Some(&1); 3], "after {jump} s");
    }
    assert_eq!(count("SELECT count(*) FROM delivery WHERE state <> 'sent'", &database).await, 0);
    assert_eq!(count("SELECT count(*) FROM audit_event WHERE kind = 'clock_set'", &database).await, 4);
    assert_eq!(count("SELECT count(DISTINCT expires_at - received_at) FROM delivery", &database).await, 1);
    assert!(gateway.log().contains("system clock was set"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_otp_is_sent_after_its_deadline_when_the_clock_is_set_back() {
    let workspace = Workspace::new("").await;
    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("ttl = \"5m\"", "ttl = \"4s\"")).unwrap();
    let mut wall = Wall::new(&workspace);
    let (tally, gateway, database) = (Tally::default(), wall.serve(&workspace), workspace.path("otpost.db"));
    let mut processor = gateway.processor(&workspace.identity());
    workspace.sms.station().behave(Faults::down(503));
    assert_eq!(tally.post(&mut processor, &tally.mark()).await, 204);

    wall.set_by(-DAY);
    let began = Instant::now();
    tally::settled(&database).await;

    assert!(began.elapsed() < Duration::from_secs(10), "its time was four seconds: {:?}", began.elapsed());
    // An attempt that is under way at the deadline leaves it open whether the provider has the message.
    let ended = "SELECT count(*) FROM delivery WHERE state IN ('expired', 'unconfirmed', 'undeliverable')";
    assert_eq!(count(ended, &database).await, 1, "{}", gateway.log());
    assert!(tally::told(&workspace).is_empty());
}

// The time of day in UTC, so many seconds from now by the real clock.
fn time_of_day(seconds: i64) -> String {
    let at = SystemClock.now().micros() + seconds * 1_000_000;
    jiff::Timestamp::from_microsecond(at).unwrap().strftime("%H:%M").to_string()
}

// A virtual machine that is paused and a clock that is corrected after the machine has booted look the same to a process: the
// wall clock jumps, and the time since the boot does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recipients_read_times_of_the_system_clock_and_its_offset_is_an_alarm_until_the_clocks_agree() {
    let workspace = Workspace::new("").await;
    let mut wall = Wall::new(&workspace);
    let gateway = wall.serve(&workspace);
    let mut processor = gateway.processor(&workspace.identity());
    let mut arrivals = workspace.sms.station().subscribe();
    let start = wall.now;

    for jump in [HOUR / 3, -HOUR] {
        wall.set_by(jump);
        let direction = if wall.now > start { "ahead of" } else { "behind" };
        let is_shown =
            || shown(&gateway, &["clock_offset"])["alarms"][0]["detail"].as_str().unwrap().contains(direction);
        let began = Instant::now();
        while !is_shown() {
            assert!(began.elapsed() < Duration::from_secs(15), "not {direction}: {}", gateway.log());
        }

        let before = time_of_day(wall.now + 300);
        assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
        let arrived = tokio::time::timeout(Duration::from_secs(15), arrivals.recv()).await.unwrap().unwrap();
        let after = time_of_day(wall.now + 300);
        let text = &arrived.text;
        assert!(text.contains(&before) || text.contains(&after), "neither {before} nor {after} in {text}");
    }
    wall.set_by(start - wall.now);
    shown(&gateway, &[]);

    let log = log_with_end(&gateway);
    let about_offset = |line: &&str| line.contains("\"clock_offset\"");
    let lines: Vec<_> = log.lines().filter(about_offset).map(|line| line.contains("alarm cleared")).collect();
    assert_eq!(lines, [false, true], "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_is_stale_by_the_system_clock_and_not_by_the_one_that_the_gateway_started_with() {
    let workspace = Workspace::new("").await;
    let store = workspace.store().await;
    let recipients = ["11", "12"].map(|card| recipient(card).card(card).phone("+48600100201").0);
    store.recipients().import(&recipients, SystemClock.now()).await.unwrap();
    store.close().await.unwrap();
    // The machine has booted with a clock that is two days ahead, and it is corrected while the gateway runs.
    let mut wall = Wall::new(&workspace);
    let (gateway, database) = (wall.serve(&workspace), workspace.path("otpost.db"));
    wall.set_by(-AHEAD);
    shown(&gateway, &["clock_offset"]);

    let mut processor = gateway.processor(&workspace.identity());
    let old = SystemClock.now().before(Duration::from_hours(25));
    for notice in [locked(SystemClock.now()).card("11"), locked(old).card("12")] {
        let body = String::from_utf8(notice.bytes()).unwrap();
        assert_eq!(processor.post(&notice.path, &body, None).await.unwrap().status, 204);
    }
    tally::settled(&database).await;

    let ended = |text: &'static str| count(text, &database);
    assert_eq!(ended("SELECT count(*) FROM delivery WHERE state = 'sent'").await, 1);
    assert_eq!(ended("SELECT count(*) FROM delivery WHERE end_reason = 'stale'").await, 1);
}
