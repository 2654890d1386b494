//! What operators get beside the program: alert rules, a dashboard, a runbook and systemd units, each read by the program that is
//! made for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use otpost::domain::delivery::EndReason;
use otpost::domain::outcome::Cause;
use otpost::flow::alarms::AlarmKind;
use otpost::telemetry::catalog;
use serde_json::Value;
use strum::IntoEnumIterator;

const OTPOST: &str = env!("CARGO_BIN_EXE_otpost");

const RULES: &str = include_str!("../../config/prometheus/alerts.yml");
const RULE_TESTS: &str = include_str!("../../config/prometheus/alerts_test.yml");
const DASHBOARD: &str = include_str!("../../config/grafana/otpost.json");
const RUNBOOK: &str = include_str!("../../src/docs/runbook.md");
const OPERATIONS: &str = include_str!("../../src/docs/operations.md");

/// As `systemd-analyze security` counts; 10 would be no protection at all.
const EXPOSURE_MAX: &str = "20";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {said}");
    said
}

fn alerts() -> Vec<&'static str> {
    RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

/// The names of metrics in a text, without what a histogram's series end in.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|it| it.starts_with("otpost_"));
    words
        .map(|word| {
            ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
        })
        .collect()
}

fn assert_metrics_exist(text: &str) {
    let known: BTreeSet<String> = catalog::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    let unknown: Vec<_> = metrics(text).difference(&known).cloned().collect();
    assert_eq!(unknown, Vec::<String>::new());
}

fn entries() -> BTreeSet<&'static str> {
    RUNBOOK.lines().filter_map(|line| line.strip_prefix("## ")).collect()
}

/// Prometheus' own program, which `tests/run` sets up.
fn promtool() -> Command {
    let own = root("target/tools/prometheus/usr/bin/promtool");
    Command::new(if own.exists() { own } else { "promtool".into() })
}

#[test]
fn every_alert_fires_when_it_should_and_none_for_a_healthy_gateway() {
    let mut promtool = promtool();
    promtool.current_dir(root("config/prometheus"));
    println!("{}", succeeds(promtool.args(["test", "rules", "alerts_test.yml"])));
    for alert in alerts() {
        assert!(RULE_TESTS.contains(&format!("alertname=\"{alert}\",alertstate=\"firing\"")), "{alert} has no test");
    }
}

#[test]
fn every_metric_of_an_alert_or_the_dashboard_exists() {
    assert!(metrics("rate(otpost_a_seconds_bucket[5m])").contains("otpost_a_seconds"));
    assert_metrics_exist(RULES);
    assert_metrics_exist(RULE_TESTS);
    assert_metrics_exist(DASHBOARD);
}

#[test]
fn every_query_of_the_dashboard_is_one_that_prometheus_reads() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.map(|it| it["expr"].as_str().unwrap().replace("$__rate_interval", "5m")).collect();
    assert!(queries.len() > 40, "{}", queries.len());
    let rule = |(number, query): (usize, &String)| {
        format!("  - record: query:{number}\n    expr: {}\n", serde_json::to_string(query).unwrap())
    };
    let rules: String = queries.iter().enumerate().map(rule).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yml");
    fs::write(&file, format!("groups:\n- name: dashboard\n  rules:\n{rules}")).unwrap();
    succeeds(promtool().args(["check", "rules"]).arg(file));
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "an id is used twice");
}

#[test]
fn the_runbook_has_an_entry_for_every_alert_and_reason_and_no_other() {
    let reasons: Vec<_> = EndReason::iter().map(EndReason::name).collect();
    let wanted: BTreeSet<&str> = alerts().into_iter().chain(reasons).collect();
    assert_eq!(entries(), wanted);
    let alarms = AlarmKind::iter().map(AlarmKind::name);
    let causes = Cause::iter().filter(|cause| cause.needs_operator()).map(Cause::name);
    for name in alarms.chain(causes) {
        assert!(RUNBOOK.contains(&format!("| `{name}`")) || RUNBOOK.contains(&format!(", `{name}`")), "{name}");
    }
    for alert in alerts() {
        let link = format!("runbook: otpost help runbook {alert}\n");
        assert!(RULES.contains(&link), "{alert} has no link");
    }
}

#[test]
fn an_entry_of_the_runbook_is_printed_by_the_command_that_an_alert_names() {
    let said = succeeds(Command::new(OTPOST).args(["help", "runbook", "OtpostCodesWait"]));
    assert!(said.starts_with("## OtpostCodesWait") && said.lines().count() < 12, "{said}");
}

/// The unit as it is installed, with this program instead of the installed one.
fn unit(folder: &Path) -> PathBuf {
    let service = folder.join("otpost.service");
    let text = fs::read_to_string(root("config/systemd/otpost.service")).unwrap();
    assert!(text.contains("/usr/bin/otpost "));
    fs::write(&service, text.replace("/usr/bin/otpost ", &format!("{OTPOST} "))).unwrap();
    fs::copy(root("config/systemd/otpost.socket"), folder.join("otpost.socket")).unwrap();
    service
}

#[test]
fn systemd_takes_the_units_and_finds_the_service_well_protected() {
    let folder = tempfile::tempdir().unwrap();
    let service = unit(folder.path());

    let said = succeeds(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .args([&service, &folder.path().join("otpost.socket")]),
    );
    assert_eq!(said, "", "systemd has something to say");
    let said = succeeds(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", &format!("--threshold={EXPOSURE_MAX}")])
            .arg(&service),
    );
    println!("{}", said.lines().last().unwrap());
}

#[test]
fn the_socket_unit_has_the_addresses_of_the_shipped_configuration() {
    let shipped: toml::Table = include_str!("../../config/otpost.toml").parse().unwrap();
    let unit = fs::read_to_string(root("config/systemd/otpost.socket")).unwrap();
    for section in ["ingest", "ops"] {
        let listen = shipped[section]["listen"].as_str().unwrap();
        assert!(unit.contains(&format!("# [{section}]\nListenStream={listen}\n")), "{section}");
    }
}

#[test]
fn the_guide_names_everything_that_is_shipped() {
    for name in [
        "config/systemd/otpost.service",
        "config/systemd/otpost.socket",
        "config/prometheus/alerts.yml",
        "config/grafana/otpost.json",
    ] {
        assert!(root(name).exists() && OPERATIONS.contains(name), "{name}");
    }
}
