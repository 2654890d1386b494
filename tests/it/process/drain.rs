//! A stop under load: accepted deliveries are finished, no request is cut off, the process ends in time with success.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use otpost::domain::delivery::DeliveryState;
use otpost::sim::processor::OtpSample;
use otpost::sim::providers::faults::Faults;
use otpost::store::reports::DeliveryFilter;

use super::Workspace;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_stop_accepted_deliveries_are_finished_and_the_process_ends_with_success() {
    let workspace = Workspace::new("").await;
    workspace.sms.station().behave(Faults::slow(Duration::from_millis(300)));
    let mut gateway = workspace.serve();
    let accepted = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let mut processor = gateway.processor(&workspace.identity());
            let (accepted, stop) = (Arc::clone(&accepted), Arc::clone(&stop));
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let otp = OtpSample::default().sample();
                    match processor.post(otp.path, &otp.body, Some(&format!("{sender}-{number}"))).await {
                        Ok(answer) if answer.status == 204 => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                        // Closed, or answered 503: both are correct.
                        Ok(answer) => assert_eq!(answer.status, 503),
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    while accepted.load(Ordering::Relaxed) < 200 {
        tokio::task::yield_now().await;
    }

    gateway.signal("-TERM");
    let status = gateway.ended_within(Duration::from_secs(15));
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }

    assert!(status.success(), "{status}: {}", gateway.log());
    let accepted = accepted.load(Ordering::Relaxed);
    assert_eq!(workspace.sms.station().arrivals().len(), accepted, "each sent once");
    let store = workspace.store().await;
    let open = DeliveryFilter { state: Some(DeliveryState::Open), ..DeliveryFilter::newest(1) };
    assert!(store.reports().deliveries(&open).await.unwrap().lines.is_empty(), "none left open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_never_answers_does_not_delay_the_stop_and_the_next_process_delivers() {
    let workspace = Workspace::new("").await;
    workspace.sms.station().behave(Faults::silent());
    let mut gateway = workspace.serve();
    let otp = OtpSample::default().sample();
    let mut processor = gateway.processor(&workspace.identity());
    assert_eq!(processor.post(otp.path, &otp.body, Some("k")).await.unwrap().status, 204);

    gateway.signal("-TERM");
    assert!(gateway.ended_within(Duration::from_secs(15)).success(), "{}", gateway.log());

    workspace.sms.station().behave(Faults::default());
    let mut arrivals = workspace.sms.station().subscribe();
    let _next = workspace.serve();
    let arrived = tokio::time::timeout(Duration::from_secs(15), arrivals.recv()).await;
    assert!(arrived.is_ok(), "the next process delivers it");
}
