//! A processor that sends many codes, each with a token that tells whether and when it arrived.

use std::ops::RangeInclusive;
use std::time::Duration;

use otpost::sim::http_client::{Identity, Target};
use otpost::sim::load::{LoadPlan, LoadReport, run};

use super::Gateway;

/// Longer than the last code waits for its turn when more are due than the gateway can take.
const PATIENCE: Duration = Duration::from_mins(10);

/// Enough that commits are made for many at once.
const CONNECTIONS: usize = 64;

/// So many codes to these customers in turn, `rate` a second.
pub(crate) async fn load(gateway: &Gateway, codes: u32, rate: f64, customers: RangeInclusive<u64>) -> LoadReport {
    let processor = &gateway.files.processor;
    let certificate = processor.certificate.to_pem().unwrap();
    let key = processor.key.private_key_to_pem_pkcs8().unwrap();
    let ca = std::fs::read(gateway.files.path("pki/dev/ca.pem")).unwrap();
    let identity = Identity::from_pem(&certificate, &key, &ca).unwrap();
    let plan = LoadPlan {
        target: Target::new(&format!("https://localhost:{}", gateway.address().port()), Some(&identity)).unwrap(),
        rate,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs_f64(f64::from(codes) / rate),
        connections: CONNECTIONS,
        customers,
        timeout: PATIENCE,
    };
    run(plan, |_| {}).await.unwrap()
}
