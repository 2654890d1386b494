//! The seal key is rotated while the gateway runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use super::tally::Tally;
use super::{OTPOST, Workspace};

fn rotate(workspace: &Workspace, args: &[&str]) -> Output {
    let config = workspace.path("otpost.toml");
    Command::new(OTPOST).args(["key", "rotate"]).args(args).arg("--config").arg(config).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seal_key_is_rotated_while_codes_are_delivered_and_the_next_start_knows_the_new_one() {
    let workspace = Workspace::new("").await;
    let key = workspace.path("keys/seal.key");
    let first = fs::read_to_string(&key).unwrap();
    let gateway = workspace.serve();
    let tally = Tally::default();
    let mut processor = gateway.processor(&workspace.identity());
    let mut messages = workspace.sms.station().subscribe();
    let mut delivered = async |processor: &mut _| {
        let mark = tally.mark();
        assert_eq!(tally.post(processor, &mark).await, 204);
        let sent = tokio::time::timeout(std::time::Duration::from_mins(1), messages.recv()).await;
        assert!(sent.unwrap().unwrap().text.contains(&mark));
    };
    delivered(&mut processor).await;

    let rotated = rotate(&workspace, &[]);

    let said = String::from_utf8_lossy(&rotated.stdout);
    assert!(rotated.status.success(), "{rotated:?}");
    assert!(said.contains("a new seal key seals from now on\nall contacts are sealed with the new key\n"), "{said}");
    assert!(said.contains("the previous seal key is kept, at least until"), "{said}");
    assert!(String::from_utf8_lossy(&rotated.stderr).contains("back up"), "{rotated:?}");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let second = fs::read_to_string(&key).unwrap();
    assert!(second.contains(first.trim()) && !second.starts_with(first.trim()), "the previous key is kept");
    // The contact was sealed with a key that this process had not read yet.
    delivered(&mut processor).await;
    let again = rotate(&workspace, &["--finish"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("continues"), "{again:?}");
    assert_eq!(fs::read_to_string(&key).unwrap(), second);
    assert!(!gateway.log().contains("ERROR"), "{}", gateway.log());
    drop(gateway);

    let gateway = workspace.serve();
    delivered(&mut gateway.processor(&workspace.identity())).await;
    drop(gateway);
    fs::write(&key, first).unwrap();
    let checked = Command::new(OTPOST).args(["check", "--config"]).arg(workspace.path("otpost.toml")).output().unwrap();
    assert!(!checked.status.success());
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains("is not the key this database was sealed with"), "{said}");
}

#[tokio::test]
async fn finishing_a_rotation_that_nobody_began_begins_none() {
    let workspace = Workspace::new("").await;
    let before = fs::read(workspace.path("keys/seal.key")).unwrap();

    let finished = rotate(&workspace, &["--finish"]);

    assert!(finished.status.success());
    assert_eq!(String::from_utf8_lossy(&finished.stdout), "no rotation of the seal key is under way\n");
    assert_eq!(fs::read(workspace.path("keys/seal.key")).unwrap(), before);
}
