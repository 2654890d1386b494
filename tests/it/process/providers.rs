//! Operators drain and enable a provider while the gateway runs.

use std::process::Command;
use std::time::{Duration, Instant};

use otpost::domain::contact::Channel;
use otpost::sim::processor::{OtpSample, Processor};
use otpost::sim::providers::PracticeProvider;
use otpost::sim::providers::message_log::Keeping;
use serde_json::Value;

use super::canary::get;
use super::{OTPOST, Workspace, loopback, run};

/// A running gateway reacts within a second; the rest is for a busy machine.
const OBEYED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_gateway_follows_drain_and_enable() {
    let backup = PracticeProvider::open(Channel::Sms, loopback(), Keeping::Arrivals).await.unwrap();
    let url = format!("http://{}/sms", backup.address());
    let workspace =
        Workspace::new(&format!("[[provider]]\nname = \"backup\"\nkind = \"sms_gateway\"\nurl = \"{url}\"")).await;
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    let taken = |provider: &PracticeProvider| provider.station().arrivals().len();
    tell(&mut processor, || taken(&workspace.sms) + taken(&backup)).await;
    assert_eq!((taken(&workspace.sms), taken(&backup)), (1, 0));

    let said = provider(&workspace, &["drain", "sms", "--reason", "maintenance until four"]);
    assert_eq!(said, "sms is drained\n");
    tell_until(&mut processor, || taken(&workspace.sms) + taken(&backup), || taken(&backup) > 0).await;
    let before = taken(&workspace.sms);
    for _ in 0..5 {
        tell(&mut processor, || taken(&workspace.sms) + taken(&backup)).await;
    }
    assert_eq!((taken(&workspace.sms), taken(&backup)), (before, 6));

    let shown: Value = serde_json::from_str(&provider(&workspace, &["list", "--json"])).unwrap();
    let [sms, spare] = &shown["providers"].as_array().unwrap()[..] else { unreachable!("two providers") };
    assert_eq!((&sms["name"], &sms["drained"], &sms["circuit"]), (&"sms".into(), &true.into(), &"closed".into()));
    assert_eq!(sms["drain_reason"], "maintenance until four");
    assert_eq!((&spare["name"], &spare["drained"]), (&"backup".into(), &false.into()));
    let metrics = get(&gateway, "/metrics");
    assert!(metrics.contains("otpost_circuit_state{provider=\"sms\"} 0"), "{metrics}");
    assert!(metrics.contains("otpost_fallbacks_total{from=\"sms\",to=\"backup\",reason=\"drained\"} 6"), "{metrics}");
    assert!(metrics.contains("otpost_provider_request_duration_seconds_count{provider=\"backup\"} 6"), "{metrics}");

    assert_eq!(provider(&workspace, &["enable", "sms"]), "sms is enabled\n");
    tell_until(&mut processor, || taken(&workspace.sms) + taken(&backup), || taken(&workspace.sms) > before).await;
}

fn provider(workspace: &Workspace, args: &[&str]) -> String {
    run(Command::new(OTPOST).arg("provider").args(args).arg("--config").arg(workspace.path("otpost.toml")))
}

// Sends one code and waits until it has arrived somewhere.
async fn tell(processor: &mut Processor, arrived: impl Fn() -> usize) {
    let before = arrived();
    let answer = processor.send(&OtpSample::default().sample()).await.unwrap();
    assert_eq!(answer.status, 204);
    let began = Instant::now();
    while arrived() == before {
        assert!(began.elapsed() < Duration::from_secs(15), "no message was sent");
        tokio::task::yield_now().await;
    }
}

async fn tell_until(processor: &mut Processor, arrived: impl Fn() -> usize, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < OBEYED, "still as before");
        tell(processor, &arrived).await;
    }
}
