//! `otpost key`: a key rotation, and rejected changes.

use std::os::unix::fs::PermissionsExt;

use super::{CommandOutput, Workspace};

fn id(said: &CommandOutput) -> String {
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.out.trim_end().len(), 16, "{}", said.out);
    said.out.trim_end().to_owned()
}

fn new(workspace: &Workspace, args: &[&str]) -> String {
    id(&workspace.run(&[&["key", "new", "--bits", "2048"], args].concat()))
}

#[test]
fn a_rotation_replaces_the_published_key() {
    let workspace = Workspace::new();
    let old = new(&workspace, &["--activate"]);
    let new = new(&workspace, &[]);

    let staged = workspace.run(&["key", "list"]);
    let planned = workspace.run(&["key", "activate", &new, "--at", "2999-01-31T12:00:00Z"]);
    let told = workspace.run(&["key", "list", "--json"]).json();
    let early = workspace.run(&["key", "retire", &old]);
    let activated = workspace.run(&["key", "activate", &new]);
    let retired = workspace.run(&["key", "retire", &old]);
    let after = workspace.run(&["key", "list", "--json"]).json();

    let line = |said: &CommandOutput, id: &str| said.out.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(line(&staged, &old).ends_with("published") && line(&staged, &old).contains("active"), "{}", staged.out);
    assert!(line(&staged, &new).contains("staged") && staged.out.contains("2048"), "{}", staged.out);
    assert_eq!(planned.out, format!("published: {old}\nnext: {new} from 2999-01-31T12:00:00.000Z\n"));
    assert_eq!((&told["keys"][0]["published"], &told["keys"][1]["next"]), (&true.into(), &true.into()));
    assert_eq!(told["keys"][1]["activate_at"], "2999-01-31T12:00:00.000Z");
    assert_eq!(early.code, 2);
    assert!(
        early.err.contains("is published; activate another key first") && early.err.contains("--force"),
        "{}",
        early.err
    );
    assert_eq!(activated.out, format!("published: {new}\n"));
    assert_eq!(retired.code, 0, "{}", retired.err);
    assert_eq!((&after["keys"][0]["state"], &after["keys"][1]["state"]), (&"retired".into(), &"active".into()));
    assert!(workspace.path("pki/encryption").join(format!("{old}.pem")).exists(), "no command deletes a key");
}

#[test]
fn changes_that_would_leave_processors_without_a_key_are_rejected_with_advice() {
    let workspace = Workspace::new();
    let first = new(&workspace, &["--activate"]);

    for (args, part) in [
        (&["key", "new", "--bits", "2048", "--activate"][..], "is published"),
        (&["key", "new", "--bits", "1024"], "1024"),
        (&["key", "activate", "0000000000000000"], "otpost key list"),
        (&["key", "activate", &first, "--at", "2001-01-01T00:00:00Z"], "is in the past"),
        (&["key", "activate", &first, "--at", "2999-01-01T00:00:00Z"], "already published"),
        (&["key", "activate", &first, "--at", "soon"], "soon"),
        (&["key", "show", "../../keys/seal"], "there is no encryption key"),
    ] {
        let said = workspace.run(args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.out);
        assert!(said.err.contains(part), "{args:?}: {}", said.err);
    }
    assert_eq!(workspace.run(&["key", "list", "--json"]).json()["keys"].as_array().unwrap().len(), 1);
    assert_eq!(workspace.run(&["key", "retire", &first, "--force"]).out, "published: none\n");
}

#[test]
fn a_public_key_is_shown_as_processors_get_it_and_a_private_key_never() {
    let workspace = Workspace::new();
    let nothing = workspace.run(&["key", "show"]);
    let id = new(&workspace, &["--activate"]);
    let file = workspace.path("pki/encryption").join(format!("{id}.pem"));
    let private = openssl::pkey::PKey::private_key_from_pem(&std::fs::read(file).unwrap()).unwrap();

    let der = workspace.run(&["key", "show"]);
    let pem = workspace.run(&["key", "show", &id, "--format", "pem"]);
    let base64 = workspace.run(&["key", "show", &id, "--format", "pem-base64"]);

    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("no encryption key is published"), "{}", nothing.err);
    assert_eq!(openssl::base64::decode_block(der.out.trim_end()).unwrap(), private.public_key_to_der().unwrap());
    assert_eq!(pem.out.as_bytes(), private.public_key_to_pem().unwrap());
    assert_eq!(openssl::base64::decode_block(base64.out.trim_end()).unwrap(), pem.out.as_bytes());
    for said in [der, pem, base64, workspace.run(&["key", "list", "--json"]), workspace.run(&["check", "--json"])] {
        said.keeps("PRIVATE");
    }
}

#[test]
fn check_reports_the_published_key_the_next_key_and_problems() {
    let workspace = Workspace::new();
    let without = workspace.run(&["check"]);
    let (old, next) = (new(&workspace, &["--activate"]), new(&workspace, &[]));
    workspace.run(&["key", "activate", &next, "--at", "2999-01-31T12:00:00Z"]);
    let file = |id: &str| workspace.path("pki/encryption").join(format!("{id}.pem"));
    let sound = workspace.run(&["check"]);
    std::fs::set_permissions(file(&old), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::copy(file(&old), workspace.path("pki/encryption/stray.pem")).unwrap();
    let open = workspace.run(&["check"]);
    std::fs::write(file(&next), "not a key").unwrap();
    let broken = workspace.run(&["check"]);

    without.place_of("no keys: only unencrypted bodies are accepted");
    sound.place_of(&format!("key {old} (RSA 2048) is published"));
    sound.place_of(&format!("key {next} (RSA 2048) will be published at 2999-01-31"));
    open.place_of(&format!("{old}.pem: mode 640: readable by other users; run chmod 600"));
    open.place_of("stray.pem: not in the index");
    assert_eq!((sound.code, open.code, broken.code), (0, 0, 2), "{}", broken.out);
    assert_eq!(broken.out.matches("not an unencrypted private key").count(), 1, "{}", broken.out);
}
