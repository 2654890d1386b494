//! Publishing templates in a process that is killed, and moving texts between the folder and the database.

use std::fs;
use std::process::Command;
use std::time::Duration;

use otpost::domain::audit_event::{Actor, AuditEvent, AuditKind};
use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::template_change::{ChangeState, TemplateChange, TemplateDraft};
use otpost::render::TemplatePath;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{OTPOST, Workspace};

const PATHS: [&str; 3] = ["pl/otp/sms.hbs", "pl/otp/push.body.hbs", "en/otp/sms.hbs"];
const KILLS: usize = 12;

async fn workspace() -> Workspace {
    let workspace = Workspace::new("").await;
    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replacen("source = \"files\"", "source = \"console\"", 1);
    fs::write(&config, text).unwrap();
    workspace
}

/// A change of all paths that is approved and due.
async fn due(workspace: &Workspace, number: usize) -> i64 {
    let (store, now) = (workspace.store().await, SystemClock.now());
    let live = store.template_changes().published_texts().await.unwrap();
    let mut change = TemplateChange::new("author", now);
    for path in PATHS {
        let (text, base) = (Some(format!("{number} {{{{otp}}}} {{{{amount}}}} {{{{merchant}}}}\n")), live.text(path));
        let draft = TemplateDraft { path: path.to_owned(), text, base: base.map(str::to_owned) };
        change.edit("author", draft, now).unwrap();
    }
    change.submit("author", "shorter", now).unwrap();
    change.approve("approver", change.content_hash(), "", now).unwrap();
    change.schedule("approver", now, now.before(Duration::from_secs(1))).unwrap();
    let event = AuditEvent::new(Actor::Operator("author".to_owned()), AuditKind::TemplateDrafted, now);
    // A new change is stored as a draft; its review is the second write.
    let id = store.template_changes().add_change(&change, &event).await.unwrap();
    let change = TemplateChange { id, version: 1, ..change };
    assert!(store.template_changes().save_change(&change, &event).await.unwrap());
    store.close().await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_a_change_is_published_leaves_all_of_it_or_nothing() {
    let workspace = workspace().await;
    drop(workspace.serve());
    let mut rng = StdRng::seed_from_u64(20_261_127);
    let (mut all, mut none) = (0, 0);

    for number in 0..KILLS {
        let id = due(&workspace, number).await;
        let gateway = workspace.serve();
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..600))).await;
        gateway.signal("-KILL");
        drop(gateway);

        let store = workspace.store().await;
        let change = store.template_changes().change(id).await.unwrap().unwrap();
        let live = store.template_changes().published_texts().await.unwrap();
        let new = PATHS.iter().filter(|path| live.text(path).unwrap().starts_with(&format!("{number} "))).count();
        let active = store.template_versions().active().await.unwrap();
        let path = TemplatePath::parse(PATHS[0]).unwrap();
        let snapshot = active.iter().find(|it| {
            it.key.locale == path.locale && it.parts.contains_key("sms.hbs") && Some(it.key.kind) == path.kind()
        });
        let is_active = snapshot.unwrap().parts["sms.hbs"].starts_with(&format!("{number} "));
        match change.state {
            ChangeState::Published => all += 1,
            ChangeState::Approved => none += 1,
            other => panic!("{other:?}: {:?}", change.problem),
        }
        let is_published = change.state == ChangeState::Published;
        assert_eq!((new, is_active), if is_published { (PATHS.len(), true) } else { (0, false) });
        if !is_published {
            let mut change = change;
            change.withdraw(SystemClock.now()).unwrap();
            let event = AuditEvent::gateway(AuditKind::TemplateChangeWithdrawn, SystemClock.now());
            assert!(store.template_changes().save_change(&change, &event).await.unwrap());
        }
        store.close().await.unwrap();
    }
    println!("{all} published, {none} not");
}

fn template(workspace: &Workspace, args: &[&str]) -> (i32, String) {
    let config = workspace.path("otpost.toml");
    let output = Command::new(OTPOST).arg("template").args(args).arg("--config").arg(config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_makes_a_change_of_edited_files_and_pull_writes_published_texts() {
    let workspace = workspace().await;
    let file = workspace.path("templates/pl/otp/sms.hbs");
    let (code, said) = template(&workspace, &["push"]);
    assert!(code == 2 && said.contains("no texts were published yet"), "{said}");
    let gateway = workspace.serve();
    assert_eq!(template(&workspace, &["push"]).0, 0, "nothing was edited");

    fs::write(&file, "EDITED {{otp}} {{amount}}\n").unwrap();
    let (code, said) = template(&workspace, &["push"]);
    assert!(code == 2 && said.contains("sms.hbs") && said.contains("merchant"), "{said}");
    fs::write(&file, "EDITED {{otp}} {{amount}} {{merchant}}\n").unwrap();
    let (code, said) = template(&workspace, &["push"]);
    assert!(code == 0 && said.contains("change 1: a draft of 1 text"), "{said}");
    let store = workspace.store().await;
    let change = store.template_changes().change(1).await.unwrap().unwrap();
    assert_eq!((change.state, change.drafts.len()), (ChangeState::Draft, 1));
    store.close().await.unwrap();
    drop(gateway);

    // Another text is published meanwhile: the edit is in conflict, and nothing overwrites it.
    due(&workspace, 7).await;
    let gateway = workspace.serve();
    let is_live = async || {
        let store = workspace.store().await;
        let live = store.template_changes().published_texts().await.unwrap();
        store.close().await.unwrap();
        live.text(PATHS[0]).unwrap().starts_with("7 ")
    };
    while !is_live().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (code, said) = template(&workspace, &["push"]);
    assert!(code == 1 && said.contains("conflict") && said.contains("-7 ") && said.contains("+EDITED"), "{said}");
    let (code, said) = template(&workspace, &["pull"]);
    assert!(code == 1 && said.contains("written: pl/otp/push.body.hbs"), "{said}");
    assert!(said.contains("left as it is, because it was edited: pl/otp/sms.hbs"), "{said}");
    assert!(fs::read_to_string(&file).unwrap().starts_with("EDITED"));
    assert!(fs::read_to_string(workspace.path("templates/en/otp/sms.hbs")).unwrap().starts_with("7 "));

    fs::remove_file(&file).unwrap();
    assert_eq!(template(&workspace, &["pull"]).0, 0);
    assert!(fs::read_to_string(&file).unwrap().starts_with("7 "));
    drop(gateway);
}
