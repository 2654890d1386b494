//! The parts of the benchmark that compute and parse: results, the table, process statistics, and child output.
#![expect(dead_code, reason = "the benchmark itself uses the rest of these files")]

#[path = "../bench/child.rs"]
mod child;
#[path = "../bench/proc_stats.rs"]
mod proc_stats;
#[path = "../bench/results.rs"]
mod results;
#[path = "../bench/scenarios.rs"]
mod scenarios;
#[path = "../bench/table.rs"]
mod table;

use child::{address_after, address_in_log};
use proc_stats::{peak_kib, peak_memory, ticks};
use results::{Quantity, Results};
use scenarios::{Scenario, Storage};

#[test]
fn the_port_is_read_from_the_output_of_a_process() {
    let ready = r#"{"level":"INFO","message":"ready","listen":"127.0.0.1:4711","target":"otpost::app"}"#;
    assert_eq!(address_in_log(ready), "127.0.0.1:4711".parse().ok());
    assert_eq!(address_in_log(r#"{"message":"starting","listen":"127.0.0.1:1"}"#), None);
    assert_eq!(address_after("email listens on smtp://127.0.0.1:25", "smtp://"), "127.0.0.1:25".parse().ok());
    assert_eq!(address_after("sms   listens on http://127.0.0.1:80", "smtp://"), None);
}

#[test]
fn cpu_time_is_found_after_any_process_name() {
    let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 31 0 0 20 0 5 0 100 1 1";
    assert_eq!(ticks(stat), Some(281));
    assert_eq!(ticks("7 (a) S 1"), None);
}

#[test]
fn peak_memory_is_read() {
    assert_eq!(peak_kib("Name:\ta\nVmPeak:\t 9 kB\nVmHWM:\t   20480 kB\n"), Some(20_480));
    assert!(peak_memory(rustix::process::getpid()).unwrap() > 1.0);
}

#[test]
fn a_measurement_is_shown_as_its_median_and_its_range() {
    let mut results = Results::default();
    for number in [12_345.0, 9_800.4, 11_000.0] {
        results.add(Scenario::Intake, Storage::Disk, [(Quantity::Rate, number)]);
    }
    let measurement = results.find(Scenario::Intake, Storage::Disk, Quantity::Rate).unwrap();
    assert_eq!(measurement.show(), "11,000/s [9,800-12,345]");
    assert!(results.find(Scenario::Intake, Storage::Tmpfs, Quantity::Rate).is_none());
}

#[test]
fn numbers_are_shown_with_separators_and_units() {
    assert_eq!(Quantity::AcceptP99.show(1_234.5), "1,234.50 ms");
    assert_eq!(Quantity::Cpu.show(840.4), "840 µs");
    assert_eq!(Quantity::EndOverAccept.show(-0.125), "-0.12 ms");
    assert_eq!(Quantity::Rate.show(999.0), "999/s");
}

#[test]
fn a_result_is_judged_only_against_its_own_run() {
    let mut results = Results::default();
    results.add(Scenario::Intake, Storage::Disk, [(Quantity::Rate, 8_000.0)]);
    results.add(Scenario::Stored, Storage::Disk, [(Quantity::Rate, 5_000.0)]);
    results.add(Scenario::Rate200, Storage::Tmpfs, [(Quantity::AcceptP99, 3.0)]);
    results.add(Scenario::Rate200, Storage::Disk, [(Quantity::AcceptP50, 1.0)]);
    let shown = table::table(&results);
    assert!(shown.contains("intake 8,000/s  0.62   must >= 0.5: met, goal >= 0.8: MISSED"), "{shown}");
    assert!(shown.contains("must <= 4 ms: met, goal <= 2.5 ms: MISSED"), "{shown}");
    assert!(shown.contains("not judged; reference pipeline: 1.6 (1.25) times its accept p50"), "{shown}");
}
