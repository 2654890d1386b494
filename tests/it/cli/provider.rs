//! `otpost provider`: the list of providers, and draining and enabling them.

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::Workspace;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let provider = "[[provider]]\nname = \"poland\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:9/\"\n\
                    countries = [\"+48\"]\nweight = 3\nmin_validity = \"90s\"\n";
    workspace.write("otpost.toml", &format!("{text}\n{provider}"));
    workspace
}

#[test]
fn without_a_gateway_the_list_shows_drained_providers_and_says_that_their_health_is_unknown() {
    let workspace = workspace();

    let drained = workspace.run(&["provider", "drain", "poland", "--reason", "too\texpensive"]);
    let list = workspace.run(&["provider", "list"]);
    let json = workspace.run(&["provider", "list", "--json"]).json();

    assert_eq!((drained.code, drained.out.as_str()), (0, "poland is drained\n"));
    assert!(drained.err.contains("no sms provider is enabled"), "{}", drained.err);
    assert!(list.out.contains("poland  sms      +48        3") && list.out.contains(": tooexpensive"), "{}", list.out);
    assert!(list.err.contains("no running gateway reported"), "{}", list.err);
    let poland = json["providers"].as_array().unwrap().last().unwrap();
    assert_eq!((poland["drained"].as_bool(), poland["circuit"].is_null()), (Some(true), true), "{json}");
}

#[test]
fn draining_or_enabling_a_provider_again_changes_nothing_and_says_so() {
    let workspace = workspace();
    workspace.run(&["provider", "drain", "poland"]);

    let again = workspace.run(&["provider", "drain", "poland", "--reason", "another"]);
    let enabled = workspace.run(&["provider", "enable", "poland"]);
    let enabled_again = workspace.run(&["provider", "enable", "poland"]);

    assert_eq!((again.code, again.out.as_str()), (0, "poland is already drained\n"));
    assert_eq!((enabled.code, enabled.out.as_str()), (0, "poland is enabled\n"));
    assert_eq!((enabled_again.code, enabled_again.out.as_str()), (0, "poland is already enabled\n"));
}

#[test]
fn an_unknown_provider_is_refused_unless_it_is_drained() {
    let workspace = workspace();
    for verb in ["drain", "enable"] {
        let unknown = workspace.run(&["provider", verb, "nobody"]);
        assert_eq!(unknown.code, 2);
        assert!(unknown.err.contains("no provider nobody") && unknown.err.contains("poland"), "{}", unknown.err);
    }
    workspace.run(&["provider", "drain", "poland"]);

    workspace.configure("name = \"poland\"", "name = \"elsewhere\"");
    let enabled = workspace.run(&["provider", "enable", "poland"]);

    assert_eq!((enabled.code, enabled.out.as_str()), (0, "poland is enabled\n"));
}

#[tokio::test]
async fn the_audit_log_says_who_drained_and_who_enabled() {
    let workspace = workspace();
    workspace.run(&["provider", "drain", "poland", "--reason", "maintenance"]);
    workspace.run(&["provider", "enable", "poland"]);

    let mut database = SqliteConnectOptions::new().filename(workspace.path("otpost.db")).connect().await.unwrap();
    let text = "SELECT kind, actor FROM audit_event WHERE kind LIKE 'provider_%' ORDER BY seq";
    let events: Vec<(String, String)> = sqlx::query_as(text).fetch_all(&mut database).await.unwrap();

    assert_eq!(events.len(), 2);
    let me = otpost::file_access::login();
    assert!(!me.is_empty() && events.iter().all(|(_, actor)| *actor == format!("operator:{me}")), "{events:?}");
}
