//! `otpost user`: adding users of the console, and changing them.

use super::Workspace;

#[test]
fn a_user_is_added_without_a_password_and_gets_a_set_up_code() {
    let workspace = Workspace::new();

    let added = workspace.run(&["user", "add", "anna", "--role", "viewer,admin"]);
    let again = workspace.run(&["user", "add", "anna", "--role", "viewer"]);
    let list = workspace.run(&["user", "list", "--json"]).json();

    assert_eq!(added.code, 0, "{}", added.err);
    assert!(added.out.starts_with("anna is added with viewer, admin\nset-up code: "), "{}", added.out);
    assert!(added.err.contains("[console] listen") && added.err.contains("counts once"), "{}", added.err);
    assert_eq!((again.code, again.err.trim()), (2, "otpost: there is a user anna already"));
    assert_eq!((list["state"].as_str(), list["roles"][1].as_str()), (Some("not set up"), Some("admin")), "{list}");
}

#[test]
fn with_a_console_the_address_of_the_set_up_page_is_printed() {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let (before, after) = text.split_once("[console]").unwrap();
    let after = after.replacen("listen = \"\"", "listen = \"127.0.0.1:8470\"", 1);
    workspace.write("otpost.toml", &format!("{before}[console]{after}"));

    let added = workspace.run(&["user", "add", "anna", "--role", "viewer"]);

    assert!(added.out.contains("set-up page: http://127.0.0.1:8470/welcome?code="), "{}{}", added.out, added.err);
}

#[test]
fn users_are_changed_and_the_last_admin_stays_one() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "anna", "--role", "admin"]);
    workspace.run(&["user", "add", "ben", "--role", "viewer"]);

    assert_eq!(workspace.run(&["user", "roles", "ben", "--role", "support,author"]).out, "ben has support, author\n");
    assert_eq!(workspace.run(&["user", "disable", "ben"]).out, "ben is disabled\n");
    assert_eq!(workspace.run(&["user", "disable", "ben"]).out, "ben is already disabled\n");
    assert_eq!(workspace.run(&["user", "enable", "ben"]).out, "ben is enabled\n");
    assert!(workspace.run(&["user", "reset", "ben"]).out.contains("set-up code: "));
    for args in [&["user", "disable", "anna"][..], &["user", "roles", "anna", "--role", "viewer"]] {
        let refused = workspace.run(args);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("anna is the last admin"), "{}", refused.err);
    }
    let unknown = workspace.run(&["user", "disable", "cleo"]);
    assert_eq!((unknown.code, unknown.err.trim()), (2, "otpost: there is no user cleo"));
    for (name, role) in [("Anna", "viewer"), ("<b>", "viewer"), ("cleo", "god")] {
        assert_eq!(workspace.run(&["user", "add", name, "--role", role]).code, 2, "{name} {role}");
    }
}

#[test]
fn the_audit_log_says_who_changed_whom() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "anna", "--role", "viewer"]);
    workspace.run(&["user", "roles", "anna", "--role", "author"]);

    let log = workspace.run(&["audit", "list"]).out;

    let lines: Vec<_> = log.lines().filter(|line| line.contains("user_")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines.iter().all(|line| line.contains("operator:") && line.contains("user=anna")), "{log}");
    assert!(lines[0].contains("before=viewer") && lines[0].contains("roles=author"), "{log}");
}
